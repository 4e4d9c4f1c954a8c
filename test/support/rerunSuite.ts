/**
 * What it means to run a run again: nothing that succeeded is done twice, and nothing waits for what nobody will do.
 */
import * as Agent from "@tenon/agents/Agent"
import type { AgentContext } from "@tenon/agents/AgentContext"
import { AgentRun } from "@tenon/agents/AgentRun"
import * as Content from "@tenon/agents/Content"
import { Question } from "@tenon/agents/Question"
import { Thread } from "@tenon/agents/Thread"
import type { CurrentActor } from "@tenon/core/Actor"
import type { Interpreter } from "@tenon/core/Interpreter"
import type { Repository } from "@tenon/core/Repository"
import * as Tenon from "@tenon/core/Tenon"
import { assert } from "@effect/vitest"
import type * as Vitest from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { conversation, eventually } from "./agentDomain.ts"

class Sick extends Schema.TaggedError<Sick>()("Sick", { part: Schema.String }) {}

/** How often each was done, and what fails. */
const done = new Map<string, number>()
const sick = new Set<string>()
const doing = (part: string) =>
  Effect.suspend(() => {
    done.set(part, (done.get(part) ?? 0) + 1)
    return sick.has(part) ? Effect.fail(new Sick({ part })) : Effect.succeed(part)
  })
const step = (ctx: AgentContext<unknown>, part: string) => ctx.step(part, doing(part), { failure: Sick })

const twoQuestions = Agent.make("twoQuestions", (ctx) =>
  Effect.gen(function* () {
    yield* step(ctx, "before")
    const answers = yield* Effect.all([ctx.ask("One?", Schema.String), ctx.ask("Two?", Schema.String)], {
      concurrency: "unbounded"
    })
    yield* ctx.writeMessage(answers.join())
  })
)

const worker = Agent.make("worker", { input: Schema.String, output: Schema.String }, (ctx) =>
  Effect.gen(function* () {
    yield* Effect.orDie(step(ctx, ctx.input))
    if (ctx.input === "slow") yield* ctx.ask("Well?", Schema.Boolean)
    return ctx.input
  })
)

const twoChildren = Agent.make("twoChildren", (ctx) =>
  Effect.gen(function* () {
    const both = Effect.all([ctx.child(worker, "quick"), ctx.child(worker, "slow")], { concurrency: "unbounded" })
    yield* ctx.writeMessage((yield* Effect.orDie(both)).join())
  })
)

const failingChild = Agent.make("failingChild", (ctx) =>
  Effect.gen(function* () {
    yield* step(ctx, "before")
    yield* ctx.writeMessage(yield* ctx.child(worker, "child"))
  })
)

const abandoning = Agent.make("abandoning", (ctx) =>
  Effect.gen(function* () {
    const bug = Effect.andThen(ctx.sleep("50 millis"), ctx.step("bug", Effect.die(new Error("a bug"))))
    yield* Effect.all([ctx.child(worker, "slow"), bug], { concurrency: "unbounded" })
  })
)

const patient = Agent.make("patient", (ctx) =>
  Effect.gen(function* () {
    const first = yield* ctx.ask("Now?", Schema.Boolean, { expires: "30 millis" }).pipe(Effect.option)
    yield* step(ctx, "try").pipe(Effect.ignore)
    yield* step(ctx, "charge")
    yield* ctx.ask("And now?", Schema.Boolean)
    yield* step(ctx, "last").pipe(Effect.ensuring(Effect.ignore(step(ctx, "clean up"))))
    yield* ctx.writeMessage(`${first._tag} charged`)
  })
)

/** How long an answer is waited for. */
let patience: "50 millis" | "1 minute" = "50 millis"
const unanswered = Agent.make("unanswered", (ctx) =>
  Effect.gen(function* () {
    yield* step(ctx, "before")
    yield* ctx.ask("Soon?", Schema.Boolean, { expires: patience })
    yield* ctx.writeMessage("answered")
  })
)

/** Does what may not be interrupted, and then something else. */
const committed = Agent.make("committed", (ctx) =>
  Effect.gen(function* () {
    yield* step(ctx, "before")
    const charge = ctx.step("charge", Effect.andThen(doing("charge"), Effect.sleep("300 millis")), { failure: Sick })
    yield* Effect.uninterruptible(charge)
    yield* step(ctx, "last")
  })
)

