/** Webhooks without a thread: signatures, addresses, configuration and the times between attempts. */
import * as ChannelKind from "@tenon/agents/ChannelKind"
import * as ChannelRetry from "@tenon/agents/ChannelRetry"
import * as ChannelWebhook from "@tenon/agents/ChannelWebhook"
import { kind } from "@tenon/agents/ChannelWebhookKind"
import * as OutboundAddress from "@tenon/agents/OutboundAddress"
import * as WebhookSecret from "@tenon/agents/WebhookSecret"
import * as WebhookSignature from "@tenon/agents/WebhookSignature"
import { seeded } from "@tenon/core/NewId"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as WebhookReceiver from "../support/WebhookReceiver.ts"

/** The example in the documentation of the specification's libraries. */
const vector = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1614265330,
  body: '{"test": 2432232314}',
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
}
const at = vector.timestamp * 1000

describe("webhook signatures", () => {
  const received = (changes: { readonly [name: string]: string } = {}, body = vector.body) => ({
    headers: {
      "webhook-id": vector.id,
      "webhook-timestamp": String(vector.timestamp),
      "webhook-signature": vector.signature,
      ...changes
    },
    body
  })

  it("are those of the specification", () => {
    assert.strictEqual(WebhookSignature.sign([vector.secret], vector), vector.signature)
    assert.deepStrictEqual(WebhookSignature.verify(vector.secret, received(), at), Result.succeed(vector.id))
  })

  it("do not fit what was tampered with, or is old, or came from elsewhere", () => {
    const other = WebhookSecret.fromIds(() => seeded(1)(0))
    const refused: ReadonlyArray<readonly [string, WebhookSignature.Received, number?]> = [
      [vector.secret, received({}, `${vector.body} `)],
      [vector.secret, received({ "webhook-id": "msg_other" })],
      [vector.secret, received({ "webhook-timestamp": String(vector.timestamp + 1) })],
      [vector.secret, received({ "webhook-timestamp": `${vector.timestamp}.0` })],
      [vector.secret, received({ "webhook-signature": vector.signature.replace("v1,", "v2,") })],
      [vector.secret, received({ "webhook-signature": "v1," })],
      [vector.secret, received({ "webhook-signature": "" })],
      [vector.secret, received(), at + 301_000],
      [vector.secret, received(), at - 301_000],
      [vector.secret, { headers: {}, body: vector.body }],
      [other, received()],
      ["no secret", received()]
    ]
    for (const [secret, request, now = at] of refused)
      assert.isTrue(Result.isFailure(WebhookSignature.verify(secret, request, now)), JSON.stringify(request))
  })

  it("are found among others, while one secret replaces another", () => {
    const next = WebhookSecret.fromIds(() => seeded(2)(0))
    const both = { "webhook-signature": WebhookSignature.sign([next, vector.secret], vector) }
    for (const secret of [next, vector.secret])
      assert.isTrue(Result.isSuccess(WebhookSignature.verify(secret, received(both), at)))
  })
})

describe("webhook addresses", () => {
  it("are public ones", () => {
    const closed = [
      ...["0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1"],
      ...["172.31.255.255", "192.168.1.1", "198.18.0.1", "198.51.100.1", "224.0.0.1", "255.255.255.255"],
      ...["::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8"],
      ...["64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "2001:db8::1", "fec0::1", "example.com", ""]
    ]
    for (const address of closed) assert.isFalse(OutboundAddress.isPublic(address), address)
    for (const address of ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::1"])
      assert.isTrue(OutboundAddress.isPublic(address), address)
    const allowed = OutboundAddress.allowList(["10.0.0.0/8", "::1"])
    assert.deepStrictEqual(["10.9.9.9", "::1", "127.0.0.1", "::2"].map(allowed), [true, true, false, false])
  })

  it.live("are checked where the connection is made, whatever way they are written", () =>
    Effect.gen(function* () {
      const receiver = yield* WebhookReceiver.start()
      const { deliver } = yield* ChannelWebhook.adapter()
      const { port } = new URL(receiver.url)
      const message = {
        id: "1",
        channelId: "c",
        threadId: "t",
        messageId: "m",
        position: 1,
        participantId: "p",
        content: null,
        createdAt: "2026-01-01T00:00:00.000Z"
      }
      for (const host of ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0"]) {
        const failed = yield* Effect.flip(
          deliver({ url: `http://${host}:${port}/` }, [Redacted.make(vector.secret)], message)
        )
        assert.deepStrictEqual([failed.message, failed.retryable], ["the address is not a public one", false], host)
      }
      assert.strictEqual(receiver.hits.length, 0)
    }).pipe(Effect.scoped)
  )

  it("name no user, and no other protocol", () => {
    for (const url of [
      "ftp://example.com",
      "file:///etc/passwd",
      "https://me:secret@example.com",
      "https://me@a.b",
      ""
    ])
      assert.isTrue(Result.isFailure(ChannelKind.decode(kind, { url })), url)
    assert.isTrue(Result.isFailure(ChannelKind.decode(kind, { url: "https://example.com", more: 1 })))
    assert.isTrue(Result.isSuccess(ChannelKind.decode(kind, { url: "https://example.com/hook" })))
  })
})

describe("the times between attempts", () => {
  const { standard } = ChannelRetry
  const failed = { retryable: true }

  it("double up to a bound, a half of each is chance, and they end", () => {
    for (const [chance, part] of [
      [0, 0.5],
      [1, 1]
    ] as const)
      assert.deepStrictEqual(
        Array.from({ length: 8 }, (_, index) => ChannelRetry.delayAfter(standard, failed, index + 1, chance)),
        [...[1000, 2000, 4000, 8000, 16_000, 32_000, 60_000].map((millis) => millis * part), undefined]
      )
  })

  it("heed the receiver, within bounds", () => {
    const after = (retryAfterMillis: number) => ChannelRetry.delayAfter(standard, { ...failed, retryAfterMillis }, 1, 0)
    assert.deepStrictEqual(
      [after(90_000), after(1), after(86_400_000)],
      [90_000, 500, ChannelRetry.maxRetryAfterMillis]
    )
    assert.strictEqual(ChannelRetry.delayAfter(standard, { ...failed, atMost: 3 }, 3, 0), undefined)
    assert.strictEqual(ChannelRetry.delayAfter(standard, { retryable: false }, 1, 0), undefined)
  })
})
