/**
 * A conversation with a model comes to the same end wherever its handlers crash, and no answer that was kept is asked
 * for again.
 */
import * as ActionTool from "@tenon/agents/ActionTool"
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as Conversation from "@tenon/agents/Conversation"
import * as ModelScripted from "@tenon/agents/ModelScripted"
import { ModelUsage } from "@tenon/agents/ModelUsage"
import { CurrentActor } from "@tenon/core/Actor"
import { Checkpoint } from "@tenon/core/Checkpoint"
import * as Repository from "@tenon/core/Repository"
import { type RunEvent, watch } from "@tenon/core/RunEvents"
import * as Workflow from "@tenon/core/Workflow"
import { Widget } from "@tenon/examples/widget/Widget"
import { CrashPoints } from "@tenon/testing/CrashPoints"
import { assert, layer as suite } from "@effect/vitest"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { conversation, eventually } from "./agentDomain.ts"
import { registry, type Watched } from "./modelSuite.ts"

const Dice = Toolkit.make(Tool.make("roll", { success: Schema.Int }))
const widgets = ActionTool.toolkit(ActionTool.make(Widget.actions.create))

/** Two toolkits, one of the host's and one of actions, in one conversation. */
const worker = Agent.make("worker", (ctx) =>
  Effect.gen(function* () {
    const first = yield* Conversation.run({ prompt: "both", toolkit: Conversation.merge(Dice, widgets) })
    yield* ctx.writeMessage(first.text)
  })
)

/**
 * The places right after something of the model's and the tools' was done or kept: what servers are worth the time for.
 */
export const aroundModels = (place: string): boolean =>
  /^(executed|journaled) (call )?(model\d|tool|Widget)/.test(place)

/** Declares the test for an infrastructure. */
export const modelCrashes = (
  name: string,
  infrastructure: Watched,
  chosen: (place: string) => boolean = () => true
) => {
  const points = new CrashPoints()
  let asked = 0
  let rolled = 0
  const model = ModelScripted.layer(({ results, round }) => {
    asked++
    return round === 0
      ? {
          text: ["Let ", "me."],
          calls: [
            { name: "roll", params: {} },
            { name: "Widget_create", params: { input: { name: "made by a model" } } }
          ]
        }
      : ModelScripted.say(["All ", `${results.filter(({ isFailure }) => !isFailure).length} done.`])
  })
  const dice = Dice.toLayer({ roll: () => Effect.sync(() => (rolled++, 6)) })
  const workflows = Workflow.layer(Agents.implement(worker)).pipe(Layer.provide([model, dice]))
  const layer = infrastructure(registry, { workflows }).pipe(
    Layer.provideMerge(Layer.succeed(Checkpoint, points.listen))
  )

  const talk = Effect.gen(function* () {
    asked = rolled = 0
    const repository = yield* Repository.Repository
    const { post, runs, said } = yield* conversation("worker")
    const before = yield* repository.count(Widget)
    yield* post("1", "go")
    const [run] = yield* eventually(runs, (rows) => rows.length > 0 && rows.every(({ status }) => status === "DONE"))
    const id = run?.id ?? ""
    const events = (yield* Stream.runCollect(watch(yield* CurrentActor, id, 0))) as ReadonlyArray<RunEvent>
    const usage = (yield* repository.list(ModelUsage, { filters: [{ field: "run", operator: "eq", value: id }] })).items
    return {
      end: {
        said: yield* said,
        usage: usage.map(({ inputTokens, outputTokens, status }) => ({ inputTokens, outputTokens, status })),
        widgets: (yield* repository.count(Widget)) - before,
        ended: events.filter(({ data, type }) => type === "step" && data["state"] === "ended").map(({ data }) => data)
      },
      events
    }
  })

  suite(layer, { timeout: 240_000, excludeTestServices: true })(`models that crash ${name}`, (it) => {
    it.effect(
      "come to the same end, asked once for each answer that was kept",
      () =>
        Effect.gen(function* () {
          points.begin()
          const calm = yield* talk
          assert.deepStrictEqual([asked, rolled], [2, 1])
          assert.strictEqual(calm.end.widgets, 1)
          const places = [...new Set(points.passed)].filter(chosen)
          assert.isAbove(places.length, 7, points.passed.join())
          for (const place of places) {
            points.begin(place)
            const disturbed = yield* talk
            assert.isTrue(points.crashed, place)
            assert.deepStrictEqual(disturbed.end, calm.end, place)
            const again = (what: string) => (place.startsWith(`executed ${what}`) ? 1 : 0)
            assert.deepStrictEqual([asked, rolled], [2 + again("model"), 1 + again("tool roll")], place)
            const taken = disturbed.events.filter(({ type }) => type === "truncate").length
            assert.strictEqual(taken, again("model"), place)
            assert.deepStrictEqual(
              disturbed.events.map(({ seq }) => seq),
              disturbed.events.map((_, index) => index + 1),
              place
            )
          }
        }),
      240_000
    )
  })
}
