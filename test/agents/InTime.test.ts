/** What agents do when their time runs out, on the test clock, and when too much waits for them. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import { AgentRun } from "@tenon/agents/AgentRun"
import * as Workflow from "@tenon/core/Workflow"
import * as ModelScripted from "@tenon/agents/ModelScripted"
import * as ModelSettings from "@tenon/agents/ModelSettings"
import { maxWaiting } from "@tenon/agents/RunQueue"
import * as Tenon from "@tenon/core/Tenon"
import * as Research from "@tenon/examples/agents/Research"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { conversation, registry } from "../support/agentDomain.ts"

const slow = Agent.make("slow", (ctx) => ctx.sleep("1 hour"))

/** Knows something of costs, and looks for the rest for ever. */
const library = Layer.succeed(Research.Library, {
  find: (topic) => (topic === "costs" && !empty ? Effect.succeed("Too high.") : Effect.never)
})
let empty = true

/** Asks a model that is always busy, and says in how long to ask again. */
const caller = Agent.make("caller", (ctx) =>
  Effect.flatMap(LanguageModel.generateText({ prompt: "hello" }), ({ text }) => ctx.writeMessage(text))
)
let calls = 0
const busy = ModelScripted.layer(() => {
  calls++
  return { failure: new AiError.RateLimitError({ retryAfter: Duration.seconds(40) }) }
})

const workflows = Workflow.layer(Agents.implement(Research.research, Research.researcher, slow, caller)).pipe(
  Layer.provide([library, busy, ModelSettings.layer({ attempts: 10, deadline: "1 minute" })])
)

suite(Testing.layer(registry, { workflows }))("agents in a hurry", (it) => {
  /** What the agent says after its minute, and how its researchers ended. */
  const researched = Effect.gen(function* () {
    const { post, runs, said } = yield* conversation("research")
    yield* post("1", "bridges")
    yield* Effect.repeat(TestClock.adjust("1 second"), { times: 90 })
    const [first, ...children] = yield* runs
    return { words: (yield* said).at(-1), status: first?.status, children: children.map(({ status }) => status) }
  })

  it.effect("the research agent says so where nothing was found in time, and its researchers are stopped", () =>
    Effect.gen(function* () {
      empty = true
      assert.deepStrictEqual(yield* researched, {
        words: "Nothing was found in time.",
        status: "DONE",
        children: ["CANCELLED", "CANCELLED", "CANCELLED"]
      })
    })
  )

  it.effect("it answers with what came back in time", () =>
    Effect.gen(function* () {
      empty = false
      const { children, words } = yield* researched
      assert.strictEqual(words, "costs: Too high.")
      assert.deepStrictEqual(children.toSorted(), ["CANCELLED", "CANCELLED", "DONE"])
    })
  )

  it.effect("a model that is too busy for too long fails the run, however often it may still be asked", () =>
    Effect.gen(function* () {
      calls = 0
      const { post, runs, said } = yield* conversation("caller")
      yield* post("1")
      yield* Effect.repeat(TestClock.adjust("1 second"), { times: 90 })
      assert.strictEqual((yield* runs)[0]?.status, "FAILED")
      assert.strictEqual((yield* said).at(-1), "! The language model did not answer: nothing came within 1m.")
      assert.strictEqual(calls, 2)
    })
  )

  it.effect("a message for whose run there is no room is refused, and accepted when there is", () =>
    Effect.gen(function* () {
      const { messages, post, runs } = yield* conversation("slow")
      yield* Effect.forEach(
        Array.from({ length: maxWaiting + 1 }, (_, index) => `${index}`),
        (key) => post(key)
      )
      const refused = yield* Effect.flip(post("one too many"))
      assert.deepInclude(refused, { _tag: "QueueFull", limit: maxWaiting })
      assert.lengthOf(yield* messages, maxWaiting + 1)
      const waiting = (yield* runs).find(({ status }) => status === "QUEUED")
      yield* Tenon.invoke(AgentRun.actions.cancel, waiting?.id ?? "")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* post("one too many")).position, maxWaiting + 2)
    })
  )
})
