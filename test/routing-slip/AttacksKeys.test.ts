/* oxlint-disable typescript/no-explicit-any -- hostile messages are made by hand, past all types. */
/** Attacks on keys, signatures and encryption, and on any part of a message that chance picks. */
import type { Settlement } from "@tenon/messaging/Transport"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import * as Encryption from "@tenon/routing-slip/Encryption"
import * as Hop from "@tenon/routing-slip/Hop"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as Keys from "@tenon/routing-slip/Keys"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Jose from "jose"
import { deflateRawSync } from "node:zlib"
import { altered, entryOf, lastJws, refused, refusedFor } from "../support/Hostile.ts"
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

const on = (name: string, body: (ring: KeyRing) => Effect.Effect<void, any, any>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const ring = yield* keys
      done.length = 0
      yield* Effect.provide(body(ring), world(ring)) as Effect.Effect<void>
    })
  )

/**
 * A newest entry in the place of the genuine one, whose header and payload are these texts, signed by alpha's own key.
 */
const signedText = (
  name: string,
  reason: string,
  text: (payload: string) => { readonly header: string; readonly payload: string }
) =>
  on(name, (ring) =>
    Effect.gen(function* () {
      const genuine = yield* afterAlpha(ring, "slip")
      const key = yield* Effect.promise(() => Jose.importJWK({ ...ring.alpha.privateKey }, "Ed25519"))
      const sign = async (message: any) => {
        const payload = new TextDecoder().decode(Jose.base64url.decode(lastJws(message).split(".")[1] ?? ""))
        const made = text(payload)
        const input = `${Jose.base64url.encode(made.header)}.${Jose.base64url.encode(made.payload)}`
        const signature = await crypto.subtle.sign("Ed25519", key as Jose.CryptoKey, new TextEncoder().encode(input))
        return `${input}.${Jose.base64url.encode(new Uint8Array(signature))}`
      }
      const jws = yield* Effect.promise(() => sign(JSON.parse(new TextDecoder().decode(genuine))))
      const body = altered(genuine, (message) => (message.headers.security_context.jws_signature = jws))
      yield* refused(beta.queue, body, reason)
    })
  )

const header = '{"alg":"Ed25519","typ":"tenon-slip+jws","kid":"alpha"}'

describe("a signature of the right key", () => {
  const otherHeader = (name: string, other: string) =>
    signedText(name, "bad-signature", (payload) => ({ header: other, payload }))
  otherHeader("over a header with a critical extension", header.replace("}", ',"crit":["exp"],"exp":1}'))
  otherHeader("over a header with an unencoded payload", header.replace("}", ',"crit":["b64"],"b64":false}'))
  otherHeader("over a header that names an algorithm twice", header.replace("{", '{"alg":"none",'))
  otherHeader("over a header that names a key server", header.replace("}", ',"jku":"https://evil.example/jwks"}'))
  otherHeader("under the older name of the algorithm", header.replace("Ed25519", "EdDSA"))
  signedText("over an entry with a key twice", "malformed", (payload) => ({
    header,
    payload: payload.replace("{", '{"index":7,')
  }))
  signedText("over an entry with members that nobody knows", "malformed", (payload) => ({
    header,
    payload: payload.replace("{", '{"admin":true,')
  }))
  signedText("over an entry of the future", "broken-log", (payload) => {
    const entry = JSON.parse(payload)
    return {
      header,
      payload: JSON.stringify({ ...entry, at: 61_000, transition: { ...entry.transition, at: 61_000 } })
    }
  })
  signedText("over an entry for another tenant", "broken-log", (payload) => ({
    header,
    payload: JSON.stringify({ ...JSON.parse(payload), tenant_id: "tenant-b" })
  }))
})

/** Gives the message that begins a slip whose step alpha is encrypted in this way. */
const sealedBy = (ring: KeyRing, conceal: RoutingSlip.Sealer["conceal"]) =>
  begin(ring, "slip", (builder) =>
    builder.pipe(RoutingSlip.add(alpha, { amount: 3 }), RoutingSlip.encrypt({ conceal }))
  )

