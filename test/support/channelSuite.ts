/** The tests of channels, over real HTTP. They know nothing of what they run on: the layer is their only argument. */
import * as Agents from "@tenon/agents/Agents"
import { Channel, ChannelSecret } from "@tenon/agents/Channel"
import * as ChannelAdapter from "@tenon/agents/ChannelAdapter"
import { ChannelBinding, type ChannelFilter } from "@tenon/agents/ChannelBinding"
import { ChannelDelivery } from "@tenon/agents/ChannelDelivery"
import * as ChannelLog from "@tenon/agents/ChannelLog"
import * as Channels from "@tenon/agents/Channels"
import * as ChannelWebhook from "@tenon/agents/ChannelWebhook"
import * as Content from "@tenon/agents/Content"
import { Participant } from "@tenon/agents/Participant"
import { Thread } from "@tenon/agents/Thread"
import type { CurrentActor } from "@tenon/core/Actor"
import { Interpreter } from "@tenon/core/Interpreter"
import * as Query from "@tenon/core/Query"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import type { RowStore } from "@tenon/core/RowStore"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import type * as Testing from "@tenon/testing/Testing"
import { assert, describe, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { eventually } from "./agentDomain.ts"
import * as WebhookReceiver from "./WebhookReceiver.ts"

/** What the channels run on. */
export type Infrastructure = (
  domain: Registry.Registry,
  options: Testing.Options<RowStore>
) => Layer.Layer<Interpreter | Repository.Repository | CurrentActor>

/** A domain with channels and no agents. */
export const registry = Registry.make({ resources: [...Agents.resources], workflows: [...Agents.workflows] })

/** The programs behind it; receivers are on this machine. */
export const workflows = Workflow.layer(...Channels.implement).pipe(
  Layer.provide([
    ChannelAdapter.layer(ChannelLog.adapter, ChannelWebhook.adapter({ allow: ["127.0.0.0/8"] })),
    Repository.layer
  ])
)

const quick = { attempts: 6, firstMillis: 10, maxMillis: 40 }

/** What the channels of tests are signed with. */
export const secret = `whsec_${Buffer.alloc(32, "k").toString("base64")}`

/** A thread whose messages go to the receiver, with what is to be seen of it. */
export const conversation = Effect.fnUntraced(function* (
  url: string,
  options: {
    readonly retry?: typeof quick
    readonly timeoutMillis?: number
    readonly filter?: typeof ChannelFilter.Type
  } = {}
) {
  const repository = yield* Repository.Repository
  const thread = yield* Tenon.invoke(Thread.actions.create, { title: "talk" })
  const ada = yield* Tenon.invoke(Participant.actions.create, { kind: "HUMAN", name: "Ada" })
  const { filter, retry = quick, timeoutMillis = 2000 } = options
  const channel = yield* Tenon.invoke(Channel.actions.create, {
    kind: "webhook",
    config: { url, timeoutMillis },
    secret,
    retry
  })
  const binding = yield* Tenon.invoke(ChannelBinding.actions.create, {
    threadId: thread.id,
    channelId: channel.id,
    ...(filter === undefined ? {} : { filter })
  })
  const filters = [{ field: "bindingId", operator: "eq" as const, value: binding.id }]
  const deliveries = Effect.map(
    repository.list(ChannelDelivery, { filters, sort: "position", limit: "500" }),
    ({ items }) => items
  )
  return {
    thread,
    channel,
    binding,
    deliveries,
    post: (key: string) =>
      Tenon.invoke(Thread.actions.addMessage, thread.id, {
        idempotencyKey: key,
        participantId: ada.id,
        content: Content.text(key)
      }),
    statuses: Effect.map(deliveries, (rows) => rows.map(({ status }) => status)),
    all: (status: string, count: number) =>
      eventually(deliveries, (rows) => rows.length === count && rows.every((each) => each.status === status))
  }
})

const texts = (hits: ReadonlyArray<WebhookReceiver.Hit>) => hits.map(({ body }) => body.data.position)

/** Declares the tests for an infrastructure. */
export const channels = (name: string, infrastructure: Infrastructure) => {
  describe(`channels ${name}`, () => {
    suite(infrastructure(registry, { workflows }), { timeout: 60_000, excludeTestServices: true })((it) => {
      it.effect(
        "fifty messages that come at once arrive in the thread's order, signed, each once",
        () =>
          Effect.gen(function* () {
            const receiver = yield* WebhookReceiver.start()
            const { all, post } = yield* conversation(receiver.url)
            yield* Effect.forEach(
              Array.from({ length: 50 }, (_, index) => String(index)),
              post,
              { concurrency: 10 }
            )
            const rows = yield* all("DELIVERED", 50)
            assert.deepStrictEqual(
              texts(receiver.hits),
              Array.from({ length: 50 }, (_, index) => index + 1)
            )
            assert.deepStrictEqual(
              receiver.hits.map(({ id }) => id),
              rows.map(({ id }) => id)
            )
            assert.isTrue(receiver.hits.every((hit) => WebhookReceiver.isGenuine(secret, hit)))
            assert.deepStrictEqual([rows[0]?.attempts, rows[0]?.problem], [1, undefined])
          }),
        120_000
      )

      it.effect(
        "a receiver that fails, cuts and hangs gets each message in order, under one id",
        () =>
          Effect.gen(function* () {
            const answers = [500, "cut", "hang", 503, 299] as const
            const receiver = yield* WebhookReceiver.start((attempt) => answers[attempt - 1] ?? 200)
            const { all, post } = yield* conversation(receiver.url, { timeoutMillis: 200 })
            yield* post("1")
            yield* post("2")
            const rows = yield* all("DELIVERED", 2)
            assert.deepStrictEqual(texts(receiver.hits), [1, 1, 1, 1, 1, 2, 2, 2, 2, 2])
            assert.strictEqual(new Set(receiver.hits.map(({ id }) => id)).size, 2)
            assert.deepStrictEqual(
              rows.map(({ attempts }) => attempts),
              [5, 5]
            )
          }),
        60_000
      )

      it.effect(
        "429 with Retry-After is waited out",
        () =>
          Effect.gen(function* () {
            const receiver = yield* WebhookReceiver.start((attempt) =>
              attempt === 1 ? { status: 429, headers: { "retry-after": "1" } } : 200
            )
            const { all, post } = yield* conversation(receiver.url)
            yield* post("1")
            yield* all("DELIVERED", 1)
            const [first, second] = receiver.hits
            assert.isAtLeast((second?.at ?? 0) - (first?.at ?? 0), 990)
          }),
        60_000
      )

      it.effect(
        "410 pauses the channel; resumed, it goes on where it stopped",
        () =>
          Effect.gen(function* () {
            const repository = yield* Repository.Repository
            const receiver = yield* WebhookReceiver.start(() => 410)
            const { all, channel, post } = yield* conversation(receiver.url)
            yield* post("1")
            const paused = yield* eventually(repository.get(Channel, channel.id), ({ status }) => status === "PAUSED")
            assert.strictEqual(paused.problem, "the receiver answered 410")
            yield* post("2")
            yield* all("PENDING", 2)
            receiver.answer = () => 200
            const resumed = yield* Tenon.invoke(Channel.actions.resume, channel.id)
            assert.strictEqual(resumed.problem, undefined)
            yield* all("DELIVERED", 2)
            assert.deepStrictEqual(texts(WebhookReceiver.arrived(receiver.hits)), [1, 2])
          }),
        60_000
      )

      it.effect(
        "a message that is given up is dead and lets the next one pass; redriven, it arrives",
        () =>
          Effect.gen(function* () {
            const receiver = yield* WebhookReceiver.start((_attempt) => 400)
            const { deliveries, post, statuses } = yield* conversation(receiver.url)
            yield* post("1")
            yield* eventually(statuses, (seen) => seen[0] === "DEAD")
            assert.strictEqual(receiver.hits.length, 3)
            yield* post("2")
            yield* eventually(statuses, (seen) => seen[1] === "DEAD")
            receiver.answer = () => 200
            yield* post("3")
            yield* eventually(statuses, (seen) => seen[2] === "DELIVERED")
            const [first, second, third] = yield* deliveries
            assert.strictEqual(first?.problem, "the receiver answered 400")
            yield* Tenon.invoke(ChannelDelivery.actions.redrive, first?.id ?? "")
            yield* Tenon.invoke(ChannelDelivery.actions.discard, second?.id ?? "")
            yield* eventually(statuses, (seen) => seen.join() === "DELIVERED,DISCARDED,DELIVERED")
            const late = yield* Effect.flip(Tenon.invoke(ChannelDelivery.actions.redrive, third?.id ?? ""))
            assert.strictEqual(late._tag, "DeliverySettled")
            assert.strictEqual(receiver.hits.at(-1)?.id, first?.id)
          }),
        60_000
      )

      it.effect(
        "only what passes the filter goes out",
        () =>
          Effect.gen(function* () {
            const receiver = yield* WebhookReceiver.start()
            const { binding, deliveries, post } = yield* conversation(receiver.url, { filter: { from: "AGENT" } })
            assert.deepStrictEqual(binding.filter, { from: "AGENT" })
            yield* post("1")
            assert.deepStrictEqual(yield* deliveries, [])
          }),
        60_000
      )

      it.effect(
        "an address that is not allowed, and a redirect to one, are not followed",
        () =>
          Effect.gen(function* () {
            const receiver = yield* WebhookReceiver.start((_attempt, path) =>
              path === "/away" ? { status: 307, headers: { location: "/secret-place" } } : 200
            )
            const inner = yield* conversation("http://169.254.169.254/latest/meta-data")
            yield* inner.post("1")
            const [refused] = yield* inner.all("DEAD", 1)
            assert.deepStrictEqual([refused?.attempts, refused?.problem], [1, "the address is not a public one"])
            const away = yield* conversation(`${receiver.url}/away`)
            yield* away.post("1")
            yield* away.all("DEAD", 1)
            assert.deepStrictEqual(
              receiver.hits.map(({ path }) => path),
              ["/away", "/away", "/away"]
            )
          }),
        60_000
      )

      it.effect(
        "a rotated secret is shown once; until the overlap is over, both sign",
        () =>
          Effect.gen(function* () {
            const receiver = yield* WebhookReceiver.start()
            const { all, channel, post } = yield* conversation(receiver.url)
            const rotated = yield* Tenon.invoke(Channel.actions.rotateSecret, channel.id, {})
            yield* post("1")
            yield* all("DELIVERED", 1)
            const [hit] = receiver.hits
            assert.isDefined(hit)
            assert.isTrue(WebhookReceiver.isGenuine(secret, hit) && WebhookReceiver.isGenuine(rotated.secret, hit))
            const last = yield* Tenon.invoke(Channel.actions.rotateSecret, channel.id, { overlapMillis: 0 })
            yield* post("2")
            yield* all("DELIVERED", 2)
            const next = receiver.hits[1]
            assert.isDefined(next)
            assert.isFalse(WebhookReceiver.isGenuine(rotated.secret, next))
            assert.isTrue(WebhookReceiver.isGenuine(last.secret, next))
          }),
        60_000
      )

      it.effect(
        "no door shows a secret, and none is told why another was refused",
        () =>
          Effect.gen(function* () {
            const interpreter = yield* Interpreter
            const { channel } = yield* conversation("https://example.com")
            const seen = yield* Effect.forEach([Channel, ChannelSecret], (each) =>
              interpreter.list(Resource.erase(each), Result.getOrThrow(Query.parse(Resource.erase(each), {})))
            )
            const made = yield* interpreter.perform({
              resource: "Channel",
              action: "create",
              input: { kind: "log", config: {}, secret }
            })
            const refused = yield* Effect.flip(
              interpreter.perform({
                resource: "Channel",
                action: "create",
                input: { kind: "log", config: {}, secret: "whsec_hush" }
              })
            )
            assert.strictEqual(refused._tag, "InvalidInput")
            const text = JSON.stringify([seen, made, refused, refused.message])
            assert.include(text, channel.id)
            assert.notInclude(text, secret.slice(6))
            assert.notInclude(text, "hush")
          }),
        60_000
      )

      it.effect(
        "a configuration that does not fit, and a kind that there is not, are refused",
        () =>
          Effect.gen(function* () {
            const create = (kind: string, config: Schema.Json) =>
              Effect.map(Effect.flip(Tenon.invoke(Channel.actions.create, { kind, config })), ({ _tag }) => _tag)
            assert.strictEqual(yield* create("pigeon", {}), "UnknownChannelKind")
            assert.strictEqual(yield* create("webhook", {}), "ChannelConfigInvalid")
            assert.strictEqual(yield* create("webhook", { url: "https://me:pass@example.com" }), "ChannelConfigInvalid")
            assert.strictEqual(yield* create("log", { level: 1 }), "ChannelConfigInvalid")
          }),
        60_000
      )
    })
  })
}
