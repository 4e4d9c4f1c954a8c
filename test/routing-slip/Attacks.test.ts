/* oxlint-disable typescript/no-explicit-any -- hostile messages are made by hand, past all types. */
/** Every message here is hostile or broken: it must be set aside with its reason, and nothing may be executed. */
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import { digest } from "@tenon/routing-slip/Security"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Slip from "@tenon/routing-slip/Slip"
import * as Wire from "@tenon/routing-slip/Wire"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import * as TestClock from "effect/testing/TestClock"
import * as Jose from "jose"
import { deleteStreams, listens, redisUrl } from "../support/Brokers.ts"
import { altered, base64, entryOf, lastJws, refused, refusedFor } from "../support/Hostile.ts"
import {
  afterAlpha,
  alpha,
  begin,
  beta,
  deliver,
  done,
  keys,
  type KeyRing,
  newest,
  registry,
  world
} from "../support/SignedWorld.ts"

/** Alters the message from alpha to beta and expects it to be refused; the true message is good afterwards. */
const attack = (name: string, reason: string, change: (message: any, ring: KeyRing) => void) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const ring = yield* keys
      yield* Effect.gen(function* () {
        const genuine = yield* afterAlpha(ring, "slip")
        yield* refused(
          beta.queue,
          altered(genuine, (message) => change(message, ring)),
          reason
        )
        assert.deepStrictEqual(yield* deliver(beta.queue, genuine), { _tag: "Ack" })
        assert.deepStrictEqual(done, ["beta 2"])
      }).pipe(Effect.provide(world(ring)))
    })
  )

/** Replaces the newest entry by one that an attacker signed. */
const resigned = (
  name: string,
  reason: string,
  by: (ring: KeyRing) => KeyRing["alpha"],
  change?: (entry: any, message: any) => void,
  /** How much later, in milliseconds. */
  later = 0
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const ring = yield* keys
      yield* TestClock.adjust("1 hour")
      yield* Effect.gen(function* () {
        const genuine = yield* afterAlpha(ring, "slip")
        const message = JSON.parse(new TextDecoder().decode(genuine))
        const entry = entryOf(lastJws(message))
        change?.(entry, message)
        yield* TestClock.adjust(later)
        const { sign } = yield* SignedLog.signer(by(ring).privateKey)
        message.headers.security_context.jws_signature = yield* sign(entry)
        yield* refused(beta.queue, new TextEncoder().encode(JSON.stringify(message)), reason)
      }).pipe(Effect.provide(world(ring)))
    })
  )

/** A JWS of the attacker's own making in place of the newest entry. */
const forged = (name: string, reason: string, make: (payload: string, ring: KeyRing) => Promise<string>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const ring = yield* keys
      yield* Effect.gen(function* () {
        const message = JSON.parse(new TextDecoder().decode(yield* afterAlpha(ring, "slip")))
        const jws = yield* Effect.promise(() => make(lastJws(message).split(".")[1] ?? "", ring))
        message.headers.security_context.jws_signature = jws
        yield* refused(beta.queue, new TextEncoder().encode(JSON.stringify(message)), reason)
      }).pipe(Effect.provide(world(ring)))
    })
  )

const on = (name: string, body: (ring: KeyRing) => Effect.Effect<void, any, any>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const ring = yield* keys
      done.length = 0
      yield* Effect.provide(body(ring), world(ring)) as Effect.Effect<void>
    })
  )

/** A last character that stands for the same bytes: of the six bits of a signature's last one, four are unused. */
const otherEnd = (jws: string): string => ({ A: "B", Q: "R", g: "h", w: "x" })[jws.at(-1) ?? ""] ?? ""