const encrypted = (
  name: string,
  make: (plain: Uint8Array<ArrayBuffer>, ring: KeyRing, header: typeof jweHeader & { tenon: object }) => Promise<string>
) =>
  on(name, (ring) =>
    Effect.gen(function* () {
      const first = yield* sealedBy(ring, ({ activity, correlationId, phase, step, tenantId }, data) => {
        const tenon = { tenant_id: tenantId, correlation_id: correlationId, activity, step, phase }
        const plain = new TextEncoder().encode(JSON.stringify(data))
        return Effect.map(
          Effect.promise(() => make(plain, ring, { ...jweHeader, tenon })),
          (jwe) => ({ data: jwe, encrypted: true })
        )
      })
      yield* refused(alpha.queue, first, "undecryptable")
      // Redriven, it is looked at again: nobody has the step in hand.
      yield* refused(alpha.queue, first, "undecryptable")
    })
  )

const publicKeyOf = (ring: KeyRing, name: "alphaData" | "betaData") =>
  Jose.importJWK({ ...ring[name].publicKey, alg: "ECDH-ES+A256KW" }, "ECDH-ES+A256KW")
const jweHeader = { alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: "alpha-data" }

describe("an encrypted step", () => {
  on("of the proper kind is read", (ring) =>
    Effect.gen(function* () {
      const { conceal } = yield* Encryption.sealer
      assert.deepStrictEqual(yield* deliver(alpha.queue, yield* sealedBy(ring, conceal)), { _tag: "Ack" })
      assert.deepStrictEqual(done, ["alpha 1"])
    })
  )
  encrypted("that was encrypted for another activity is refused, whoever has the keys", async (plain, ring, proper) =>
    new Jose.CompactEncrypt(plain)
      .setProtectedHeader({ ...proper, tenon: { ...proper.tenon, activity: "beta" } })
      .encrypt(await publicKeyOf(ring, "alphaData"))
  )
  encrypted("that says nothing of where it belongs is refused", async (plain, ring) =>
    new Jose.CompactEncrypt(plain).setProtectedHeader(jweHeader).encrypt(await publicKeyOf(ring, "alphaData"))
  )
  encrypted("that says more than where it belongs is refused", async (plain, ring, proper) =>
    new Jose.CompactEncrypt(plain)
      .setProtectedHeader({ ...proper, tenon: { ...proper.tenon, admin: true } })
      .encrypt(await publicKeyOf(ring, "alphaData"))
  )
  encrypted("for another key under this key's name is refused", async (plain, ring, proper) =>
    new Jose.CompactEncrypt(plain).setProtectedHeader(proper).encrypt(await publicKeyOf(ring, "betaData"))
  )
  encrypted("for a key that nobody knows is refused", async (plain, _, proper) => {
    const { publicKey } = await Jose.generateKeyPair("ECDH-ES+A256KW", { crv: "X25519" })
    return new Jose.CompactEncrypt(plain).setProtectedHeader({ ...proper, kid: "../alpha-data" }).encrypt(publicKey)
  })
  encrypted("with a weaker way to agree on a key is refused", async (plain, ring, proper) => {
    const key = await Jose.importJWK({ ...ring.alphaData.publicKey, alg: "ECDH-ES+A128KW" }, "ECDH-ES+A128KW")
    return new Jose.CompactEncrypt(plain).setProtectedHeader({ ...proper, alg: "ECDH-ES+A128KW" }).encrypt(key)
  })
  encrypted("with a weaker cipher is refused", async (plain, ring, proper) =>
    new Jose.CompactEncrypt(plain)
      .setProtectedHeader({ ...proper, enc: "A128GCM" })
      .encrypt(await publicKeyOf(ring, "alphaData"))
  )
  encrypted("with the public key as a shared secret is refused", async (plain, ring, proper) =>
    new Jose.CompactEncrypt(plain)
      .setProtectedHeader({ ...proper, alg: "dir" })
      .encrypt(Jose.base64url.decode(ring.alphaData.publicKey.x))
  )
  encrypted("that swells when it is unpacked is refused", async (_, ring, proper) => {
    const bomb = new TextEncoder().encode(JSON.stringify({ amount: 1, pad: " ".repeat(200_000) }))
    assert.isBelow(deflateRawSync(bomb).byteLength, 1_000)
    return new Jose.CompactEncrypt(bomb)
      .setProtectedHeader({ ...proper, zip: "DEF" })
      .encrypt(await publicKeyOf(ring, "alphaData"))
  })
  encrypted("with a critical extension is refused", async (plain, ring, proper) =>
    new Jose.CompactEncrypt(plain)
      .setProtectedHeader({ ...proper, crit: ["exp"], exp: 1 })
      .encrypt(await publicKeyOf(ring, "alphaData"), { crit: { exp: true } })
  )
  encrypted("with one bit changed is refused", async (plain, ring, proper) => {
    const jwe = await new Jose.CompactEncrypt(plain)
      .setProtectedHeader(proper)
      .encrypt(await publicKeyOf(ring, "alphaData"))
    const [head, key, iv, text = "", tag] = jwe.split(".")
    return [head, key, iv, (text.startsWith("A") ? "B" : "A") + text.slice(1), tag].join(".")
  })
  for (const [what, spell] of [
    ["with padding", (jwe: string) => `${jwe}==`],
    ["with a space", (jwe: string) => jwe.replace(".", " .")],
    ["with a line end", (jwe: string) => `${jwe}\n`]
  ] as const) {
    encrypted(`that is spelled ${what} is refused`, async (plain, ring, proper) =>
      spell(
        await new Jose.CompactEncrypt(plain).setProtectedHeader(proper).encrypt(await publicKeyOf(ring, "alphaData"))
      )
    )
  }
  encrypted("that is no JWE is refused", async () => "{}")
})

