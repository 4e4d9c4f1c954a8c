import { CurrentActor } from "@tenon/core/Actor"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import { Runtime } from "@tenon/core/Runtime"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import { AgentRun, ChannelBinding, ChannelDelivery, Message, Participant, Thread } from "@tenon/examples/thread/Thread"
import { AlreadyInactive, Widget } from "@tenon/examples/widget/Widget"
import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as SignedContext from "@tenon/restate/SignedContext"
import type * as Target from "@tenon/restate/Target"
import * as Testing from "@tenon/testing/Testing"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as FetchHttpClient from "effect/http/FetchHttpClient"

const registry = Registry.make({
  resources: [Widget, Thread, Participant, Message, ChannelBinding, ChannelDelivery],
  workflows: [AgentRun]
})
const started = Effect.runSync(Queue.unbounded<string>())
const workflows = Workflow.layer(
  Workflow.implement(AgentRun, ({ threadId }) => Effect.asVoid(Queue.offer(started, threadId)))
)

const stack = TestingRestate.layer(registry, workflows).pipe(
  Layer.provideMerge(TestingRestate.layerServer()),
  Layer.provideMerge(FetchHttpClient.layer)
)

const asTenant = (tenantId: string) => Effect.provideService(CurrentActor, Testing.actor({ tenantId }))

const get = (url: string) => Effect.promise(() => fetch(url).then((answer) => answer.json() as Promise<any>))

