/** A worker whose own key is no good takes nothing: the slips are done by others, and none becomes a dead letter. */
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Keys from "@tenon/routing-slip/Keys"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Worker from "@tenon/routing-slip/Worker"
import { eventually } from "@tenon/testing/Eventually"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"

const slips = Array.from({ length: 30 }, (_, index) => `slip-${index}`)

/** Two workers of one queue, each with a key of its own; that of `sick` is as `grants` says. */
const mesh = Effect.gen(function* () {
  const grants: { sick: Keys.Grants } = { sick: { activities: ["pay"] } }
  const issuer = yield* Keys.generate("issuer", "sig", { issues: true })
  const well = yield* Keys.generate("well", "sig", { activities: ["pay"] })
  const sick = yield* Keys.generate("sick", "sig", { activities: ["pay"] })
  const keySet = Keys.layerReloading(
    Effect.sync(() => ({
      keys: [issuer.publicKey, well.publicKey, { ...sick.publicKey, tenon: grants.sick }]
    })),
    { maxAge: "500 millis", cooldown: "500 millis" }
  )
  const done: Array<string> = []
  const payBy = (worker: string) =>
    Activity.make("pay", { arguments: {}, execute: () => Effect.sync(() => void done.push(worker)) })
  const pay = payBy("nobody")
  const registry = Registry.make(pay)
  const sign = RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(issuer.privateKey)))
  const dispatch = (correlationId: string) =>
    RoutingSlip.builder(registry, { correlationId }).pipe(
      RoutingSlip.add(pay, {}),
      RoutingSlip.add(pay, {}),
      sign,
      RoutingSlip.dispatch
    )
  const worker = (name: string, signing: Keys.PrivateKey) =>
    Worker.layer(Registry.make(payBy(name))).pipe(
      Layer.provide(Layer.fresh(SecuritySigned.layer({ signing }).pipe(Layer.provide(Layer.fresh(keySet)))))
    )
  return {
    grants,
    done,
    dispatch,
    pay,
    sick: worker("sick", sick.privateKey),
    // In another process, as it were.
    well: worker("well", well.privateKey).pipe(Layer.provide(Layer.fresh(ReadinessChecks.layer)))
  }
})

const infrastructure = Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, ReadinessChecks.layer)

const open = Effect.gen(function* () {
  const store = yield* HopStore
  const found = yield* Effect.forEach(slips, (correlationId) => store.slip("default", correlationId))
  return found.filter((slip) => slip?.status !== "completed").length
})

/** Lets time pass, and what signs and verifies beside it. */
const pass = Effect.andThen(
  TestClock.adjust("100 millis"),
  Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
)
const allCompleted = eventually(Effect.andThen(pass, open), (left) => left === 0)

const readiness = Effect.flatMap(ReadinessChecks.ReadinessChecks, ({ run }) => run)

it.effect(
  "a worker whose key is revoked hands back what it has, takes nothing more, and says so where it is asked",
  () =>
    Effect.gen(function* () {
      const { dispatch, done, grants, pay, sick, well } = yield* mesh
      const { deadLetters } = yield* Transport
      yield* Layer.build(Layer.merge(sick, well))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* readiness, [{ name: "key for tenon.pay", ready: true }])
      grants.sick = { activities: ["pay"], revoked: true }
      yield* TestClock.adjust("600 millis")
      yield* Effect.forEach(slips, dispatch)
      yield* allCompleted
      assert.deepStrictEqual(yield* deadLetters(pay.queue), [])
      assert.deepStrictEqual(yield* readiness, [{ name: "key for tenon.pay", ready: false }])
      assert.deepStrictEqual(new Set(done), new Set(["well"]))
      assert.strictEqual(done.length, 2 * slips.length)
    }).pipe(Effect.provide(infrastructure), Effect.scoped)
)

for (const [what, bad] of [
  ["revoked", { activities: ["pay"], revoked: true }],
  ["retired", { activities: ["pay"], retired_at: 0 }],
  ["not yet in use", { activities: ["pay"], not_before: 10_000_000 }],
  ["for something else", { activities: ["ship"] }]
] as const) {
  it.effect(`a worker that starts with a key that is ${what} begins once that is mended`, () =>
    Effect.gen(function* () {
      const { dispatch, done, grants, pay, sick } = yield* mesh
      const { deadLetters } = yield* Transport
      grants.sick = bad
      yield* Layer.build(sick)
      yield* Effect.forEach(slips, dispatch)
      yield* Effect.repeat(pass, { times: 50 })
      assert.deepStrictEqual(done, [])
      grants.sick = { activities: ["pay"] }
      yield* allCompleted
      assert.deepStrictEqual(yield* deadLetters(pay.queue), [])
    }).pipe(Effect.provide(infrastructure), Effect.scoped)
  )
}