/** What is encrypted cannot be read by who moves it; nor may its activity read it where it does not belong. */
describe("what was encrypted for one step is not read", () => {
  interface Taken {
    readonly correlationId: string
    readonly tenantId: string
    readonly amounts: ReadonlyArray<number>
  }
  const dispatched = Effect.fnUntraced(function* (ring: KeyRing, slip: Taken, sealer: RoutingSlip.Sealer) {
    const first = RoutingSlip.builder(registry, slip)
    yield* slip.amounts
      .reduce((builder, amount) => RoutingSlip.add(alpha, { amount })(builder), first)
      .pipe(
        RoutingSlip.encrypt(sealer),
        RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(ring.issuer.privateKey))),
        RoutingSlip.dispatch
      )
    return (yield* (yield* HopStore).slip(slip.tenantId, slip.correlationId))?.body ?? new Uint8Array()
  })
  const victim = { correlationId: "victim", tenantId: "tenant-a", amounts: [4711, 4712] }

  const moved = (name: string, thief: Taken) =>
    on(name, (ring) =>
      Effect.gen(function* () {
        const body = yield* dispatched(ring, victim, yield* Encryption.sealer)
        const stolen = JSON.parse(new TextDecoder().decode(body)).headers.routing_slip.itinerary[0].arguments
        const conceal = () => Effect.succeed({ data: stolen, encrypted: true })
        const message = yield* dispatched(ring, thief, { conceal })
        yield* refused(alpha.queue, message, "undecryptable")
        assert.deepStrictEqual(yield* deliver(alpha.queue, body), { _tag: "Ack" })
        assert.deepStrictEqual(done, ["alpha 4711"], "where it belongs it is")
      })
    )
  moved("under another tenant", { ...victim, tenantId: "tenant-b" })
  moved("in another slip", { ...victim, correlationId: "thief" })

  on("at another step of its slip, or to undo that step instead of doing it", (ring) =>
    Effect.gen(function* () {
      const { conceal } = yield* Encryption.sealer
      const open = yield* Encryption.opener([ring.alphaData.privateKey])
      const place = { ...victim, activity: "alpha", step: "1", phase: "execute" } as const
      const sealed = yield* conceal(place, "secret")
      assert.strictEqual(yield* open(place, sealed), "secret")
      for (const other of [{ step: "2" }, { step: "1.1" }, { phase: "compensate" }, { activity: "beta" }] as const) {
        const { detail, reason } = yield* Effect.flip(open({ ...place, ...other }, sealed))
        assert.strictEqual(reason, "undecryptable")
        assert.include(detail, "it was not encrypted for")
      }
      // What says where it belongs cannot be changed: it is authenticated with it.
      const [head = "", ...rest] = String(sealed.data).split(".")
      const said = JSON.parse(new TextDecoder().decode(Jose.base64url.decode(head)))
      const lie = Jose.base64url.encode(JSON.stringify({ ...said, tenon: { ...said.tenon, step: "2" } }))
      const moved = { data: [lie, ...rest].join("."), encrypted: true }
      assert.include((yield* Effect.flip(open({ ...place, step: "2" }, moved))).detail, "not what was encrypted")
    })
  )
})

