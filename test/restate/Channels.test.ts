/** What Restate forgets of deliveries does no harm, and what it keeps holds no secret. */
import { Channel } from "@tenon/agents/Channel"
import { ChannelDelivery } from "@tenon/agents/ChannelDelivery"
import * as Tenon from "@tenon/core/Tenon"
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { eventually } from "../support/agentDomain.ts"
import { conversation, registry, secret, workflows } from "../support/channelSuite.ts"
import { forget } from "../support/restateForgets.ts"
import * as WebhookReceiver from "../support/WebhookReceiver.ts"

const world = TestingRestate.layer(registry, workflows).pipe(
  Layer.provideMerge(TestingRestate.layerServer()),
  Layer.provideMerge(FetchHttpClient.layer)
)

const patient = { attempts: 9, firstMillis: 600_000, maxMillis: 600_000 }

layer(world, { timeout: 60_000, excludeTestServices: true })("channels that Restate has forgotten", (it) => {
  it.effect(
    "the next message, or a redrive, sets them going again",
    () =>
      Effect.gen(function* () {
        const receiver = yield* WebhookReceiver.start(() => 500)
        const { all, deliveries, post } = yield* conversation(receiver.url, { retry: patient })
        yield* post("1")
        yield* eventually(deliveries, ([first]) => first?.attempts === 1)
        yield* forget
        receiver.answer = () => 200
        yield* post("2")
        yield* all("DELIVERED", 2)
        receiver.answer = () => 500
        yield* post("3")
        yield* eventually(deliveries, (rows) => rows[2]?.attempts === 1)
        yield* forget
        receiver.answer = () => 200
        yield* Tenon.invoke(ChannelDelivery.actions.redrive, (yield* deliveries)[2]?.id ?? "")
        yield* all("DELIVERED", 3)
        assert.deepStrictEqual(
          WebhookReceiver.arrived(receiver.hits).map(({ body }) => body.data.position),
          [1, 2, 3]
        )
      }),
    60_000
  )

  it.effect(
    "its journals hold no secret",
    () =>
      Effect.gen(function* () {
        const { adminUrl } = yield* TestingRestate.TestRestate
        const receiver = yield* WebhookReceiver.start((attempt) => (attempt === 1 ? 500 : 200))
        const { all, channel, post, thread } = yield* conversation(receiver.url)
        const rotated = yield* Tenon.invoke(Channel.actions.rotateSecret, channel.id, {})
        yield* post("a message that is journaled")
        yield* all("DELIVERED", 1)
        const rows = yield* RestateAdmin.query(adminUrl, "select raw from sys_journal")
        const kept = rows.map(({ raw }) => Buffer.from(String(raw), "hex").toString("latin1")).join("\n")
        // What Restate does keep is found this way, so the search is worth something.
        assert.include(kept, thread.id)
        for (const hidden of [secret, rotated.secret]) assert.notInclude(kept, hidden.slice(6))
      }),
    60_000
  )
})