/** What the ingress answers to someone who makes a call of his own. */
const direct = Effect.fnUntraced(function* (
  target: Target.Target,
  body: string,
  context: string | undefined
): Effect.fn.Return<{ readonly status: number; readonly body: any }, never, TestingRestate.TestRestate> {
  const { ingressUrl } = yield* TestingRestate.TestRestate
  return yield* Effect.promise(async () => {
    const answer = await fetch(`${ingressUrl}/${target.service}/${encodeURIComponent(target.key)}/${target.handler}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(context === undefined ? {} : { [SignedContext.header]: context })
      },
      body
    })
    return { status: answer.status, body: await answer.json() }
  })
})

it.layer(stack, { timeout: 60_000, excludeTestServices: true })("objects on Restate", (it) => {
  it.effect("show the schemas of every action, and which run one at a time", () =>
    Effect.gen(function* () {
      const { adminUrl } = yield* TestingRestate.TestRestate
      const widget = yield* get(`${adminUrl}/services/Widget`)
      assert.strictEqual(widget.ty, "VirtualObject")
      const handlers = new Map<string, any>(widget.handlers.map((each: any) => [each.name, each]))
      assert.deepStrictEqual(Object.fromEntries(Array.from(handlers, ([name, { ty }]) => [name, ty])), {
        create: "Exclusive",
        deactivate: "Exclusive",
        get: "Shared",
        remove: "Exclusive"
      })
      assert.deepStrictEqual(handlers.get("create").input_json_schema.required, ["name"])
      assert.deepStrictEqual(handlers.get("deactivate").input_json_schema, { type: "object" })
      assert.property(handlers.get("get").output_json_schema.properties, "result")
      // Accepted work waits for an endpoint that is down: with growing pauses, and without end.
      const { exponentiation_factor, initial_interval, max_attempts, max_interval } = widget.retry_policy
      assert.deepStrictEqual(
        [exponentiation_factor, initial_interval, max_attempts, max_interval],
        [2, "50ms", Number.MAX_SAFE_INTEGER, "10s"]
      )
      assert.strictEqual((yield* get(`${adminUrl}/services/ForumParticipant`)).ty, "VirtualObject")
      assert.strictEqual((yield* get(`${adminUrl}/services/ForumRun`)).ty, "Workflow")
    })
  )

  it.effect("a widget cannot be deactivated twice, and the failure keeps its type", () =>
    Effect.gen(function* () {
      const made = yield* Tenon.invoke(Widget.actions.create, { name: "bolt" })
      assert.strictEqual(made.status, "ACTIVE")
      const off = yield* Tenon.invoke(Widget.actions.deactivate, made.id)
      assert.strictEqual(off.status, "INACTIVE")
      const again = yield* Effect.flip(Tenon.invoke(Widget.actions.deactivate, made.id))
      assert.instanceOf(again, AlreadyInactive)
      assert.strictEqual(again.id, made.id)
      const missing = yield* Effect.flip(Tenon.invoke(Widget.actions.deactivate, "no/such key?#é"))
      assert.strictEqual(missing._tag, "NotFound")
      assert.include(missing.message, '"no/such key?#é"')
    })
  )

  it.effect("two tenants' objects of one key share nothing", () =>
    Effect.gen(function* () {
      const runtime = yield* Runtime
      const create = (tenantId: string, name: string) =>
        runtime.invoke({
          resource: "Widget",
          action: "create",
          key: "same",
          input: { name },
          actor: Testing.actor({ tenantId }),
          origin: "door"
        })
      yield* create("a", "of a")
      yield* create("a/b", "of a/b")
      yield* Tenon.invoke(Widget.actions.deactivate, "same").pipe(asTenant("a"))
      const view = Tenon.invoke(Widget.actions.get, "same")
      assert.deepStrictEqual(yield* asTenant("a")(view), { id: "same", label: "of a", status: "INACTIVE" })
      assert.deepStrictEqual(yield* asTenant("a/b")(view), { id: "same", label: "of a/b", status: "ACTIVE" })
      const other = yield* Effect.flip(asTenant("b")(Tenon.invoke(Widget.actions.deactivate, "same")))
      assert.strictEqual(other._tag, "NotFound")
    })
  )

  it.effect("a call without a context of its own is refused, and runs nothing", () =>
    Effect.gen(function* () {
      const { adminUrl, keys } = yield* TestingRestate.TestRestate
      const { id } = yield* Tenon.invoke(Widget.actions.create, { name: "bolt" })
      const target: Target.Target = { service: "Widget", handler: "deactivate", key: `tenant-a/${id}` }
      const at = Date.now()
      const claims: SignedContext.Claims = {
        id: SignedContext.newId(),
        actor: Testing.actor(),
        origin: "door",
        at,
        expires: at + 60_000
      }
      const sign = (change: Partial<SignedContext.Claims> = {}, moved: Partial<Target.Target> = {}, with_ = keys) =>
        SignedContext.sign(with_, { ...claims, ...change }, { ...target, ...moved }, new TextEncoder().encode("{}"))
      const attempts: ReadonlyArray<readonly [string, string | undefined, string]> = [
        ["{}", undefined, "needs a signed context"],
        ["{}", "nonsense", "malformed"],
        ["{}", sign({}, {}, ContextKeys.random("random")), "not signed for this call"],
        ["{}", sign({}, {}, ContextKeys.random("other")), "unknown key"],
        ["{}", sign({}, { handler: "remove" }), "not signed for this call"],
        ["{}", sign({}, { key: "tenant-b/1" }), "not signed for this call"],
        ['{"x":1}', sign(), "not signed for this call"],
        ["not json", sign(), "not signed for this call"],
        ["{}", sign({ expires: at - 1 }), "expired"],
        ["{}", sign({ actor: Testing.actor({ tenantId: "tenant-b" }), expires: at + 2_000 }), "of another tenant"]
      ]
      for (const [body, context, reason] of attempts) {
        const answer = yield* direct(target, body, context)
        assert.strictEqual(answer.status, 401)
        assert.include(answer.body.message, reason)
      }
      const steps = yield* RestateAdmin.query(
        adminUrl,
        `select j.id from sys_invocation i join sys_journal j on j.id = i.id
         where i.target_service_key = 'tenant-a/${id}' and i.target_handler_name = 'deactivate' and j.entry_type like '%Run'`
      )
      assert.deepStrictEqual(steps, [])

      assert.strictEqual((yield* direct(target, "{}", sign())).status, 200)
      // Captured and used again: nothing happens, and what is answered is what happened then.
      const replayed = yield* direct(target, "{}", sign())
      assert.strictEqual(replayed.status, 200)
      assert.strictEqual(replayed.body.result.status, "INACTIVE")
    })
  )

  it.effect("the ingress gives no answer to who knows what a call was made of", () =>
    Effect.gen(function* () {
      const { ingressUrl } = yield* TestingRestate.TestRestate
      const runtime = yield* Runtime
      const repository = yield* Repository.Repository
      const input = { name: "secret" }
      const create = (key: string) => ({ resource: "Widget", action: "create", key, input })
      const actor = Testing.actor()
      yield* runtime.invoke({ ...create("guess-1"), actor, origin: "door", idempotencyKey: "1", fingerprint: "f" })
      yield* runtime.deliver(actor, { _tag: "Send", ...create("guess-2"), delayMillis: 0 }, "outbox-1")
      yield* Effect.retry(repository.get(Widget, "guess-2"), { times: 60, schedule: Schedule.spaced("50 millis") })
      const guesses = [
        ["guess-1", SignedContext.named("tenant-a", actor.id, "1", "f")],
        ["guess-2", SignedContext.named("delivery", "tenant-a", "outbox-1")]
      ] as const
      for (const [key, guess] of guesses) {
        const url = `${ingressUrl}/restate/invocation/Widget/tenant-a%2F${key}/create/${guess}/output`
        const answer = yield* Effect.promise(() => fetch(url).then((got) => got.text()))
        assert.notInclude(answer, "secret")
      }
      // The same delivery again is the same.
      yield* runtime.deliver(actor, { _tag: "Send", ...create("guess-2"), delayMillis: 0 }, "outbox-1")
    })
  )

  it.effect("an input that does not fit is a typed failure, with every fault", () =>
    Effect.gen(function* () {
      const { keys } = yield* TestingRestate.TestRestate
      const target: Target.Target = { service: "Widget", handler: "create", key: "tenant-a/1" }
      const body = JSON.stringify({ name: 1, extra: true })
      const context = SignedContext.sign(
        keys,
        { id: SignedContext.newId(), actor: Testing.actor(), origin: "door", at: 0 },
        target,
        new TextEncoder().encode(body)
      )
      const answer = yield* direct(target, body, context)
      assert.strictEqual(answer.status, 400)
      const wire = JSON.parse(answer.body.metadata["tenon-failure"])
      assert.strictEqual(wire.tag, "InvalidInput")
      assert.strictEqual(wire.detail.issues.length, 2)
    })
  )

  it.effect("a thread numbers its messages, starts its agent and tells its channels in order", () =>
    Effect.gen(function* () {
      const repository = yield* Repository.Repository
      const thread = yield* Tenon.invoke(Thread.actions.create, { title: "hello" })
      const human = yield* Tenon.invoke(Participant.actions.create, { kind: "HUMAN", name: "Ada" })
      yield* Tenon.invoke(ChannelBinding.actions.create, { threadId: thread.id, channelId: "log" })
      const post = (idempotencyKey: string) =>
        Tenon.invoke(Thread.actions.addMessage, thread.id, { idempotencyKey, participantId: human.id, content: "hi" })
      const posted = yield* Effect.all([post("1"), post("2"), post("1"), post("3")], { concurrency: "unbounded" })
      // Which of those that are posted at once comes first is anyone's guess.
      assert.deepStrictEqual([...new Set(posted.map((each) => each.position))].toSorted(), [1, 2, 3])
      assert.strictEqual(posted[0]?.position, posted[2]?.position)
      assert.strictEqual(yield* Queue.take(started), thread.id)
      const delivered = yield* repository.get(ChannelDelivery, "log").pipe(
        Effect.catchTag("NotFound", () => Effect.succeed({ delivered: 0, lastPosition: 0 })),
        Effect.delay(50),
        Effect.repeat({ until: (row) => row.delivered === 3, times: 100 })
      )
      assert.strictEqual(delivered.lastPosition, 3)
    })
  )

  it.effect("an idempotency key is done once, told apart from a reuse, and its own in each tenant", () =>
    Effect.gen(function* () {
      const thread = yield* Tenon.invoke(Thread.actions.create, { title: "once" })
      const human = yield* Tenon.invoke(Participant.actions.create, { kind: "AGENT", name: "Eve" })
      const post = (content: string) =>
        Tenon.invoke(
          Thread.actions.addMessage,
          thread.id,
          { idempotencyKey: content, participantId: human.id, content },
          { idempotencyKey: "k" }
        )
      const all = yield* Effect.all([post("a"), post("a"), post("a")], { concurrency: "unbounded" })
      assert.strictEqual(new Set(all.map((each) => each.id)).size, 1)
      assert.strictEqual((yield* Effect.flip(post("b")))._tag, "IdempotencyKeyReused")
      const elsewhere = Tenon.invoke(Thread.actions.create, { title: "x" }, { idempotencyKey: "k" })
      assert.notStrictEqual((yield* asTenant("tenant-c")(elsewhere)).id, thread.id)
    })
  )

  it.effect("two actors who use one idempotency key each have done what follows from theirs", () =>
    Effect.gen(function* () {
      const repository = yield* Repository.Repository
      const thread = yield* Tenon.invoke(Thread.actions.create, { title: "theirs" })
      const agent = yield* Tenon.invoke(Participant.actions.create, { kind: "AGENT", name: "Eve" })
      yield* Tenon.invoke(ChannelBinding.actions.create, { threadId: thread.id, channelId: "theirs" })
      for (const id of ["ada", "bob"]) {
        const message = { idempotencyKey: id, participantId: agent.id, content: id }
        yield* Tenon.invoke(Thread.actions.addMessage, thread.id, message, { idempotencyKey: "shared" }).pipe(
          Effect.provideService(CurrentActor, Testing.actor({ id }))
        )
      }
      const delivered = yield* repository.get(ChannelDelivery, "theirs").pipe(
        Effect.catchTag("NotFound", () => Effect.succeed({ delivered: 0, lastPosition: 0 })),
        Effect.delay(50),
        Effect.repeat({ until: (row) => row.delivered === 2, times: 60 })
      )
      assert.strictEqual(delivered.delivered, 2)
    })
  )

  it.effect("writes one step and one entry per send to the journal", () =>
    Effect.gen(function* () {
      const { adminUrl } = yield* TestingRestate.TestRestate
      const rows = yield* RestateAdmin.query(
        adminUrl,
        `select i.id, j.entry_type from sys_invocation i join sys_journal j on j.id = i.id
         where i.target_handler_name = 'addMessage' and j.entry_type like 'Command%' order by i.id, j.index`
      )
      const journals = Map.groupBy(rows, ({ id }) => id)
      const shapes = new Set(
        Array.from(journals.values(), (each) => each.map(({ entry_type: type }) => String(type).slice(9)).join(" "))
      )
      assert.isTrue(shapes.has("Input Run OneWayCall OneWayCall Output"), [...shapes].join("; "))
      assert.isTrue(
        [...shapes].every((shape) => /^Input Run( OneWayCall)* Output$/.test(shape)),
        [...shapes].join("; ")
      )
    })
  )
})