/** Every place in a message that decides something, as the path to it. */
const places = (value: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value !== "object" || value === null
    ? [path]
    : [path, ...Object.entries(value).flatMap(([key, each]) => places(each, [...path, key]))]

const changeAt = (message: any, path: ReadonlyArray<string>, change: (before: unknown) => unknown) => {
  const last = path.at(-1)
  if (last === undefined) return
  const parent = path.slice(0, -1).reduce((at, key) => at[key], message)
  const after = change(parent[last])
  if (after === undefined && !Array.isArray(parent)) delete parent[last]
  else parent[last] = after ?? null
}

const changes: ReadonlyArray<(before: unknown) => unknown> = [
  () => undefined,
  () => ({ __proto__: null, constructor: "x" }),
  () => "../../etc/passwd",
  (before) => (typeof before === "number" ? before + 1 : 1e300),
  (before) => (typeof before === "string" && before !== "" ? before.slice(0, -1) : [before]),
  (before) => (Array.isArray(before) ? [...before, ...before] : before !== true),
  (before) => [before, before]
]

describe("a message changed anywhere", () => {
  it.effect("is refused, and nothing is executed", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      yield* Effect.gen(function* () {
        const genuine = yield* afterAlpha(ring, "slip")
        const before = JSON.stringify(JSON.parse(new TextDecoder().decode(genuine)))
        const all = places(JSON.parse(before)).filter((path) => path.length > 0 && !path.includes("trace_context"))
        assert.isAbove(all.length, 40)
        for (const path of all) {
          for (const change of changes) {
            const hostile = altered(genuine, (message) => changeAt(message, path, change))
            if (new TextDecoder().decode(hostile) === before) continue
            const settlement = yield* deliver(beta.queue, hostile)
            assert.strictEqual(settlement._tag, "DeadLetter", `${path.join(".")}: ${new TextDecoder().decode(hostile)}`)
            assert.deepStrictEqual(done, [], path.join("."))
          }
        }
        assert.deepStrictEqual(yield* deliver(beta.queue, genuine), { _tag: "Ack" })
      }).pipe(Effect.provide(world(ring)))
    })
  )

  it.effect.prop(
    "that names an activity by whatever text is refused before anything is looked up",
    { activity: Schema.String },
    ({ activity }) =>
      Effect.gen(function* () {
        if (/^[a-z][a-z0-9-]{0,62}$/.test(activity)) return
        const ring = yield* keys
        yield* Effect.gen(function* () {
          const hostile = altered(yield* afterAlpha(ring, "slip"), ({ headers }) => {
            headers.routing_slip.itinerary[0].activity = activity
          })
          refusedFor(yield* deliver(beta.queue, hostile), "malformed")
        }).pipe(Effect.provide(world(ring)))
      }),
    { arbitrary: { runs: 25 } }
  )

  for (const activity of [
    "node:child_process",
    "./evil.js",
    "https://evil.example/a.mjs",
    "__proto__",
    "a/../b",
    "os.system",
    ""
  ]) {
    on(`that names ${JSON.stringify(activity)} as its activity is refused`, (ring) =>
      Effect.gen(function* () {
        const hostile = altered(yield* afterAlpha(ring, "slip"), ({ headers }) => {
          headers.routing_slip.itinerary[0].activity = activity
        })
        refusedFor(yield* deliver(beta.queue, hostile), "malformed")
      })
    )
  }
})

