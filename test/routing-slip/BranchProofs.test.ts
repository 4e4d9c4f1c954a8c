/* oxlint-disable typescript/no-explicit-any -- hostile messages are made by hand, past all types. */
/** Branches under zero trust: forks that the slip declares are no attack, all others are. */
import { type Delivery, type Settlement, Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Encryption from "@tenon/routing-slip/Encryption"
import * as Hop from "@tenon/routing-slip/Hop"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Keys from "@tenon/routing-slip/Keys"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Verify from "@tenon/routing-slip/Verify"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Jose from "jose"

const done: Array<string> = []
const step = <const Name extends string>(name: Name) =>
  Activity.make(name, {
    arguments: { fails: Schema.Boolean },
    log: { by: Schema.String },
    execute: ({ fails }) =>
      fails
        ? Effect.fail("no")
        : Effect.as(
            Effect.sync(() => void done.push(name)),
            { by: name }
          ),
    compensate: ({ by }) => Effect.sync(() => void done.push(`undo ${by}`))
  })
const alpha = step("alpha")
const beta = step("beta")
const last = step("last")
const registry = Registry.make(alpha, beta, last, ScatterGather.activity)
const coordinator = ScatterGather.activity.queue

const rings = Effect.all({
  issuer: Keys.generate("issuer", "sig", { issues: true }),
  alpha: Keys.generate("alpha", "sig", { activities: ["alpha"] }),
  beta: Keys.generate("beta", "sig", { activities: ["beta"] }),
  last: Keys.generate("last", "sig", { activities: ["last"] }),
  gather: Keys.generate("gather", "sig", { activities: ["scatter-gather"] }),
  data: Keys.generate("data", "enc", { activities: ["alpha", "beta", "last"] })
})
type Ring = Effect.Success<typeof rings>

/** Keeps what is published instead of delivering it. */
const posted: Array<{ readonly queue: string; readonly body: Uint8Array }> = []
const recorder = Layer.effect(
  Transport,
  Effect.map(Transport, (transport) =>
    Transport.of({ ...transport, publish: (message) => Effect.sync(() => void posted.push(message)) })
  )
).pipe(Layer.provide(TransportMemory.layer))

const world = (ring: Ring, keys: Layer.Layer<Keys.Keys> = Layer.orDie(Keys.layer(jwks(ring)))) =>
  SecuritySigned.layer({
    signing: {
      alpha: ring.alpha.privateKey,
      beta: ring.beta.privateKey,
      last: ring.last.privateKey,
      "scatter-gather": ring.gather.privateKey
    },
    decryption: [ring.data.privateKey]
  }).pipe(Layer.provideMerge(keys), Layer.provideMerge(Layer.mergeAll(recorder, HopStoreMemory.layer)))

const jwks = (ring: Ring) => ({ keys: Object.values(ring).map(({ publicKey }) => publicKey) })

const deliver = (queue: string, body: Uint8Array) => {
  const delivery: Delivery = { queue, id: "m", body, attempt: 1 }
  return Hop.handler(registry)(delivery)
}
/** Delivers what is posted for a queue and gives what is posted then. */
const forward = Effect.fnUntraced(function* ({ body, queue }: (typeof posted)[number]) {
  posted.length = 0
  assert.deepStrictEqual(yield* deliver(queue, body), { _tag: "Ack" })
  return [...posted]
})

const begin = Effect.fnUntraced(function* (
  ring: Ring,
  options: Parameters<typeof RoutingSlip.scatter>[1] = {},
  encrypt: ReturnType<typeof RoutingSlip.encrypt> = (builder) => builder
) {
  done.length = 0
  posted.length = 0
  yield* RoutingSlip.builder(registry, { correlationId: "slip" }).pipe(
    RoutingSlip.scatter(
      { a: [RoutingSlip.step(alpha, { fails: false })], b: [RoutingSlip.step(beta, { fails: false })] },
      options
    ),
    RoutingSlip.add(last, { fails: false }),
    encrypt,
    RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(ring.issuer.privateKey))),
    RoutingSlip.dispatch
  )
  const [first] = posted
  const branches = first === undefined ? [] : yield* forward(first)
  return branches
})

