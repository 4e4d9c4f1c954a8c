/** The examples' own tests. They know nothing of what they run on: the layer is their only argument. */
import { CurrentActor } from "@tenon/core/Actor"
import type { Interpreter } from "@tenon/core/Interpreter"
import * as Repository from "@tenon/core/Repository"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import { registry } from "@tenon/examples/thread/Registry"
import { AgentRun, ChannelBinding, ChannelDelivery, Message, Participant, Thread } from "@tenon/examples/thread/Thread"
import { AlreadyInactive, Widget } from "@tenon/examples/widget/Widget"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { eventually } from "./agentDomain.ts"

/** What the examples run on. */
export type Infrastructure = (
  domain: typeof registry,
  options: Testing.Options
) => Layer.Layer<Interpreter | Repository.Repository | CurrentActor>

const together = <A, E, R>(times: number, each: (index: number) => Effect.Effect<A, E, R>) =>
  Effect.all(
    Array.from({ length: times }, (_, index) => each(index)),
    { concurrency: 20 }
  )
const numbers = (to: number) => Array.from({ length: to }, (_, index) => index + 1)
const ascending = (values: ReadonlyArray<number>) => values.toSorted((x, y) => x - y)

const conversation = Effect.fnUntraced(function* (kind: "HUMAN" | "AGENT", channels: ReadonlyArray<string>) {
  const thread = yield* Tenon.invoke(Thread.actions.create, { title: "hello" })
  const participant = yield* Tenon.invoke(Participant.actions.create, { kind, name: "Ada" })
  for (const channelId of channels)
    yield* Tenon.invoke(ChannelBinding.actions.create, { threadId: thread.id, channelId })
  const post = (idempotencyKey: string, content = "hi") =>
    Tenon.invoke(Thread.actions.addMessage, thread.id, { idempotencyKey, participantId: participant.id, content })
  return { thread, post }
})

const filterBy = (threadId: string) => ({ filters: [{ field: "threadId", operator: "eq", value: threadId }] })

/** Declares the tests for an infrastructure. */
export const examples = (name: string, infrastructure: Infrastructure) => {
  const started: Array<string> = []
  const workflows = Workflow.layer(
    Workflow.implement(AgentRun, ({ threadId }) => Effect.sync(() => void started.push(threadId)))
  )
  const startsOf = (threadId: string) => Effect.sync(() => started.filter((each) => each === threadId).length)

  describe(`the examples ${name}`, () => {
    suite(infrastructure(registry, { workflows }), { timeout: 60_000, excludeTestServices: true })((it) => {
      it.effect("a widget cannot be deactivated twice", () =>
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
          yield* Tenon.invoke(Widget.actions.remove, made.id)
          assert.strictEqual((yield* Effect.flip(Tenon.invoke(Widget.actions.get, made.id)))._tag, "NotFound")
        })
      )

      it.effect("of twenty who deactivate at once, one does", () =>
        Effect.gen(function* () {
          const made = yield* Tenon.invoke(Widget.actions.create, { name: "bolt" })
          const all = yield* together(20, () => Effect.result(Tenon.invoke(Widget.actions.deactivate, made.id)))
          assert.strictEqual(all.filter(({ _tag }) => _tag === "Success").length, 1)
        })
      )

      it.effect("a create that is repeated with its key makes one widget", () =>
        Effect.gen(function* () {
          const repository = yield* Repository.Repository
          const create = Tenon.invoke(Widget.actions.create, { name: "once" }, { idempotencyKey: "a key" })
          const made = yield* together(20, () => create)
          assert.strictEqual(new Set(made.map(({ id }) => id)).size, 1)
          const filters = [{ field: "name", operator: "eq", value: "once" }]
          assert.strictEqual(yield* repository.count(Widget, { filters }), 1)
          const reused = yield* Effect.flip(
            Tenon.invoke(Widget.actions.create, { name: "twice" }, { idempotencyKey: "a key" })
          )
          assert.strictEqual(reused._tag, "IdempotencyKeyReused")
        })
      )

      it.effect("a widget is not seen by another tenant", () =>
        Effect.gen(function* () {
          const made = yield* Tenon.invoke(Widget.actions.create, { name: "bolt" })
          for (const action of [Widget.actions.get, Widget.actions.deactivate, Widget.actions.remove]) {
            const other = yield* Effect.flip(Tenon.invoke(action, made.id)).pipe(
              Effect.provideService(CurrentActor, Testing.actor({ tenantId: "tenant-b" }))
            )
            assert.strictEqual(other._tag, "NotFound")
          }
        })
      )

      it.effect("messages that come at once are numbered without gaps, and every channel is told of each", () =>
        Effect.gen(function* () {
          const repository = yield* Repository.Repository
          const channels = [`log-${name}`, `mail-${name}`]
          const { post, thread } = yield* conversation("AGENT", channels)
          const posted = yield* together(40, (index) => post(String(index)))
          assert.deepStrictEqual(ascending(posted.map(({ position }) => position)), numbers(40))
          const listed = yield* repository.list(Message, { ...filterBy(thread.id), sort: "position" })
          assert.deepStrictEqual(
            listed.items.map(({ position }) => position),
            numbers(40)
          )
          for (const channel of channels) {
            const told = yield* eventually(repository.get(ChannelDelivery, channel), ({ delivered }) => delivered >= 40)
            assert.deepStrictEqual([told.delivered, told.lastPosition], [40, 40])
          }
          assert.strictEqual(yield* startsOf(thread.id), 0)
        })
      )

      it.effect("a message that comes again with its natural key is the first one, and is told once", () =>
        Effect.gen(function* () {
          const repository = yield* Repository.Repository
          const channel = `repeats-${name}`
          const { post, thread } = yield* conversation("HUMAN", [channel])
          const first = yield* post("same", "first")
          const again = yield* together(20, () => post("same", "second"))
          for (const each of again) assert.deepStrictEqual(each, first)
          const last = yield* post("other")
          assert.deepStrictEqual([first.position, last.position], [1, 2])
          const told = yield* eventually(repository.get(ChannelDelivery, channel), ({ delivered }) => delivered >= 2)
          assert.deepStrictEqual([told.delivered, told.lastPosition], [2, 2])
          assert.strictEqual(yield* eventually(startsOf(thread.id), (starts) => starts >= 2), 2)
          assert.strictEqual(yield* repository.count(Message, filterBy(thread.id)), 2)
        })
      )

      it.effect("what a person writes starts a run, what an agent writes does not", () =>
        Effect.gen(function* () {
          const human = yield* conversation("HUMAN", [])
          const agent = yield* conversation("AGENT", [])
          yield* agent.post("1")
          yield* human.post("1")
          assert.strictEqual(yield* eventually(startsOf(human.thread.id), (starts) => starts > 0), 1)
          assert.strictEqual(yield* startsOf(agent.thread.id), 0)
        })
      )

      it.effect("a message from nobody is refused and leaves no gap", () =>
        Effect.gen(function* () {
          const { post, thread } = yield* conversation("AGENT", [])
          const refused = yield* Effect.flip(
            Tenon.invoke(Thread.actions.addMessage, thread.id, {
              idempotencyKey: "x",
              participantId: "nobody",
              content: null
            })
          )
          assert.strictEqual(refused._tag, "NotFound")
          assert.strictEqual((yield* post("1")).position, 1)
        })
      )
    })
  })
}
