/** What the signed log and the encryption give to those who did nothing wrong. */
import * as DeadLetters from "@tenon/messaging/DeadLetters"
import { ack, Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as ActivitySchema from "@tenon/routing-slip/ActivitySchema"
import * as Encryption from "@tenon/routing-slip/Encryption"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as Keys from "@tenon/routing-slip/Keys"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Verify from "@tenon/routing-slip/Verify"
import * as Wire from "@tenon/routing-slip/Wire"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import * as TestClock from "effect/testing/TestClock"
import { alpha, begin, beta, deliver, done, keys, newest, registry, world } from "../support/SignedWorld.ts"

const jwks = (ring: { readonly [name: string]: { readonly publicKey: Keys.PublicKey } }) => ({
  keys: Object.values(ring).map(({ publicKey }) => publicKey)
})
const statusOf = Effect.flatMap(HopStore, (store) => Effect.map(store.slip("default", "slip"), (slip) => slip?.status))

describe("a signed slip", () => {
  it.effect("can be verified from its file and the key set alone", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const file = yield* Effect.gen(function* () {
        yield* deliver(alpha.queue, yield* begin(ring, "slip", RoutingSlip.onBehalfOf("a token")))
        yield* deliver(beta.queue, yield* newest("slip"))
        assert.strictEqual(yield* statusOf, "completed")
        return yield* newest("slip")
      }).pipe(Effect.provide(world(ring)))
      const report = yield* Verify.verify(file).pipe(Effect.provide(Keys.layer(jwks(ring))))
      assert.strictEqual(report.outcome, "completed")
      assert.deepStrictEqual(
        report.entries.map(({ kid, what }) => `${kid}: ${what}`),
        ["issuer: manifest", "alpha: executed 1", "beta: executed 2"]
      )
      const others = yield* keys
      const refused = yield* Effect.flip(Verify.verify(file).pipe(Effect.provide(Keys.layer(jwks(others)))))
      assert.propertyVal(refused, "reason", "bad-signature")
      const { alpha: revoked, ...rest } = ring
      const without = { ...rest, alpha: { publicKey: { ...revoked.publicKey, tenon: { revoked: true } } } }
      const stolen = yield* Effect.flip(Verify.verify(file).pipe(Effect.provide(Keys.layer(jwks(without)))))
      assert.propertyVal(stolen, "reason", "revoked-key")
    })
  )

  it.effect("is undone although its authority has expired", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      yield* Effect.gen(function* () {
        const first = yield* begin(ring, "slip", (builder) =>
          builder.pipe(RoutingSlip.add(alpha, { amount: -1 }), RoutingSlip.lifetime("1 hour"))
        )
        yield* deliver(alpha.queue, first)
        yield* deliver(beta.queue, yield* newest("slip"))
        yield* deliver(alpha.queue, yield* newest("slip"))
        done.length = 0
        yield* TestClock.adjust("2 hours")
        yield* deliver(beta.queue, yield* newest("slip"))
        yield* deliver(alpha.queue, yield* newest("slip"))
        assert.deepStrictEqual(done, ["undo beta 2", "undo alpha 1"])
        assert.strictEqual(yield* statusOf, "faulted")
      }).pipe(Effect.provide(world(ring)))
    })
  )

  it.effect("goes on with a rotated key, and entries of the retired one stay good", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const fresh = yield* Keys.generate("alpha-2", "sig", { activities: ["alpha"] })
      const retired = { ...ring.alpha.publicKey, tenon: { activities: ["alpha"], retired_at: 600_000 } }
      const rotated = { ...ring, alpha: { ...ring.alpha, publicKey: retired }, fresh }
      yield* Effect.gen(function* () {
        yield* deliver(alpha.queue, yield* begin(ring, "old"))
        yield* TestClock.adjust("20 minutes")
        assert.deepStrictEqual(yield* deliver(beta.queue, yield* newest("old")), { _tag: "Ack" })
        assert.strictEqual((yield* Verify.verify(yield* newest("old"))).entries[1]?.kid, "alpha")
        // The old key would be refused by the next, so nothing is done that it would have to sign.
        done.length = 0
        const left = yield* deliver(alpha.queue, yield* begin(ring, "new"))
        assert.deepInclude(left, { _tag: "Requeue", blameless: true })
        assert.deepStrictEqual(done, [])
      }).pipe(Effect.provide(world(rotated)))
      yield* Effect.gen(function* () {
        yield* deliver(alpha.queue, yield* begin(ring, "new"))
        assert.deepStrictEqual(yield* deliver(beta.queue, yield* newest("new")), { _tag: "Ack" })
        assert.strictEqual((yield* Verify.verify(yield* newest("new"))).entries[1]?.kid, "alpha-2")
      }).pipe(Effect.provide(world(rotated, { alpha: fresh.privateKey, beta: ring.beta.privateKey })))
    })
  )

  it.effect("keeps arguments and what undoing needs from everyone but the activity", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      yield* Effect.gen(function* () {
        const sealer = yield* Encryption.sealer
        const first = yield* begin(ring, "slip", (builder) =>
          builder.pipe(RoutingSlip.add(alpha, { amount: 777_777 }), RoutingSlip.encrypt(sealer))
        )
        done.length = 0
        yield* deliver(alpha.queue, first)
        const second = yield* newest("slip")
        for (const body of [first, second]) {
          const { headers, payload } = yield* Wire.decode(body)
          assert.isString(payload)
          const text = JSON.stringify(headers.routing_slip)
          assert.notInclude(text, "777777")
          assert.notInclude(text, "amount")
        }
        yield* deliver(beta.queue, second)
        assert.deepStrictEqual(done, ["alpha 1", "beta 2"])
        // A worker without the key refuses; nothing is lost, since the letter can be driven back.
        const { headers, payload } = yield* Wire.decode(second)
        const place = {
          tenantId: "default",
          correlationId: "slip",
          activity: "beta",
          step: "2",
          phase: "execute"
        } as const
        const open = yield* Encryption.opener([ring.alphaData.privateKey])
        const refused = yield* Effect.flip(open(place, { data: payload, encrypted: true }))
        assert.strictEqual(refused.reason, "undecryptable")
        // What was encrypted for one activity is not taken for another's, even with its key at hand.
        const both = yield* Encryption.opener([ring.alphaData.privateKey, ring.betaData.privateKey])
        const mixed = yield* Effect.flip(both({ ...place, activity: "alpha" }, { data: payload, encrypted: true }))
        assert.include(mixed.detail, "not encrypted for alpha")
        assert.deepStrictEqual(yield* both(place, { data: payload, encrypted: true }), { amount: 2 })
        assert.strictEqual(headers.routing_slip.compensation_log[0]?.encrypted, true)
      }).pipe(Effect.provide(world(ring)))
    })
  )

  it.effect("is one trace, from the builder through every worker", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.gen(function* () {
        const first = yield* begin(ring, "slip").pipe(Effect.withSpan("order"))
        yield* deliver(alpha.queue, first)
        yield* deliver(beta.queue, yield* newest("slip"))
        const { traceId } = spans.find(({ name }) => name === "order") ?? { traceId: "" }
        const hops = spans.filter(({ kind }) => kind === "consumer")
        assert.deepStrictEqual(
          hops.map(({ name }) => name),
          ["alpha execute", "beta execute"]
        )
        assert.deepStrictEqual(
          hops.map((span) => span.traceId),
          [traceId, traceId]
        )
        const parent = hops[1]?.parent
        assert.strictEqual(parent?._tag === "Some" ? parent.value.spanId : "", hops[0]?.spanId)
      }).pipe(Effect.provide(world(ring)), Effect.withTracer(tracer))
    })
  )
})