/** Both branches done, and the first at its gather: gives the message of the second to the gather. */
const almostGathered = Effect.fnUntraced(function* (ring: Ring) {
  const [a, b] = yield* begin(ring)
  if (a === undefined || b === undefined) throw new Error("there are no branches")
  const [homeA] = yield* forward(a)
  const [homeB] = yield* forward(b)
  if (homeA === undefined || homeB === undefined) throw new Error("they do not come home")
  assert.deepStrictEqual(yield* forward(homeA), [])
  return { a, b, homeA, homeB }
})

const json = (body: Uint8Array): any => JSON.parse(new TextDecoder().decode(body))
const bytes = (message: unknown) => new TextEncoder().encode(JSON.stringify(message))
const entryOf = (jws: string): any =>
  JSON.parse(new TextDecoder().decode(Jose.base64url.decode(jws.split(".")[1] ?? "")))

const refusedFor = (settlement: Settlement, reason: string): void => {
  assert.strictEqual(settlement._tag, "DeadLetter", JSON.stringify(settlement))
  if (settlement._tag === "DeadLetter") assert.strictEqual(settlement.reason, reason, settlement.detail)
}

const on = (name: string, body: (ring: Ring) => Effect.Effect<void, any, any>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const ring = yield* rings
      yield* Effect.provide(body(ring), world(ring)) as Effect.Effect<void>
    })
  )

/** Gathers, and has the message to `last` changed and signed again by the coordinator, whose key was stolen. */
const forgedGather = (name: string, reason: string, change: (entry: any, message: any) => void) =>
  on(name, (ring) =>
    Effect.gen(function* () {
      const { homeB } = yield* almostGathered(ring)
      const [genuine] = yield* forward(homeB)
      const message = json(genuine?.body ?? new Uint8Array())
      const context = message.headers.security_context
      const entry = entryOf(context.jws_signature)
      change(entry, message)
      context.jws_signature = yield* (yield* SignedLog.signer(ring.gather.privateKey)).sign(entry)
      done.length = 0
      refusedFor(yield* deliver(last.queue, bytes(message)), reason)
      assert.deepStrictEqual(done, [])
      assert.deepStrictEqual(yield* deliver(last.queue, genuine?.body ?? new Uint8Array()), { _tag: "Ack" })
      assert.deepStrictEqual(done, ["last"])
    })
  )

