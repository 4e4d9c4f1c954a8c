/** A thread goes on though Restate has lost the run that was active in it, and nothing that was done is done again. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import { AgentRun, RunAgent } from "@tenon/agents/AgentRun"
import * as LostRuns from "@tenon/agents/LostRuns"
import { Question } from "@tenon/agents/Question"
import { Thread } from "@tenon/agents/Thread"
import { CurrentActor } from "@tenon/core/Actor"
import { Checkpoint } from "@tenon/core/Checkpoint"
import { Runtime } from "@tenon/core/Runtime"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import { Payment, refund } from "@tenon/examples/agents/Refund"
import * as Testing from "@tenon/testing/Testing"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { conversation, eventually, registry } from "../support/agentDomain.ts"
import { forget, killed } from "../support/restateForgets.ts"

const done: Array<string> = []
/** On whose behalf the last run went on after its question. */
const rightsOf: Array<string> = []

const forgetful = Agent.make(
  "forgetful",
  Effect.fnUntraced(function* (ctx) {
    const step = (name: string) =>
      ctx.step(
        name,
        Effect.sync(() => void done.push(name))
      )
    yield* Effect.all([step("one"), step("two")], { concurrency: "unbounded" })
    yield* ctx.writeMessage("begun")
    rightsOf.length = 0
    const { go } = yield* ctx.ask("Go on?", Schema.Struct({ go: Schema.Boolean }))
    yield* step("three")
    rightsOf.push(ctx.actor.id)
    yield* ctx.writeMessage(`went on: ${go}`)
  })
)

/** Names its step by what it has drawn and by the time, after it was answered. */
const naming = Agent.make("naming", (ctx) =>
  Effect.gen(function* () {
    yield* ctx.history
    yield* ctx.writeMessage("begun")
    const name = `${yield* ctx.newId} ${yield* ctx.now}`
    yield* ctx.step(
      name,
      Effect.sync(() => void done.push(name))
    )
    yield* ctx.ask("Go on?", Schema.Struct({ go: Schema.Boolean }))
    const again = `${yield* ctx.newId} ${yield* ctx.now}`
    yield* ctx.step(
      again,
      Effect.sync(() => void done.push(again))
    )
    yield* ctx.sleep("1500 millis")
    yield* ctx.writeMessage(`${name} ${again}`)
  })
)

const napping = Agent.make("napping", { output: Schema.String }, (ctx) =>
  Effect.as(Effect.andThen(ctx.step("lie down", Effect.void), ctx.sleep("1500 millis")), "slept")
)

const delegating = Agent.make("delegating", (ctx) =>
  Effect.flatMap(Effect.orDie(ctx.child(napping, undefined)), (said) => ctx.writeMessage(said))
)

/** What each execution of the step is known by; the first takes long. */
const entered: Array<string> = []
const working = Agent.make("working", (ctx) =>
  Effect.gen(function* () {
    yield* ctx.step(
      "before",
      Effect.sync(() => void done.push("before"))
    )
    yield* ctx.step(
      "work",
      Effect.flatMap(
        ctx.idempotencyKey,
        (key) => (entered.push(key), entered.length === 1 ? Effect.sleep("1 hour") : Effect.void)
      )
    )
    yield* ctx.writeMessage(`worked for ${ctx.actor.id}, ${ctx.actor.roles.join()}`)
  })
)

/** Holds the handler of a refund between its commit and Restate's journal, for as long as it is there. */
let holding = false
const held: Array<string> = []
const hold = Layer.succeed(Checkpoint, (point, what) =>
  Effect.suspend(() => {
    if (!holding || point !== "executed" || what !== "Payment.refund") return Effect.void
    held.push(what)
    return held.length === 1 ? Effect.never : Effect.void
  })
)

const workflows = Workflow.layer(Agents.implement(forgetful, naming, napping, delegating, working, refund))
const world = TestingPostgres.layerRestate(registry, { workflows }).pipe(
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provideMerge(hold)
)

const ended = ["1", "begun", "question", "answer", "went on: true"]