describe("a hop whose message could not be sent", () => {
  it.live("sends the stored bytes again when it is handed over again, and executes and signs nothing", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      let down = false
      const faults = {
        publish: () => ({ _tag: down ? ("Lost" as const) : ("None" as const) }),
        losesAck: () => false
      }
      yield* Effect.gen(function* () {
        const first = yield* begin(ring, "slip")
        down = true
        done.length = 0
        // The store has it, and a relay sends it later; but a broker may hand the message over again.
        assert.strictEqual((yield* deliver(alpha.queue, first))._tag, "Ack")
        const stored = yield* newest("slip")
        down = false
        assert.deepStrictEqual(yield* deliver(alpha.queue, first, 2), { _tag: "Ack" })
        assert.deepStrictEqual(done, ["alpha 1"])
        const arrived = yield* Deferred.make<Uint8Array>()
        const { subscribe } = yield* Transport
        yield* subscribe(beta.queue, ({ body }) => Effect.as(Deferred.succeed(arrived, body), ack))
        assert.deepStrictEqual(yield* Deferred.await(arrived), stored)
      }).pipe(Effect.scoped, Effect.provide(world(ring)), Effect.provideService(TransportMemory.Faults, faults))
    })
  )
})

describe("a key set", () => {
  it.effect("that is read again heeds new keys and revocations, and is not trusted for ever", () =>
    Effect.gen(function* () {
      const { privateKey, publicKey } = yield* Keys.generate("k1", "sig", { issues: true })
      let set: unknown = { keys: [] }
      let reads = 0
      let down = false
      const read = Effect.suspend(() => (reads++, down ? Effect.fail("down") : Effect.succeed(set)))
      yield* Effect.gen(function* () {
        const { find } = yield* Keys.Keys
        assert.isUndefined(yield* find("k1"))
        set = { keys: [publicKey, { kty: "RSA", kid: "unknown kinds are passed over" }] }
        assert.isUndefined(yield* find("k1"), "an unknown kid does not have it read at every message")
        assert.strictEqual(reads, 1)
        yield* TestClock.adjust("11 seconds")
        assert.strictEqual((yield* find("k1"))?.kid, "k1")
        set = { keys: [{ ...publicKey, tenon: { revoked: true } }] }
        yield* TestClock.adjust("61 seconds")
        assert.strictEqual((yield* find("k1"))?.grants.revoked, true)
        down = true
        yield* TestClock.adjust("59 minutes")
        assert.strictEqual((yield* find("k1"))?.kid, "k1")
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual((yield* Effect.flip(find("k1")))._tag, "Unavailable")
      }).pipe(Effect.provide(Keys.layerReloading(read)))
      assert.strictEqual((yield* SignedLog.signer(privateKey)).kid, "k1")
    })
  )

  it.effect("with one kid twice gives neither key", () =>
    Effect.gen(function* () {
      const one = yield* Keys.generate("same", "sig", { issues: true })
      const two = yield* Keys.generate("same", "sig", { issues: true })
      const found = Effect.flatMap(Keys.Keys, ({ find }) => find("same"))
      assert.isUndefined(yield* Effect.provide(found, Keys.layer(jwks({ one, two })).pipe(Layer.orDie)))
      const three = yield* Keys.generate("same", "sig", { issues: true })
      assert.isUndefined(yield* Effect.provide(found, Keys.layer(jwks({ one, two, three })).pipe(Layer.orDie)))
    })
  )
})

