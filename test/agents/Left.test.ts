/** A program that was left where it stood begins nothing more, however long it takes until its thread has been told. */
import * as Agent from "@tenon/agents/Agent"
import { AgentRun } from "@tenon/agents/AgentRun"
import * as Agents from "@tenon/agents/Agents"
import { Thread } from "@tenon/agents/Thread"
import { Checkpoint } from "@tenon/core/Checkpoint"
import { callName } from "@tenon/core/RunJournal"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { conversation, registry } from "../support/agentDomain.ts"

let ticks = 0
/** How many ticks had begun when the thread was about to be told. */
let before: number | undefined

const stubborn = Agent.make("stubborn", (ctx) =>
  Effect.uninterruptible(
    Effect.forever(
      Effect.andThen(
        ctx.sleep("500 millis"),
        ctx.step(
          "tick",
          Effect.sync(() => ticks++)
        )
      )
    )
  )
)

/** The thread takes its time. */
const slowEnd = Layer.succeed(Checkpoint, (point, what) =>
  Effect.suspend(() => {
    if (point !== "before" || what !== callName(Thread.actions.endRun) || before !== undefined) return Effect.void
    before = ticks
    return Effect.sleep("5 seconds")
  })
)

const workflows = Workflow.layer(Agents.implement(stubborn))

layer(Testing.layer(registry, { workflows }).pipe(Layer.provideMerge(slowEnd)))("a program that was left", (it) => {
  it.effect("begins nothing more", () =>
    Effect.gen(function* () {
      const { post, runs } = yield* conversation("stubborn")
      yield* post("1")
      yield* Effect.repeat(TestClock.adjust("1 second"), { times: 3 })
      yield* Tenon.invoke(AgentRun.actions.cancel, (yield* runs)[0]?.id ?? "")
      yield* Effect.repeat(TestClock.adjust("1 second"), { times: 25 })
      assert.strictEqual((yield* runs)[0]?.status, "CANCELLED")
      assert.isAbove(before ?? 0, 10)
      assert.strictEqual(ticks, before)
    })
  )
})