layer(world, { timeout: 60_000, excludeTestServices: true })("agents that Restate has forgotten", (it) => {
  const asked = Effect.gen(function* () {
    done.length = 0
    const talk = yield* conversation("forgetful")
    yield* talk.post("1")
    const question = yield* talk.question
    // What a run does is told to the journal a moment later.
    yield* Effect.sleep("300 millis")
    yield* forget
    return { ...talk, question }
  })
  /** Until Restate knows of a run again. */
  const isBack = (run: { readonly id: string } | undefined) =>
    Effect.gen(function* () {
      const { isAlive } = yield* Runtime
      const { tenantId } = yield* CurrentActor
      return yield* eventually(isAlive({ tenantId, workflow: RunAgent.name, key: run?.id ?? "" }), (alive) => alive)
    })
  const answer = (question: { readonly id: string }) =>
    Tenon.invoke(Question.actions.answer, question.id, { answer: { go: true } })

  it.effect("an answer sets the run going again", () =>
    Effect.gen(function* () {
      const { question, runs, said } = yield* asked
      yield* answer(question)
      yield* eventually(runs, ([run]) => run?.status === "DONE")
      assert.deepStrictEqual(yield* said, ended)
      assert.deepStrictEqual(done.toSorted(), ["one", "three", "two"])
    })
  )

  it.effect("so does the next message, which then has its turn", () =>
    Effect.gen(function* () {
      const { post, question, runs, said } = yield* asked
      yield* post("2")
      yield* isBack((yield* runs)[0])
      yield* answer(question)
      yield* eventually(runs, ([run]) => run?.status === "DONE")
      yield* eventually(runs, (rows) => rows[1]?.status === "WAITING")
      assert.deepStrictEqual(done.toSorted(), ["one", "one", "three", "two", "two"])
      assert.strictEqual((yield* said).filter((words) => words === "begun").length, 2)
    })
  )

  it.effect("the next message wakes the children of the run as well, with no one else to do so", () =>
    Effect.gen(function* () {
      const { post, runs, said } = yield* conversation("delegating", "coalesce")
      yield* post("1")
      yield* eventually(runs, (rows) => rows.length === 2 && rows.every(({ status }) => status === "RUNNING"))
      yield* Effect.sleep("300 millis")
      yield* forget
      yield* post("2")
      yield* eventually(runs, (rows) => rows.filter(({ status }) => status === "DONE").length === 4)
      assert.deepStrictEqual(yield* said, ["1", "2", "slept", "slept"])
    })
  )

  it.effect("so does an operator, and it goes on as whoever asked for it", () =>
    Effect.gen(function* () {
      const { question, runs, said } = yield* asked
      const [run] = yield* runs
      yield* Tenon.invoke(AgentRun.actions.resume, run?.id ?? "").pipe(
        Effect.provideService(CurrentActor, Testing.actor({ id: "operator", roles: ["admin"] }))
      )
      yield* isBack(run)
      yield* answer(question)
      yield* eventually(runs, ([each]) => each?.status === "DONE")
      assert.deepStrictEqual(yield* said, ended)
      assert.deepStrictEqual(done.toSorted(), ["one", "three", "two"])
      assert.deepStrictEqual(rightsOf, [Testing.actor().id])
    })
  )
})

/** As many processes would, each for itself. */
const looking = Layer.mergeAll(
  LostRuns.layer({ every: "300 millis" }),
  Layer.fresh(LostRuns.layer({ every: "310 millis" }))
).pipe(Layer.provideMerge(Layer.fresh(world)))