describe("a signed slip with branches", () => {
  on("proves what each branch did, and that they were joined", (ring) =>
    Effect.gen(function* () {
      const { homeB } = yield* almostGathered(ring)
      const [after] = yield* forward(homeB)
      assert.strictEqual(after?.queue, last.queue)
      yield* deliver(last.queue, after?.body ?? new Uint8Array())
      assert.deepStrictEqual(done, ["alpha", "beta", "last"])
      const slip = yield* (yield* HopStore).slip("default", "slip")
      const report = yield* Verify.verify(slip?.body ?? new Uint8Array())
      assert.strictEqual(report.outcome, "completed")
      assert.deepStrictEqual(
        report.entries.map(({ kid, what }) => `${kid}: ${what}`),
        [
          "issuer: manifest",
          "gather: scattered 1",
          "alpha: executed 1.1.1",
          "gather: scattered 1",
          "beta: executed 1.2.1",
          "gather: gathered 1",
          "last: executed 2"
        ]
      )
    })
  )

  const undone = (name: string, undo: "parallel" | "reverse", encrypted: boolean) =>
    on(name, (ring) =>
      Effect.gen(function* () {
        const sealer = yield* Encryption.sealer
        const branches = yield* begin(ring, { undo }, encrypted ? RoutingSlip.encrypt(sealer) : undefined)
        let waiting = branches
        yield* (yield* HopStore).cancel("default", "nobody", "grace")
        for (let hop = 0; hop < 30 && waiting.length > 0; hop++) {
          const [next, ...rest] = waiting
          if (next === undefined) break
          if (next.queue === last.queue) yield* (yield* HopStore).cancel("default", "slip", "grace")
          waiting = [...rest, ...(yield* forward(next))]
        }
        assert.deepStrictEqual(done.slice(0, 2).toSorted(), ["alpha", "beta"])
        assert.deepStrictEqual(done.slice(2).toSorted(), ["undo alpha", "undo beta"])
        const slip = yield* (yield* HopStore).slip("default", "slip")
        assert.strictEqual(slip?.status, "cancelled")
        const report = yield* Verify.verify(slip?.body ?? new Uint8Array())
        assert.deepStrictEqual(report.notUndone, [])
        assert.strictEqual(
          report.entries.filter(({ what }) => what === "gathered 1").length,
          undo === "parallel" ? 2 : 1
        )
      })
    )
  undone("is undone branch by branch, each proved as well", "parallel", false)
  undone("is undone branch by branch where it is encrypted", "parallel", true)
  undone("is undone step by step where it is encrypted", "reverse", true)

  on("comes home and is undone where its authority runs out while a branch is on its way", (ring) =>
    Effect.gen(function* () {
      const [a, b] = yield* begin(ring)
      if (a === undefined || b === undefined) throw new Error("there are no branches")
      const homeA = yield* forward(a)
      yield* TestClock.adjust("8 days")
      let waiting = [...homeA, b]
      for (let hop = 0; hop < 10 && waiting.length > 0; hop++) {
        const [next, ...rest] = waiting
        if (next !== undefined) waiting = [...rest, ...(yield* forward(next))]
      }
      assert.deepStrictEqual(done, ["alpha", "undo alpha"])
      const slip = yield* (yield* HopStore).slip("default", "slip")
      assert.strictEqual(slip?.status, "faulted")
      const report = yield* Verify.verify(slip?.body ?? new Uint8Array())
      assert.deepStrictEqual(report.notUndone, [])
      assert.deepStrictEqual(
        report.entries.map(({ what }) => what),
        ["manifest", "scattered 1", "executed 1.1.1", "scattered 1", "faulted 1.2.1", "gathered 1", "compensated 1.1.1"]
      )
    })
  )

  forgedGather("is refused where the joined branches are in another order", "broken-log", ({ transition }) => {
    const [one, two] = transition.joined
    transition.joined = [
      { ...one, digest: two.digest },
      { ...two, digest: one.digest }
    ]
  })
  forgedGather("is refused where a joined branch never arrived", "illegal-transition", ({ transition }) => {
    transition.joined = transition.joined.slice(0, 1)
  })
  forgedGather("is refused where the proof of a branch is cut out", "broken-log", (_, { headers }) => {
    headers.security_context.jws_log.splice(1, 2)
  })
  forgedGather("is refused where a branch is joined that is cut short", "illegal-transition", (entry, { headers }) => {
    const [removed] = headers.security_context.jws_log.splice(2, 1)
    assert.strictEqual(entryOf(removed).transition.type, "executed")
    entry.transition.joined[0].digest = entryOf(removed).prev
  })
  forgedGather("is refused where a branch is joined twice", "illegal-transition", ({ transition }) => {
    transition.joined = [transition.joined[0], transition.joined[0]]
  })
  forgedGather("is refused where variables are slipped in", "tampered", (_, { headers }) => {
    headers.routing_slip.variables.extra = "eve"
  })
  forgedGather(
    "is refused where the step with branches is passed off as done",
    "illegal-transition",
    (entry, message) => {
      const { at, step } = entry.transition
      entry.transition = { type: "executed", step, at, undo: null, set: {}, insert: [], drop: [], terminate: false }
      message.headers.security_context.jws_log.splice(1)
    }
  )

  on("is refused where a second message for a branch is signed, and not for its sibling's", (ring) =>
    Effect.gen(function* () {
      const [a, b] = yield* begin(ring)
      if (a === undefined || b === undefined) throw new Error("there are no branches")
      const message = json(a.body)
      const context = message.headers.security_context
      const { sign } = yield* SignedLog.signer(ring.gather.privateKey)
      message.headers.message_id = "another"
      context.jws_signature = yield* sign({ ...entryOf(context.jws_signature), message_id: "another" })
      yield* forward(a)
      yield* forward(b)
      assert.deepStrictEqual(done, ["alpha", "beta"])
      refusedFor(yield* deliver(alpha.queue, bytes(message)), "forked")
      assert.deepStrictEqual(done, ["alpha", "beta"])
    })
  )

  on("is refused where a branch is begun that was not declared", (ring) =>
    Effect.gen(function* () {
      const [a] = yield* begin(ring)
      const message = json(a?.body ?? new Uint8Array())
      const context = message.headers.security_context
      const entry = entryOf(context.jws_signature)
      entry.transition.branch = "1.3"
      context.jws_signature = yield* (yield* SignedLog.signer(ring.gather.privateKey)).sign(entry)
      refusedFor(yield* deliver(alpha.queue, bytes(message)), "illegal-transition")
      assert.deepStrictEqual(done, [])
    })
  )

  on("is refused where an activity begins a branch in the coordinator's place", (ring) =>
    Effect.gen(function* () {
      const [a] = yield* begin(ring)
      const message = json(a?.body ?? new Uint8Array())
      const context = message.headers.security_context
      const { sign } = yield* SignedLog.signer(ring.alpha.privateKey)
      context.jws_signature = yield* sign(entryOf(context.jws_signature))
      refusedFor(yield* deliver(alpha.queue, bytes(message)), "not-authorised")
    })
  )

  on("is refused where a branch's message comes to another branch's queue, or says it is another", (ring) =>
    Effect.gen(function* () {
      const [a, b] = yield* begin(ring)
      refusedFor(yield* deliver(beta.queue, a?.body ?? new Uint8Array()), "wrong-audience")
      const message = json(b?.body ?? new Uint8Array())
      message.headers.routing_slip.branch.branch = "1.1"
      refusedFor(yield* deliver(beta.queue, bytes(message)), "tampered")
      assert.deepStrictEqual(done, [])
    })
  )

  on("is refused where a branch's message carries its sibling's entries too", (ring) =>
    Effect.gen(function* () {
      const [a, b] = yield* begin(ring)
      const sibling = json(a?.body ?? new Uint8Array()).headers.security_context.jws_signature
      const message = json(b?.body ?? new Uint8Array())
      message.headers.security_context.jws_log.push(sibling)
      refusedFor(yield* deliver(beta.queue, bytes(message)), "broken-log")
      assert.deepStrictEqual(done, [])
    })
  )

  it.effect("is checked anew where a key has changed since its beginning was checked", () =>
    Effect.gen(function* () {
      const ring = yield* rings
      let revoked = false
      const read = Effect.sync(() => ({
        keys: Object.values(ring).map(({ publicKey }) =>
          revoked && publicKey.kid === "alpha" ? { ...publicKey, tenon: { revoked: true } } : publicKey
        )
      }))
      yield* Effect.gen(function* () {
        const { homeA, homeB } = yield* almostGathered(ring)
        revoked = true
        yield* TestClock.adjust("1 minute")
        const [after] = yield* forward(homeB)
        assert.strictEqual(after?.queue, last.queue)
        refusedFor(yield* deliver(coordinator, homeA.body), "revoked-key")
        refusedFor(yield* deliver(last.queue, after?.body ?? new Uint8Array()), "revoked-key")
      }).pipe(Effect.provide(world(ring, Keys.layerReloading(read, { maxAge: 0, cooldown: 0 }))))
    })
  )
})
