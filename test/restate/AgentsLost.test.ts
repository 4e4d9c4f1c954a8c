/** A thread goes on though Restate has lost the run that was active in it, and nothing that was done is done again. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import { AgentRun } from "@tenon/agents/AgentRun"
import { Question } from "@tenon/agents/Question"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { conversation, eventually, registry } from "../support/agentDomain.ts"
import { forget } from "../support/restateForgets.ts"

const done: Array<string> = []

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
    const { go } = yield* ctx.ask("Go on?", Schema.Struct({ go: Schema.Boolean }))
    yield* step("three")
    yield* ctx.writeMessage(`went on: ${go}`)
  })
)

const napping = Agent.make("napping", { output: Schema.String }, (ctx) =>
  Effect.as(Effect.andThen(ctx.step("lie down", Effect.void), ctx.sleep("1500 millis")), "slept")
)

const delegating = Agent.make("delegating", (ctx) =>
  Effect.flatMap(Effect.orDie(ctx.child(napping, undefined)), (said) => ctx.writeMessage(said))
)

const workflows = Workflow.layer(Agents.implement(forgetful, napping, delegating))
const world = TestingPostgres.layerRestate(registry, { workflows }).pipe(Layer.provideMerge(FetchHttpClient.layer))

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

  it.effect("so does an operator", () =>
    Effect.gen(function* () {
      const { question, runs, said } = yield* asked
      const [run] = yield* runs
      yield* Tenon.invoke(AgentRun.actions.resume, run?.id ?? "")
      yield* Effect.sleep("200 millis")
      yield* answer(question)
      yield* eventually(runs, ([each]) => each?.status === "DONE")
      assert.deepStrictEqual(yield* said, ended)
      assert.deepStrictEqual(done.toSorted(), ["one", "three", "two"])
    })
  )
})