const letter = (id: string, detail: string, at: number) =>
  Effect.map(DeadLetters.fingerprint("q", "refused", detail), (fingerprint) => ({
    letter: id,
    id,
    queue: "q",
    body: new Uint8Array(),
    reason: "refused",
    detail,
    fingerprint,
    at
  }))

describe("what others read", () => {
  it("has a JSON Schema in snake_case", () => {
    const text = JSON.stringify(ActivitySchema.document(registry, "urn:tenon:test"))
    for (const field of ["message_id", "correlation_id", "routing_slip", "compensation_log", "jws_signature"]) {
      assert.include(text, field)
    }
    assert.strictEqual(registry.activities.length, 2)
  })

  it.effect("groups dead letters by cause", () =>
    Effect.gen(function* () {
      const groups = DeadLetters.group([
        yield* letter("1", "order 17 of 2026-11-21 is wrong", 5),
        yield* letter("2", "the key is unknown", 6),
        yield* letter("3", "order 18 of 2026-11-22 is wrong", 7)
      ])
      assert.deepStrictEqual(
        groups.map(({ count, detail, first, last }) => [count, detail, first, last]),
        [
          [2, "order 18 of 2026-11-22 is wrong", 5, 7],
          [1, "the key is unknown", 6, 6]
        ]
      )
    })
  )
})
