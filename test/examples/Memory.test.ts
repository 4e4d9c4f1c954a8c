import { CurrentActor } from "@tenon/core/Actor"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import { AgentRun, ChannelBinding, ChannelDelivery, Message, Participant, Thread } from "@tenon/examples/thread/Thread"
import { AlreadyInactive, Widget } from "@tenon/examples/widget/Widget"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

const registry = Registry.make({
  resources: [Widget, Thread, Participant, Message, ChannelBinding, ChannelDelivery],
  workflows: [AgentRun]
})
const started = Effect.runSync(Queue.unbounded<string>())
const workflows = Workflow.layer(
  Workflow.implement(AgentRun, ({ threadId }) => Effect.asVoid(Queue.offer(started, threadId)))
)

it.layer(Testing.layer(registry, { workflows }))("widgets", (it) => {
  it.effect("cannot be deactivated twice", () =>
    Effect.gen(function* () {
      const made = yield* Tenon.invoke(Widget.actions.create, { name: "bolt" })
      assert.strictEqual(made.status, "ACTIVE")
      const off = yield* Tenon.invoke(Widget.actions.deactivate, made.id)
      assert.strictEqual(off.status, "INACTIVE")
      const again = yield* Effect.flip(Tenon.invoke(Widget.actions.deactivate, made.id))
      assert.instanceOf(again, AlreadyInactive)
      assert.deepStrictEqual(yield* Tenon.invoke(Widget.actions.get, made.id), {
        id: made.id,
        label: "bolt",
        status: "INACTIVE"
      })
    })
  )

  it.effect("are not seen by another tenant", () =>
    Effect.gen(function* () {
      const made = yield* Tenon.invoke(Widget.actions.create, { name: "bolt" })
      const other = yield* Effect.flip(Tenon.invoke(Widget.actions.get, made.id)).pipe(
        Effect.provideService(CurrentActor, Testing.actor({ tenantId: "tenant-b" }))
      )
      assert.strictEqual(other._tag, "NotFound")
    })
  )
})

it.layer(Testing.layer(registry, { workflows }))("threads", (it) => {
  it.effect("number their messages and tell their channels", () =>
    Effect.gen(function* () {
      const repository = yield* Repository.Repository
      const thread = yield* Tenon.invoke(Thread.actions.create, { title: "hello" })
      const human = yield* Tenon.invoke(Participant.actions.create, { kind: "HUMAN", name: "Ada" })
      yield* Tenon.invoke(ChannelBinding.actions.create, { threadId: thread.id, channelId: "log" })
      const post = (idempotencyKey: string) =>
        Tenon.invoke(Thread.actions.addMessage, thread.id, { idempotencyKey, participantId: human.id, content: "hi" })
      const posted = yield* Effect.all([post("1"), post("2"), post("1"), post("3")], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        posted.map((each) => each.position),
        [1, 2, 1, 3]
      )
      assert.strictEqual(yield* Queue.take(started), thread.id)
      yield* Effect.yieldNow
      const delivered = yield* repository.get(ChannelDelivery, "log")
      assert.strictEqual(delivered.lastPosition, 3)
      yield* MemoryStore.MemoryStore
    })
  )
})