layer(looking, { timeout: 60_000, excludeTestServices: true })(
  "agents that Restate has forgotten, with nobody by",
  (it) => {
    const ada = Effect.provideService(CurrentActor, Testing.actor({ id: "ada", roles: ["editor"] }))

    it.effect("a run that was asleep ends, with its child, and so do those that wait behind it", () =>
      Effect.gen(function* () {
        const { post, runs, said } = yield* conversation("delegating")
        yield* post("1")
        yield* post("2")
        yield* eventually(runs, (rows) => rows.filter(({ status }) => status === "RUNNING").length === 2)
        yield* forget
        yield* eventually(runs, (rows) => rows.filter(({ status }) => status === "DONE").length === 4)
        assert.deepStrictEqual(yield* said, ["1", "2", "slept", "slept"])
      })
    )

    it.effect("a run that was in a step takes it again, and none before it, as whoever asked for it", () =>
      Effect.gen(function* () {
        done.length = 0
        const { post, runs, said } = yield* conversation("working")
        yield* post("1")
        yield* eventually(
          Effect.sync(() => entered.length),
          (count) => count === 1
        )
        yield* Effect.sleep("300 millis")
        yield* forget
        yield* eventually(runs, ([run]) => run?.status === "DONE")
        assert.deepStrictEqual(yield* said, ["1", "worked for ada, editor"])
        assert.deepStrictEqual([done, entered.length], [["before"], 2])
        assert.strictEqual(entered[0], entered[1])
      }).pipe(ada)
    )

    it.effect("a run that has called, asked and slept finds the time and the ids that it had", () =>
      Effect.gen(function* () {
        done.length = 0
        const { post, question, runs, said } = yield* conversation("naming")
        yield* post("1")
        const lose = Effect.andThen(Effect.sleep("300 millis"), forget)
        const { id } = yield* question
        yield* lose
        yield* Effect.sleep("1 second")
        yield* Tenon.invoke(Question.actions.answer, id, { answer: { go: true } })
        yield* eventually(
          Effect.sync(() => done.length),
          (count) => count === 2
        )
        yield* lose
        yield* eventually(runs, ([run]) => run?.status === "DONE")
        assert.deepStrictEqual(yield* said, ["1", "begun", "question", "answer", done.join(" ")])
      })
    )

    it.effect(
      "a run that was killed, and that Restate still knows, goes on once, and so does what waits behind it",
      () =>
        Effect.gen(function* () {
          done.length = 0
          const { post, question, runs, said } = yield* conversation("forgetful")
          yield* post("1")
          yield* post("2")
          const asked = yield* question
          yield* Effect.sleep("300 millis")
          yield* killed(asked.runId)
          const runtime = yield* Runtime
          const run = { tenantId: Testing.actor().tenantId, workflow: "RunAgent", key: asked.runId }
          yield* eventually(runtime.isAlive(run), (isAlive) => isAlive)
          yield* Tenon.invoke(Question.actions.answer, asked.id, { answer: { go: true } })
          yield* eventually(runs, (rows) => rows[0]?.status === "DONE" && rows[1]?.status === "WAITING")
          assert.deepStrictEqual(done.toSorted(), ["one", "one", "three", "two", "two"])
          yield* Tenon.invoke(Question.actions.answer, (yield* question).id, { answer: { go: true } })
          yield* eventually(runs, (rows) => rows[1]?.status === "DONE")
          assert.strictEqual((yield* said).filter((words) => words === "went on: true").length, 2)
        })
    )

    it.effect("a run that asks waits again, and hears the answer", () =>
      Effect.gen(function* () {
        done.length = 0
        const { post, question, runs, said, thread } = yield* conversation("forgetful")
        yield* post("1")
        const asked = yield* question
        yield* Effect.sleep("300 millis")
        yield* forget
        const runtime = yield* Runtime
        const run = { tenantId: Testing.actor().tenantId, workflow: "RunAgent", key: asked.runId }
        yield* eventually(runtime.isAlive(run), (isAlive) => isAlive)
        yield* Tenon.invoke(Question.actions.answer, asked.id, { answer: { go: true } })
        yield* eventually(runs, ([each]) => each?.status === "DONE")
        assert.deepStrictEqual(yield* said, ended)
        assert.deepStrictEqual(done.toSorted(), ["one", "three", "two"])
        assert.strictEqual((yield* Tenon.invoke(Thread.actions.history, thread.id, { last: 100 })).length, ended.length)
      })
    )

    it.effect("a call that was committed when Restate lost it is answered by its receipt, and not done again", () =>
      Effect.gen(function* () {
        holding = true
        const payment = yield* Tenon.invoke(Payment.actions.create, { cents: 1200 })
        const { post, question, runs, said } = yield* conversation("refund")
        yield* post("1", payment.id)
        yield* Tenon.invoke(Question.actions.answer, (yield* question).id, { answer: { approve: true } })
        yield* eventually(
          Effect.sync(() => held.length),
          (count) => count === 1
        )
        yield* forget
        yield* eventually(runs, ([each]) => each?.status === "DONE")
        assert.deepStrictEqual(yield* said, [payment.id, "question", "answer", "Refunded 12.00."])
        assert.isAbove(held.length, 1, "the call was not made again")
      }).pipe(Effect.ensuring(Effect.sync(() => (holding = false))))
    )

    it.effect("a run that begins or goes on takes no notice of being revived", () =>
      Effect.gen(function* () {
        done.length = 0
        const { post, question, runs, said } = yield* conversation("forgetful")
        yield* post("1")
        const [run] = yield* runs
        const revive = Tenon.invoke(AgentRun.actions.resume, run?.id ?? "")
        yield* Effect.all(
          Array.from({ length: 8 }, () => Effect.andThen(revive, LostRuns.look(0))),
          { concurrency: "unbounded" }
        )
        const asked = yield* question
        yield* Effect.all(
          Array.from({ length: 4 }, () => revive),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(yield* LostRuns.look(0), 0)
        yield* Tenon.invoke(Question.actions.answer, asked.id, { answer: { go: true } })
        yield* eventually(runs, ([each]) => each?.status === "DONE")
        yield* Effect.sleep("300 millis")
        assert.deepStrictEqual(yield* said, ended)
        assert.deepStrictEqual(done.toSorted(), ["one", "three", "two"])
      })
    )
  }
)