/** Two worlds one after another over the same keys but for alpha's public half. */
const grants = (ring: KeyRing, tenon: Keys.Grants) => ({
  ...ring,
  alpha: { ...ring.alpha, publicKey: { ...ring.alpha.publicKey, tenon } }
})

/** Nothing is done, and no delivery is counted: another worker may do the step. */
const handedBack = (settlement: Settlement) => {
  assert.deepInclude(settlement, { _tag: "Requeue", blameless: true })
  assert.deepStrictEqual(done, [])
}

describe("a key", () => {
  it.effect("that is revoked is refused at once for all it ever signed, with the reason that the set gives", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const set = { revoked: false }
      const reading = Effect.sync(() => ({
        keys: Object.values(
          grants(ring, { activities: ["alpha"], revoked: set.revoked, revoked_because: "its laptop was stolen" })
        ).map(({ publicKey }) => publicKey)
      }))
      const fresh = Layer.fresh(Keys.layerReloading(reading, { maxAge: "1 second" }))
      yield* Effect.gen(function* () {
        const genuine = yield* afterAlpha(ring, "slip")
        set.revoked = true
        yield* TestClock.adjust("1100 millis")
        const settlement = yield* deliver(beta.queue, genuine)
        refusedFor(settlement, "revoked-key")
        assert.include(settlement._tag === "DeadLetter" ? settlement.detail : "", "its laptop was stolen")
      }).pipe(Effect.provide(world(ring, undefined, fresh)))
    })
  )

  it.effect("that is new may be used by a clock that is a little behind, and not long before its time", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      for (const [notBefore, isInUse] of [
        [30_000, true],
        [120_000, false]
      ] as const) {
        yield* Effect.gen(function* () {
          done.length = 0
          const settlement = yield* deliver(alpha.queue, yield* begin(ring, "slip"))
          if (!isInUse) return handedBack(settlement)
          assert.deepStrictEqual(settlement, { _tag: "Ack" })
          assert.deepStrictEqual(yield* deliver(beta.queue, yield* newest("slip")), { _tag: "Ack" })
        }).pipe(Effect.provide(world(grants(ring, { activities: ["alpha"], not_before: notBefore }))))
      }
    })
  )

  it.effect("to encrypt with is one that is in use: rotated in and out without a gap", () =>
    Effect.gen(function* () {
      const old = yield* Keys.generate("old", "enc", { activities: ["alpha"], retired_at: 120_000 })
      const next = yield* Keys.generate("next", "enc", { activities: ["alpha"], not_before: 60_000 })
      const stolen = yield* Keys.generate("stolen", "enc", { activities: ["alpha"], revoked: true })
      const set = { keys: [stolen, next, old].map(({ publicKey }) => publicKey) }
      yield* Effect.gen(function* () {
        const { recipient } = yield* Keys.Keys
        const kid = Effect.map(recipient("alpha"), (key) => key?.kid)
        assert.strictEqual(yield* kid, "old")
        yield* TestClock.adjust("90 seconds")
        assert.include(["old", "next"], yield* kid)
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(yield* kid, "next")
        assert.isUndefined(yield* recipient("beta"))
      }).pipe(Effect.provide(Keys.layer(set)))
    })
  )

  on("of the issuer cannot sign what an activity did, whatever its entry says", (ring) =>
    Effect.gen(function* () {
      const genuine = yield* afterAlpha(ring, "slip")
      const { sign } = yield* SignedLog.signer(ring.issuer.privateKey)
      const entry = entryOf(lastJws(JSON.parse(new TextDecoder().decode(genuine))))
      const jws = yield* sign({
        ...entry,
        transition: { type: "reauthorised", step: "1", at: 0, by: "issuer", obo_sha256: "x", expires_at: 1 }
      })
      const body = altered(genuine, (message) => (message.headers.security_context.jws_signature = jws))
      // It may say that step 1 has a fresh authority; then step 1 is not done, and this is not the message of step 2.
      yield* refused(beta.queue, body, "broken-log")
    })
  )
})

