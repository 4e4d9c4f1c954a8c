/** A step that takes longer than Restate listens to it is interrupted all the same where its run is to stop. */
import * as Agent from "@tenon/agents/Agent"
import { AgentRun } from "@tenon/agents/AgentRun"
import * as Agents from "@tenon/agents/Agents"
import { Question } from "@tenon/agents/Question"
import * as RunEventsMemory from "@tenon/core/RunEventsMemory"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { conversation, eventually, registry } from "../support/agentDomain.ts"

/** What became of the steps, in order. */
let seen: Array<string> = []
const note = (what: string) => Effect.sync(() => void seen.push(what))
const work = (millis: number) =>
  note("begun").pipe(
    Effect.andThen(Effect.onInterrupt(Effect.sleep(millis), () => note("interrupted"))),
    Effect.andThen(note("ended"))
  )

const long = Agent.make("long", (ctx) => ctx.step("work", work(60_000)))

/** Is answered while it works. */
const busy = Agent.make("busy", (ctx) =>
  Effect.gen(function* () {
    const [answer] = yield* Effect.all([ctx.ask("Well?", Schema.String), ctx.step("work", work(6000))], {
      concurrency: "unbounded"
    })
    yield* ctx.writeMessage(answer)
  })
)

const workflows = Workflow.layer(Agents.implement(long, busy)).pipe(Layer.provide(RunEventsMemory.layer))
const world = TestingRestate.layer(registry, workflows, { inactivityTimeout: "500 millis" }).pipe(
  Layer.provideMerge(TestingRestate.layerServer()),
  Layer.orDie
)

layer(world, { timeout: 60_000, excludeTestServices: true })("a step that is longer than Restate listens", (it) => {
  /** Posts to an agent and waits until Restate has given up listening to its step. */
  const working = Effect.fnUntraced(function* (agent: string) {
    seen = []
    const talk = yield* conversation(agent)
    yield* talk.post("1")
    yield* eventually(
      Effect.sync(() => seen),
      (now) => now.length > 0
    )
    yield* Effect.sleep("1500 millis")
    return talk
  })

  it.effect("is interrupted soon where its run is cancelled, and the run says so itself", () =>
    Effect.gen(function* () {
      const { runs } = yield* working("long")
      const [run] = yield* runs
      yield* Tenon.invoke(AgentRun.actions.cancel, run?.id ?? "")
      const [ended] = yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
      assert.strictEqual(ended?.problem, "cancelled")
      assert.include(seen, "interrupted")
      assert.notInclude(seen, "ended")
    })
  )

  it.effect("is let be where a person answers meanwhile", () =>
    Effect.gen(function* () {
      const { question, runs, said } = yield* working("busy")
      yield* Tenon.invoke(Question.actions.answer, (yield* question).id, { answer: "yes" })
      yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
      assert.deepStrictEqual(seen, ["begun", "ended"])
      assert.strictEqual((yield* said).at(-1), "yes")
    })
  )
})