/** Waits in all for a time that began before its last step. */
const inTime = Agent.make("inTime", (ctx) =>
  Effect.gen(function* () {
    yield* step(ctx, "first")
    yield* step(ctx, "last")
    yield* ctx.sleep("20 millis")
    yield* ctx.writeMessage("in time")
  }).pipe(Effect.timeout("500 millis"))
)

/** The agents of this suite. */
export const agents = [
  twoQuestions,
  worker,
  twoChildren,
  failingChild,
  abandoning,
  patient,
  unanswered,
  committed,
  inTime
] as const

/** Declares the tests in a suite whose layer runs these agents. */
export const rerun = (it: Vitest.Vitest.MethodsNonLive<Interpreter | Repository | CurrentActor>) => {
  const answer = (id: string, answer: Schema.Json) => Tenon.invoke(Question.actions.answer, id, { answer })
  const again = (id: string) => Effect.map(Tenon.invoke(AgentRun.actions.retry, id), ({ runId }) => runId)

  const begin = Effect.fnUntraced(function* (agent: string, ...failing: ReadonlyArray<string>) {
    done.clear()
    sick.clear()
    for (const part of failing) sick.add(part)
    patience = "50 millis"
    const talk = yield* conversation(agent)
    yield* talk.post("1")
    const status = (id: string, wanted: string) =>
      eventually(talk.runs, (rows) => rows.find((each) => each.id === id)?.status === wanted)
    const first = eventually(talk.runs, (rows) => rows.length > 0).pipe(Effect.map((rows) => rows[0]?.id ?? ""))
    const open = (count: number) =>
      eventually(talk.questions, (rows) => rows.filter((each) => each.status === "OPEN").length === count).pipe(
        Effect.map((rows) => rows.filter((each) => each.status === "OPEN"))
      )
    return {
      ...talk,
      run: yield* first,
      status,
      open,
      cancel: (id: string) => Tenon.invoke(AgentRun.actions.cancel, id)
    }
  })

  it.effect("where one of two questions was answered, both are asked anew", () =>
    Effect.gen(function* () {
      const { cancel, open, run, said, status } = yield* begin("twoQuestions")
      const [one] = yield* open(2)
      yield* answer(one?.id ?? "", "first")
      yield* open(1)
      yield* cancel(run)
      yield* status(run, "CANCELLED")
      const second = yield* again(run)
      const asked = (yield* open(2)).toSorted((a, b) => (a.id < b.id ? -1 : 1))
      for (const { id, prompt } of asked) yield* answer(id, prompt)
      yield* status(second, "DONE")
      assert.strictEqual((yield* said).at(-1), "One?,Two?")
      assert.deepStrictEqual(Object.fromEntries(done), { before: 1 })
    })
  )

  it.effect("where one of two children was done, both are run anew", () =>
    Effect.gen(function* () {
      const { cancel, open, run, runs, said, status } = yield* begin("twoChildren")
      yield* open(1)
      yield* eventually(runs, (rows) => rows.some(({ id, status }) => id === `${run}.child1` && status === "DONE"))
      yield* cancel(run)
      yield* status(run, "CANCELLED")
      const second = yield* again(run)
      const [asked] = yield* eventually(open(1), ([each]) => each?.runId === `${second}.child2`)
      yield* answer(asked?.id ?? "", true)
      yield* status(second, "DONE")
      assert.strictEqual((yield* said).at(-1), "quick,slow")
    })
  )

  it.effect("a child that failed is run anew, and no step before it", () =>
    Effect.gen(function* () {
      const { run, said, status } = yield* begin("failingChild", "child")
      yield* status(run, "FAILED")
      sick.clear()
      const second = yield* again(run)
      yield* status(second, "DONE")
      assert.strictEqual((yield* said).at(-1), "child")
      assert.deepStrictEqual(Object.fromEntries(done), { before: 1, child: 2 })
    })
  )

  it.effect("what was done after a failure that the program has dealt with is not done again", () =>
    Effect.gen(function* () {
      const { cancel, open, run, said, status } = yield* begin("patient", "try", "last")
      yield* eventually(open(1), ([each]) => each?.prompt === "And now?")
      yield* cancel(run)
      yield* status(run, "CANCELLED")
      const second = yield* again(run)
      const [asked] = yield* eventually(open(1), ([each]) => each?.runId === second)
      yield* answer(asked?.id ?? "", true)
      yield* status(second, "FAILED")
      sick.clear()
      const third = yield* again(second)
      yield* status(third, "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { try: 1, charge: 1, last: 2, "clean up": 2 })
      assert.strictEqual((yield* said).at(-1), "None charged")
    })
  )

  it.effect("a step that a run was cancelled in, and finished, is not done again", () =>
    Effect.gen(function* () {
      const { cancel, run, status } = yield* begin("committed")
      yield* eventually(
        Effect.sync(() => done.get("charge")),
        (times) => times === 1
      )
      yield* cancel(run)
      yield* status(run, "CANCELLED")
      assert.deepStrictEqual(Object.fromEntries(done), { before: 1, charge: 1 })
      yield* status(yield* again(run), "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { before: 1, charge: 1, last: 1 })
    })
  )

  it.effect("the time between two runs is none of theirs", () =>
    Effect.gen(function* () {
      const { run, said, status } = yield* begin("inTime", "last")
      yield* status(run, "FAILED")
      sick.clear()
      yield* Effect.sleep("700 millis")
      const second = yield* again(run)
      yield* status(second, "DONE")
      assert.strictEqual((yield* said).at(-1), "in time")
    })
  )

  it.effect("a question that nobody answered in time is asked anew", () =>
    Effect.gen(function* () {
      const { open, run, said, status } = yield* begin("unanswered")
      yield* status(run, "FAILED")
      patience = "1 minute"
      const second = yield* again(run)
      const [asked] = yield* open(1)
      assert.strictEqual(asked?.runId, second)
      yield* answer(asked?.id ?? "", true)
      yield* status(second, "DONE")
      assert.strictEqual((yield* said).at(-1), "answered")
      assert.deepStrictEqual(Object.fromEntries(done), { before: 1 })
    })
  )

  it.effect("children of a run that a bug has paused are stopped, and their questions closed", () =>
    Effect.gen(function* () {
      const { open, run, runs, status } = yield* begin("abandoning")
      yield* status(run, "FAILED")
      yield* status(`${run}.child1`, "CANCELLED")
      yield* open(0)
      assert.strictEqual((yield* runs).length, 2)
    })
  )

  it.effect("nobody posts under a key by which a run would post", () =>
    Effect.gen(function* () {
      const { run, status, thread, messages } = yield* begin("unanswered")
      const [first] = yield* messages
      const participantId = first?.participantId ?? ""
      for (const { idempotencyKey } of yield* eventually(messages, (rows) => rows.length === 2)) {
        if (idempotencyKey === "1") continue
        const forged = { idempotencyKey, participantId, content: Content.text("I am the agent") }
        // From outside it is a 400; here it is a mistake of the caller's.
        const refused = yield* Effect.exit(Tenon.invoke(Thread.actions.addMessage, thread.id, forged))
        assert.include(Exit.isFailure(refused) ? Cause.pretty(refused.cause) : "", "Keys that begin with tenon/")
      }
      yield* status(run, "FAILED")
    })
  )

  it.effect("an edit stands in for all that was edited before, and for what all runs have said of it", () =>
    Effect.gen(function* () {
      const { run, runs, status, thread } = yield* begin("patient", "charge")
      yield* status(run, "FAILED")
      const second = yield* again(run)
      yield* status(second, "FAILED")
      const edit = (words: string) =>
        Tenon.invoke(AgentRun.actions.edit, second, { content: Content.text(words) }).pipe(
          Effect.flatMap(({ runId }) => status(runId, "FAILED"))
        )
      yield* edit("b")
      yield* edit("c")
      assert.lengthOf(yield* runs, 4)
      const history = yield* Tenon.invoke(Thread.actions.history, thread.id, { last: 100 })
      const texts = history.flatMap(({ content }) => (content.type === "text" ? [content.text] : []))
      assert.deepStrictEqual(texts, ["c"])
      assert.lengthOf(
        history.filter(({ content }) => content.type === "failure"),
        1
      )
    })
  )
}