/** Of what comes of a step nothing could be passed on. So it is not done, and is done once that is mended. */
describe("a step is not done by a worker", () => {
  const unableToSign = (
    name: string,
    change: (ring: KeyRing) => KeyRing,
    isLeft: (settlement: Settlement) => void = handedBack
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const ring = yield* keys
        const set = { ring: change(ring) }
        const reading = Effect.sync(() => ({ keys: Object.values(set.ring).map(({ publicKey }) => publicKey) }))
        const fresh = Layer.fresh(Keys.layerReloading(reading, { maxAge: "1 second" }))
        yield* Effect.gen(function* () {
          done.length = 0
          const first = yield* begin(ring, "slip")
          isLeft(yield* deliver(alpha.queue, first))
          isLeft(yield* deliver(alpha.queue, first))
          set.ring = ring
          yield* TestClock.adjust("11 seconds")
          assert.deepStrictEqual(yield* deliver(alpha.queue, first), { _tag: "Ack" })
          assert.deepStrictEqual(done, ["alpha 1"])
        }).pipe(Effect.provide(world(ring, undefined, fresh)))
      })
    )
  unableToSign("whose key is retired", (ring) => grants(ring, { activities: ["alpha"], retired_at: 0 }))
  unableToSign("whose key is revoked", (ring) => grants(ring, { activities: ["alpha"], revoked: true }))
  unableToSign("whose key is for something else", (ring) => grants(ring, { activities: ["beta"] }))
  unableToSign(
    "whose key is for other tenants",
    (ring) => grants(ring, { activities: ["alpha"], tenants: ["tenant-b"] }),
    (settlement) => refusedFor(settlement, "not-authorised")
  )
  unableToSign("whose key nobody knows", ({ alpha: own, ...ring }) => ({
    ...ring,
    alpha: { ...own, publicKey: { ...own.publicKey, kid: "alpha-2" } }
  }))
  unableToSign("whose key is another one of the same name", (ring) => ({
    ...ring,
    alpha: { ...ring.alpha, publicKey: { ...ring.alpha.publicKey, x: ring.beta.publicKey.x } }
  }))

  it.effect("that has no key for it", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      yield* Effect.gen(function* () {
        const message = yield* afterAlpha(ring, "slip")
        handedBack(yield* deliver(beta.queue, message))
        handedBack(yield* deliver(beta.queue, message))
      }).pipe(Effect.provide(world(ring, { alpha: ring.alpha.privateKey })))
    })
  )

  it.effect("whole, whose key is retired while it does it: what comes of it is not sent on under that key", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const set = { ring }
      const reading = Effect.sync(() => ({ keys: Object.values(set.ring).map(({ publicKey }) => publicKey) }))
      const fresh = Layer.fresh(Keys.layerReloading(reading, { maxAge: "1 second" }))
      const slow = Activity.make("alpha", {
        arguments: { amount: Schema.Finite },
        execute: Effect.fnUntraced(function* ({ amount }) {
          if (done.push(`alpha ${amount}`) === 1) set.ring = grants(ring, { activities: ["alpha"], retired_at: 500 })
          yield* TestClock.adjust("1100 millis")
        })
      })
      yield* Effect.gen(function* () {
        done.length = 0
        const body = yield* begin(ring, "slip")
        const delivered = Hop.handler(Registry.make(slow, beta))({ queue: alpha.queue, id: "m", body, attempt: 1 })
        assert.deepInclude(yield* delivered, { _tag: "Requeue", blameless: true })
        assert.deepStrictEqual(yield* newest("slip"), body)
        set.ring = ring
        yield* TestClock.adjust("11 seconds")
        assert.deepStrictEqual(yield* delivered, { _tag: "Ack" })
        assert.deepStrictEqual(done, ["alpha 1", "alpha 1"])
        assert.deepStrictEqual(yield* deliver(beta.queue, yield* newest("slip")), { _tag: "Ack" })
      }).pipe(Effect.provide(world(ring, undefined, fresh)))
    })
  )

  it.effect("where nothing is there to encrypt with what undoing it needs", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const set = { gone: false }
      const reading = Effect.sync(() => ({
        keys: Object.values(ring).map(({ publicKey }) =>
          set.gone && publicKey.kid === "alpha-data"
            ? { ...publicKey, tenon: { ...publicKey.tenon, retired_at: 1 } }
            : publicKey
        )
      }))
      const fresh = Layer.fresh(Keys.layerReloading(reading, { maxAge: "1 second" }))
      yield* Effect.gen(function* () {
        const first = yield* begin(ring, "slip", RoutingSlip.encrypt(yield* Encryption.sealer))
        done.length = 0
        set.gone = true
        yield* TestClock.adjust("11 seconds")
        refusedFor(yield* deliver(alpha.queue, first), "undecryptable")
        refusedFor(yield* deliver(alpha.queue, first), "undecryptable")
        set.gone = false
        yield* TestClock.adjust("11 seconds")
        assert.deepStrictEqual(yield* deliver(alpha.queue, first), { _tag: "Ack" })
        assert.deepStrictEqual(done, ["alpha 1"])
      }).pipe(Effect.provide(world(ring, undefined, fresh)))
    })
  )

  const planner = Activity.make("alpha", {
    arguments: {},
    execute: Effect.fnUntraced(function* () {
      yield* (yield* ActivityContext).insert(RoutingSlip.step(beta, { amount: 1 }))
    })
  })
  const planners = Registry.make(planner, beta)
  /**
   * Gives what is told last of an encrypted slip whose planner has inserted a step, which is delivered if it is there.
   */
  const planned = Effect.fnUntraced(function* (ring: KeyRing) {
    const store = yield* HopStore
    done.length = 0
    yield* RoutingSlip.builder(planners, { correlationId: "slip" }).pipe(
      RoutingSlip.add(planner, {}),
      RoutingSlip.revisable({ by: [planner], insert: [beta], budget: 1 }),
      RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(ring.issuer.privateKey))),
      RoutingSlip.encrypt(yield* Encryption.sealer),
      RoutingSlip.dispatch
    )
    for (const { queue } of [planner, beta]) {
      yield* Hop.handler(planners)({ queue, id: "m", body: yield* newest("slip"), attempt: 1 })
    }
    return (yield* store.events("default", "slip")).at(-1)
  })

  it.effect("whole, that inserts what cannot be encrypted: the slip turns back", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const betaData = yield* Keys.generate("beta-data", "enc", { activities: ["beta"], revoked: true })
      const told = yield* Effect.provide(planned(ring), world({ ...ring, betaData }), { local: true })
      assert.include(told, { type: "faulted" })
      assert.include(told?.detail, "InvalidInsertion: no key is known to encrypt for beta")
      const well = yield* Effect.provide(planned(ring), world(ring), { local: true })
      assert.include(well, { type: "executed", step: "1.1" })
      assert.deepStrictEqual(done, ["beta 1"])
    })
  )
})