describe("a message under zero trust", () => {
  attack("without any signature", "unsigned", ({ headers }) => {
    headers.security_context = { obo_token: null, jws_signature: null, jws_log: [] }
  })
  attack("with another payload", "tampered", (message) => (message.payload.amount = 2_000))
  attack("with other arguments in the itinerary", "tampered", (message) => {
    message.headers.routing_slip.itinerary[0].arguments.amount = 2_000
    message.payload.amount = 2_000
  })
  attack("with a step added to the itinerary", "tampered", ({ headers }) => {
    headers.routing_slip.itinerary.push({ ...headers.routing_slip.itinerary[0], step: "3" })
  })
  attack("with another variable", "tampered", ({ headers }) => (headers.routing_slip.variables.customer = "eve"))
  attack("with a hidden variable", "tampered", ({ headers }) => {
    Object.defineProperty(headers.routing_slip.variables, "__proto__", { value: "eve", enumerable: true })
  })
  attack("with another activity log", "tampered", ({ headers }) => (headers.routing_slip.activity_log = []))
  attack("with other data to undo", "tampered", ({ headers }) => {
    headers.routing_slip.compensation_log[0].data.amount = 1_000
  })
  attack("with a larger budget for revisions", "tampered", ({ headers }) => (headers.routing_slip.revision.budget = 9))
  attack("with another user's token", "tampered", ({ headers }) => {
    headers.security_context.obo_token = "a stolen token"
  })
  attack("under another correlation id", "tampered", ({ headers }) => (headers.correlation_id = "another"))
  attack("for another tenant", "tampered", ({ headers }) => (headers.tenant_id = "tenant-b"))
  attack("under another message id", "tampered", ({ headers }) => (headers.message_id = "another"))
  attack("with a log cut short", "tampered", ({ headers }) => {
    headers.security_context.jws_signature = headers.security_context.jws_log.pop()
  })
  attack("with a log whose beginning is gone", "broken-log", ({ headers }) => (headers.security_context.jws_log = []))
  attack("with an entry twice", "broken-log", ({ headers }) => {
    headers.security_context.jws_log.push(headers.security_context.jws_log[0])
  })
  attack("with one bit of a signature changed", "bad-signature", ({ headers }) => {
    const jws: string = headers.security_context.jws_signature
    const at = jws.length - 10
    headers.security_context.jws_signature = jws.slice(0, at) + (jws[at] === "A" ? "B" : "A") + jws.slice(at + 1)
  })
  attack("that is not an envelope", "malformed", (message) => delete message.headers.routing_slip)
  attack("with members that nobody knows", "malformed", ({ headers }) => (headers.admin = true))
  attack("whose activity looks like a module", "malformed", ({ headers }) => {
    headers.routing_slip.itinerary[0].activity = "../../os:system"
  })
  attack("whose step is named like a prototype", "malformed", ({ headers }) => {
    headers.routing_slip.itinerary[0].step = "__proto__"
  })

  resigned("signed by another activity", "not-authorised", (ring) => ring.beta)
  resigned("signed by the issuer in an activity's place", "not-authorised", (ring) => ring.issuer)
  resigned("signed by a revoked key", "revoked-key", (ring) => ring.gone)
  resigned("signed by a key after it was retired", "retired-key", (ring) => ring.old)
  resigned(
    "signed by a retired key at a time that no calendar has",
    "retired-key",
    (ring) => ring.old,
    (entry) => {
      entry.at = entry.transition.at = Number.MAX_SAFE_INTEGER
    }
  )
  resigned("signed by a key of another tenant", "not-authorised", (ring) => ring.elsewhere)
  resigned(
    "signed by its activity for a transition that is not allowed",
    "illegal-transition",
    (ring) => ring.alpha,
    (entry) => {
      entry.transition.drop = ["2"]
    }
  )
  resigned(
    "signed by its activity for another queue",
    "broken-log",
    (ring) => ring.alpha,
    (entry) => {
      entry.aud = "tenon.gamma"
    }
  )

  resigned(
    "signed by its activity for another place of the log",
    "broken-log",
    (ring) => ring.alpha,
    (entry) => {
      entry.index = 7
    }
  )
  resigned(
    "signed by its activity for another slip",
    "broken-log",
    (ring) => ring.alpha,
    (entry) => {
      entry.correlation_id = "another"
    }
  )
  resigned(
    "signed by its activity as a beginning besides",
    "broken-log",
    (ring) => ring.alpha,
    (entry, { headers }) => {
      entry.manifest = entryOf(headers.security_context.jws_log[0]).manifest
    }
  )
  resigned(
    "signed by its activity for nothing that was done",
    "broken-log",
    (ring) => ring.alpha,
    (entry) => {
      entry.transition = null
    }
  )

  resigned(
    "signed by its activity at a time before the entry that it follows",
    "broken-log",
    (ring) => ring.alpha,
    (entry) => {
      const at = entry.at - 61_000
      entry.transition = { type: "faulted", step: "1", at, error: "E", message: "m" }
      Object.assign(entry, { at, aud: null })
    }
  )

  const over = 7 * 24 * 3_600_000 + 61_000
  resigned(
    "whose newest step was begun after its authority had run out",
    "expired",
    (ring) => ring.alpha,
    (entry) => {
      entry.at += over
      entry.transition.begun_at = entry.at
    },
    over
  )
  resigned(
    "whose newest step was begun before its turn",
    "broken-log",
    (ring) => ring.alpha,
    (entry) => {
      entry.transition.begun_at = entry.at - 61_000
    }
  )
  resigned(
    "whose newest step was begun after it was done",
    "broken-log",
    (ring) => ring.alpha,
    (entry) => {
      entry.transition.begun_at = entry.at + 1
    }
  )

  forged(
    "with the algorithm `none`",
    "bad-signature",
    async (payload) => `${base64({ alg: "none", typ: "tenon-slip+jws", kid: "alpha" })}.${payload}.`
  )
  forged("with the public key used as an HMAC secret", "bad-signature", (payload, ring) =>
    new Jose.CompactSign(Jose.base64url.decode(payload))
      .setProtectedHeader({ alg: "HS256", typ: "tenon-slip+jws", kid: "alpha" })
      .sign(Jose.base64url.decode(ring.alpha.publicKey.x))
  )
  forged("with a key of its own in the header", "bad-signature", async (payload) => {
    const { publicKey, privateKey } = await Jose.generateKeyPair("Ed25519", { extractable: true })
    return new Jose.CompactSign(Jose.base64url.decode(payload))
      .setProtectedHeader({ alg: "Ed25519", typ: "tenon-slip+jws", kid: "alpha", jwk: await Jose.exportJWK(publicKey) })
      .sign(privateKey)
  })
  forged("with an unknown key", "unknown-key", async (payload) => {
    const { privateKey } = await Jose.generateKeyPair("Ed25519")
    return new Jose.CompactSign(Jose.base64url.decode(payload))
      .setProtectedHeader({ alg: "Ed25519", typ: "tenon-slip+jws", kid: "../alpha" })
      .sign(privateKey)
  })
  forged("with a key that is to encrypt with", "unknown-key", async (payload) => {
    const { privateKey } = await Jose.generateKeyPair("Ed25519")
    return new Jose.CompactSign(Jose.base64url.decode(payload))
      .setProtectedHeader({ alg: "Ed25519", typ: "tenon-slip+jws", kid: "alpha-data" })
      .sign(privateKey)
  })
  forged("with a token of another kind signed by the right key", "bad-signature", async (payload, ring) => {
    const key = await Jose.importJWK({ ...ring.alpha.privateKey }, "Ed25519")
    return new Jose.CompactSign(Jose.base64url.decode(payload))
      .setProtectedHeader({ alg: "Ed25519", typ: "JWT", kid: "alpha" })
      .sign(key)
  })

  on("for another queue", (ring) =>
    Effect.gen(function* () {
      yield* refused(alpha.queue, yield* afterAlpha(ring, "slip"), "wrong-audience")
    })
  )
  on("that has expired before anything was done", (ring) =>
    Effect.gen(function* () {
      const first = yield* begin(ring, "slip", RoutingSlip.lifetime("1 hour"))
      yield* TestClock.adjust("61 minutes")
      yield* refused(alpha.queue, first, "expired")
    })
  )
  on("with one key twice", (ring) =>
    Effect.gen(function* () {
      const text = new TextDecoder().decode(yield* afterAlpha(ring, "slip"))
      const doubled = text.replace('{"payload":', '{"payload":{"amount":2000},"pay\\u006coad":')
      yield* refused(beta.queue, new TextEncoder().encode(doubled), "duplicate-key")
    })
  )
  on("of ten megabytes", () =>
    Effect.gen(function* () {
      const body = new Uint8Array(10 * 1024 * 1024).fill(0x5b)
      const took: Array<number> = []
      for (let time = 0; time < 5; time++) {
        const started = performance.now()
        refusedFor(yield* deliver(beta.queue, body), "too-large")
        took.push(performance.now() - started)
      }
      // The best of some: the machine may have been busy with something else.
      assert.isBelow(Math.min(...took), 100)
      yield* refused(beta.queue, body, "too-large")
    })
  )
  on("nested a thousand levels deep", () =>
    Effect.gen(function* () {
      const body = new TextEncoder().encode("[".repeat(1_000) + "]".repeat(1_000))
      yield* refused(beta.queue, body, "malformed")
    })
  )
  on("that is not UTF-8", () =>
    Effect.gen(function* () {
      yield* refused(beta.queue, Uint8Array.of(0x22, 0xff, 0x22), "malformed")
    })
  )
  on("for an activity that is not performed here", (ring) =>
    Effect.gen(function* () {
      const { sign } = yield* SignedLog.signer(ring.issuer.privateKey)
      const genuine = yield* Wire.decode(yield* begin(ring, "slip"))
      const { headers } = genuine
      const slip = {
        ...headers.routing_slip,
        itinerary: headers.routing_slip.itinerary.map((step) => ({ ...step, activity: "gamma" }))
      }
      const jws = yield* sign({ ...entryOf(lastJws(genuine)), manifest: { slip, obo_sha256: null, expires_at: 1_000 } })
      const security_context = { ...headers.security_context, jws_signature: jws }
      const body = Wire.encode({ ...genuine, headers: { ...headers, routing_slip: slip, security_context } })
      yield* refused(alpha.queue, body, "unknown-activity")
    })
  )
  on("that a fork of the slip has overtaken", (ring) =>
    Effect.gen(function* () {
      const first = yield* Wire.decode(yield* begin(ring, "slip"))
      const second = yield* afterAlpha(ring, "slip")
      // Alpha signs a second history, as only a thief of its key could: the same step with another variable.
      const { sign } = yield* SignedLog.signer(ring.alpha.privateKey)
      const genuine = yield* Wire.decode(second)
      const entry = entryOf(lastJws(genuine))
      const jws = yield* sign({ ...entry, transition: { ...entry.transition, set: { customer: "eve" } } })
      const { headers } = genuine
      const routing_slip = { ...headers.routing_slip, variables: { customer: "eve" } }
      const security_context = { ...headers.security_context, jws_signature: jws }
      const fork = Wire.encode({ ...genuine, headers: { ...headers, routing_slip, security_context } })
      assert.strictEqual(entry.prev, digest(lastJws(first)))
      assert.deepStrictEqual(yield* deliver(beta.queue, second), { _tag: "Ack" })
      done.length = 0
      yield* refused(beta.queue, fork, "forked")
    })
  )
  on("that a fork with another next step has overtaken", (ring) =>
    Effect.gen(function* () {
      const revisable = RoutingSlip.revisable({ by: [alpha], insert: [beta], budget: 1 })
      const first = yield* Wire.decode(yield* begin(ring, "slip", revisable))
      yield* deliver(alpha.queue, Wire.encode(first))
      const genuine = yield* Wire.decode(yield* newest("slip"))
      assert.deepStrictEqual(yield* deliver(beta.queue, Wire.encode(genuine)), { _tag: "Ack" })
      done.length = 0
      // Alpha signs a second history, which its slip allows: beta's step comes after another one.
      const { sign } = yield* SignedLog.signer(ring.alpha.privateKey)
      const payload = { amount: 3 }
      const inserted = { step: "1.1", activity: "beta", queue: beta.queue, arguments: payload, encrypted: false }
      const entry = entryOf(lastJws(genuine))
      const transition = { ...entry.transition, insert: [{ ...inserted, timeout_ms: null }] }
      const routing_slip = Result.getOrThrow(Slip.apply(first.headers.routing_slip, transition))
      const jws_signature = yield* sign({ ...entry, transition })
      const security_context = { ...genuine.headers.security_context, jws_signature }
      const fork = { payload, headers: { ...genuine.headers, routing_slip, security_context } }
      yield* refused(beta.queue, Wire.encode(fork), "forked")
    })
  )
  on("that an activity's key has begun", (ring) =>
    Effect.gen(function* () {
      const issuer = SignedLog.issuer(yield* SignedLog.signer(ring.alpha.privateKey))
      yield* refused(alpha.queue, yield* begin(ring, "slip", RoutingSlip.sign(issuer)), "not-authorised")
    })
  )
  for (const [what, change] of [
    ["something done", () => ({ activity_log: [{ step: "3", activity: "alpha", at: 0 }] })],
    [
      "something to undo",
      () => ({
        compensation_log: [{ step: "3", activity: "alpha", queue: alpha.queue, data: { amount: 9 }, encrypted: false }]
      })
    ],
    ["something not undone", () => ({ not_undone: ["3"] })],
    ["a fault", () => ({ fault: { step: "1", activity: "alpha", error: "E", message: "m" } })],
    ["an outcome", () => ({ outcome: "completed" })],
    [
      "the way back",
      () => ({
        phase: "compensate",
        compensation_log: [{ step: "3", activity: "alpha", queue: alpha.queue, data: { amount: 9 }, encrypted: false }]
      })
    ],
    ["its end", () => ({ phase: "done" })],
    ["nothing to do", () => ({ itinerary: [] })],
    ["two steps of one name", ({ itinerary: [first, second] }) => ({ itinerary: [first, { ...second, step: "1" }] })],
    [
      "the middle of a branch",
      ({ ...trunk }) => ({
        branch: {
          branch: "1.1",
          of: "1",
          activity: "alpha",
          queue: alpha.queue,
          phase: "execute",
          set: {},
          superseded: false,
          trunk
        }
      })
    ]
  ] satisfies ReadonlyArray<readonly [string, (slip: any) => object]>)
    on(`whose beginning has ${what}`, (ring) =>
      Effect.gen(function* () {
        const { sign } = yield* SignedLog.signer(ring.issuer.privateKey)
        const message = JSON.parse(new TextDecoder().decode(yield* begin(ring, "slip")))
        const { headers } = message
        const entry = entryOf(lastJws(message))
        const slip = { ...headers.routing_slip, ...change(headers.routing_slip) }
        headers.routing_slip = slip
        headers.security_context.jws_signature = yield* sign({ ...entry, manifest: { ...entry.manifest, slip } })
        if (slip.phase === "compensate") message.payload = { amount: 9 }
        yield* refused(alpha.queue, new TextEncoder().encode(JSON.stringify(message)), "illegal-transition")
      })
    )
  on("whose beginning comes after something", (ring) =>
    Effect.gen(function* () {
      const { sign } = yield* SignedLog.signer(ring.issuer.privateKey)
      const genuine = yield* begin(ring, "slip")
      const entry = entryOf(lastJws(JSON.parse(new TextDecoder().decode(genuine))))
      const jws = yield* sign({ ...entry, prev: digest("something") })
      const body = altered(genuine, ({ headers }) => (headers.security_context.jws_signature = jws))
      yield* refused(alpha.queue, body, "broken-log")
    })
  )
  on("whose beginning is another one that its issuer signed", (ring) =>
    Effect.gen(function* () {
      const genuine = yield* Wire.decode(yield* afterAlpha(ring, "slip"))
      const issuer = SignedLog.issuer(yield* SignedLog.signer(ring.issuer.privateKey))
      const { envelope } = yield* RoutingSlip.builder(registry, { correlationId: "slip" }).pipe(
        RoutingSlip.add(alpha, { amount: 1 }),
        RoutingSlip.add(beta, { amount: 2_000 }),
        RoutingSlip.variable("customer", "ada"),
        RoutingSlip.sign(issuer),
        RoutingSlip.build
      )
      const { headers } = genuine
      const spliced = {
        payload: { amount: 2_000 },
        headers: {
          ...headers,
          routing_slip: { ...headers.routing_slip, itinerary: envelope.headers.routing_slip.itinerary.slice(1) },
          security_context: { ...headers.security_context, jws_log: [lastJws(envelope)] }
        }
      }
      yield* refused(beta.queue, Wire.encode(spliced), "broken-log")
    })
  )
  for (const [what, spell] of [
    ["with other unused bits", (jws: string) => jws.slice(0, -1) + otherEnd(jws)],
    ["with padding", (jws: string) => `${jws}==`],
    ["with a space behind it", (jws: string) => `${jws} `],
    ["with line ends behind it", (jws: string) => `${jws}\n\n`],
    ["with a space within", (jws: string) => jws.replace(".", " .")],
    ["with a part more", (jws: string) => `${jws}.`]
  ] as const) {
    // Its signature would be good, and its digest another one: the genuine message would be taken for a fork.
    attack(`whose newest signature is spelled ${what}`, "bad-signature", ({ headers }) => {
      headers.security_context.jws_signature = spell(headers.security_context.jws_signature)
    })
    attack(`whose manifest is spelled ${what}`, "bad-signature", ({ headers }) => {
      headers.security_context.jws_log[0] = spell(headers.security_context.jws_log[0])
    })
  }
  attack("with a trace context that is none", "too-large", ({ headers }) => {
    headers.trace_context.tracestate = "x".repeat(1_048_576)
  })
  on("with as much of a trace as there may be has no worker make a message that others refuse", (ring) =>
    Effect.gen(function* () {
      const full = altered(yield* afterAlpha(ring, "slip"), ({ headers }) => {
        headers.trace_context = { x: "y".repeat(8_192 - 8) }
      })
      const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })
      assert.deepStrictEqual(yield* Effect.withTracer(deliver(beta.queue, full), tracer), { _tag: "Ack" })
      const { headers } = yield* Wire.decode(yield* newest("slip"))
      assert.deepStrictEqual(Object.keys(headers.trace_context), ["traceparent"])
    })
  )
  for (const [what, change] of [
    ["with spaces", (text: string) => text + " ".repeat(1_048_576)],
    ["with line ends", (text: string) => text.replace("{", `{${"\r\n".repeat(700_000)}`)]
  ] as const) {
    on(`that is padded ${what} by who can sign nothing turns nothing back`, (ring) =>
      Effect.gen(function* () {
        const genuine = yield* afterAlpha(ring, "slip")
        const padded = new TextEncoder().encode(change(new TextDecoder().decode(genuine)))
        assert.deepStrictEqual(yield* deliver(beta.queue, padded), { _tag: "Ack" })
        assert.deepStrictEqual(yield* deliver(beta.queue, genuine), { _tag: "Ack" })
        assert.deepStrictEqual(done, ["beta 2"])
        const { routing_slip } = (yield* Wire.decode(yield* newest("slip"))).headers
        assert.strictEqual(routing_slip.outcome, "completed")
      })
    )
  }
  on("that is padded until nobody reads it is set aside, and the genuine one is good", (ring) =>
    Effect.gen(function* () {
      const genuine = yield* afterAlpha(ring, "slip")
      const padded = new TextDecoder().decode(genuine) + " ".repeat(4 * 1_048_576)
      yield* refused(beta.queue, new TextEncoder().encode(padded), "too-large")
      assert.deepStrictEqual(yield* deliver(beta.queue, genuine), { _tag: "Ack" })
      assert.deepStrictEqual(done, ["beta 2"])
    })
  )
  on("that was handled before is acknowledged, and executes nothing", (ring) =>
    Effect.gen(function* () {
      const genuine = yield* afterAlpha(ring, "slip")
      assert.deepStrictEqual(yield* deliver(beta.queue, genuine), { _tag: "Ack" })
      done.length = 0
      assert.deepStrictEqual(yield* deliver(beta.queue, genuine), { _tag: "Ack" })
      assert.deepStrictEqual(done, [])
      const end = yield* newest("slip")
      assert.deepStrictEqual(yield* deliver(beta.queue, genuine, 2), { _tag: "Ack" })
      assert.deepStrictEqual(yield* newest("slip"), end)
    })
  )
  on("that was handled long before is a replay and no redelivery", (ring) =>
    Effect.gen(function* () {
      const genuine = yield* afterAlpha(ring, "slip")
      assert.deepStrictEqual(yield* deliver(beta.queue, genuine), { _tag: "Ack" })
      done.length = 0
      yield* TestClock.adjust("23 hours")
      assert.deepStrictEqual(yield* deliver(beta.queue, genuine), { _tag: "Ack" })
      yield* TestClock.adjust("2 hours")
      yield* refused(beta.queue, genuine, "replayed")
    })
  )
})

/** Over a real broker a worker sets the same messages aside, with the same reasons. */
describe.skipIf(!(await listens(redisUrl)))("a message under zero trust over Redis", () => {
  const prefix = `tenon-attacks-${process.pid}-`
  const redis = TransportRedis.layer({ url: redisUrl, prefix })
  afterAll(() => deleteStreams([alpha.queue, beta.queue], prefix))

  for (const [name, reason, change] of [
    ["unsigned", "unsigned", ({ headers }) => (headers.security_context.jws_signature = null)],
    ["with another payload", "tampered", (message) => (message.payload.amount = 2_000)],
    [
      "whose activity looks like a module",
      "malformed",
      ({ headers }) => {
        headers.routing_slip.itinerary[0].activity = "../../os:system"
      }
    ]
  ] satisfies ReadonlyArray<readonly [string, string, (message: any) => void]>)
    it.live(name, () =>
      Effect.gen(function* () {
        const ring = yield* keys
        yield* Effect.gen(function* () {
          const genuine = yield* afterAlpha(ring, "slip")
          yield* refused(beta.queue, altered(genuine, change), reason, redis)
        }).pipe(Effect.provide(world(ring)))
      })
    )
})
