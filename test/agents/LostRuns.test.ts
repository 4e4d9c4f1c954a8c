/** Which runs a look takes for lost, and what it does with them, whatever they run on. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as LostRuns from "@tenon/agents/LostRuns"
import { Question } from "@tenon/agents/Question"
import type { CurrentActor } from "@tenon/core/Actor"
import type { Interpreter } from "@tenon/core/Interpreter"
import type { Repository } from "@tenon/core/Repository"
import { Unavailable } from "@tenon/core/Failure"
import { Runtime } from "@tenon/core/Runtime"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { conversation, eventually, registry } from "../support/agentDomain.ts"

const asking = Agent.make("asking", (ctx) => Effect.asVoid(ctx.ask("Go on?", Schema.Boolean)))
const world = Testing.layer(registry, { workflows: Workflow.layer(Agents.implement(asking)) })

layer(world, { excludeTestServices: true })("a look for lost runs", (it) => {
  /**
   * A conversation with a run that asks, and all that a look does to it over a runtime that says of it what is given.
   */
  const asked = Effect.gen(function* () {
    const talk = yield* conversation("asking")
    yield* talk.post("1")
    const { id, runId } = yield* talk.question
    yield* Effect.sleep("10 millis")
    const runtime = yield* Runtime
    const done: Array<string> = []
    const look = (isAlive: Runtime["Service"]["isAlive"], forgotten: Effect.Effect<void, Unavailable> = Effect.void) =>
      LostRuns.look(0).pipe(
        Effect.provideService(Runtime, {
          ...runtime,
          isAlive: (run) => (run.key === runId ? isAlive(run) : Effect.succeed(true)),
          forget: ({ key }) => Effect.suspend(() => (done.push(`forget ${key}`), forgotten)),
          deliver: (_, delivery) => Effect.sync(() => void done.push(`${delivery._tag} ${delivery.key}`))
        })
      )
    return { ...talk, answer: Tenon.invoke(Question.actions.answer, id, { answer: true }), done, look, runId }
  })
  const dead = () => Effect.succeed(false)

  it.effect("forgets one that is not alive, and then has it started again, even where it cannot be forgotten", () =>
    Effect.gen(function* () {
      const { done, look, runId, thread } = yield* asked
      assert.strictEqual(yield* look(dead), 1)
      assert.strictEqual(yield* look(dead, Effect.fail(new Unavailable({ what: "The durable runtime" }))), 1)
      const once = [`forget ${runId}`, `Send ${thread.id}`]
      assert.deepStrictEqual(done, [...once, ...once])
    })
  )

  it.effect("leaves one alone that ends by itself while it looks", () =>
    Effect.gen(function* () {
      const { answer, done, look, runs } = yield* asked
      const ended = Effect.andThen(
        answer,
        eventually(runs, ([run]) => run?.status === "DONE")
      ).pipe(Effect.provideContext(yield* Effect.context<Interpreter | Repository | CurrentActor>()))
      assert.strictEqual(yield* look(() => Effect.as(Effect.orDie(ended), false)), 0)
      assert.deepStrictEqual(done, [])
    })
  )
})
