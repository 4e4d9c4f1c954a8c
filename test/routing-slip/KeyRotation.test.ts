/** The keys of an activity are rotated while slips are under way: its workers are replaced, and no slip notices. */
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Encryption from "@tenon/routing-slip/Encryption"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Keys from "@tenon/routing-slip/Keys"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Verify from "@tenon/routing-slip/Verify"
import * as Wire from "@tenon/routing-slip/Wire"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { settled } from "../support/Slips.ts"

/** Pays, waits until the latch opens, and pays again, which is refused where the amount is negative. */
const mesh = Effect.gen(function* () {
  const done: Array<string> = []
  const waiting = Latch.makeUnsafe()
  const opened = Latch.makeUnsafe()
  const payBy = (worker: string) =>
    Activity.make("pay", {
      arguments: { amount: Schema.Int },
      log: { amount: Schema.Int },
      execute: ({ amount }) =>
        amount < 0
          ? Effect.fail("refused")
          : Effect.as(
              Effect.sync(() => void done.push(`${worker} pays ${amount}`)),
              { amount }
            ),
      compensate: ({ amount }) => Effect.sync(() => void done.push(`${worker} gives back ${amount}`))
    })
  const wait = Activity.make("wait", {
    arguments: {},
    execute: () => Effect.andThen(waiting.open, opened.await)
  })
  return { done, waiting, opened, payBy, wait, registry: Registry.make(payBy("nobody"), wait) }
})

const keys = Effect.all({
  issuer: Keys.generate("issuer", "sig", { issues: true }),
  wait: Keys.generate("wait", "sig", { activities: ["wait"] }),
  pay1: Keys.generate("pay-1", "sig", { activities: ["pay"] }),
  pay2: Keys.generate("pay-2", "sig", { activities: ["pay"] }),
  data1: Keys.generate("data-1", "enc", { activities: ["pay"] }),
  data2: Keys.generate("data-2", "enc", { activities: ["pay"] }),
  waitData: Keys.generate("wait-data", "enc", { activities: ["wait"] })
})

/** Which key the data of steps and of what undoes them is encrypted for, as the messages say. */
const recipients = (body: Uint8Array) =>
  Effect.map(Wire.decode(body), ({ headers: { routing_slip } }) =>
    [...routing_slip.compensation_log.map(({ data }) => data), ...routing_slip.itinerary.map((step) => step.arguments)]
      .map((jwe) => JSON.parse(Buffer.from(String(jwe).split(".")[0] ?? "", "base64url").toString()).kid)
      .join()
  )

for (const { amount, name, outcome, after, story } of [
  {
    name: "goes on with the new key",
    amount: 2,
    outcome: "completed",
    after: ["new pays 2"],
    story: ["issuer: manifest", "pay-1: executed 1", "wait: executed 2", "pay-2: executed 3"]
  },
  {
    name: "is undone with the new key, of what was done and encrypted with the old one",
    amount: -2,
    outcome: "faulted",
    after: ["new gives back 1"],
    story: ["issuer: manifest", "pay-1: executed 1", "wait: executed 2", "pay-2: faulted 3", "pay-2: compensated 1"]
  }
] as const) {
  it.live(`a slip whose keys are rotated while it is under way ${name}`, () =>
    Effect.gen(function* () {
      const { done, opened, payBy, registry, wait, waiting } = yield* mesh
      const ring = yield* keys
      const { data2, pay2, ...old } = ring
      const publics = (of: { readonly [key: string]: { readonly publicKey: Keys.PublicKey } }) =>
        Object.values(of).map(({ publicKey }) => publicKey)
      let set = publics(old)
      const keySet = Layer.fresh(
        Keys.layerReloading(
          Effect.sync(() => ({ keys: set })),
          { maxAge: "20 millis", cooldown: "20 millis" }
        )
      )
      const worker = (of: Registry.Of<never>, security: SecuritySigned.Options) =>
        Worker.layer(of, { relay: { interval: "20 millis" } }).pipe(
          Layer.provide(Layer.fresh(SecuritySigned.layer(security).pipe(Layer.provide(keySet))))
        )
      const decryption = [ring.data1.privateKey]
      yield* Layer.build(worker(Registry.make(payBy("old")), { signing: ring.pay1.privateKey, decryption }))
      yield* Layer.build(
        worker(Registry.make(wait), { signing: ring.wait.privateKey, decryption: [ring.waitData.privateKey] })
      )
      const slip = yield* RoutingSlip.builder(registry).pipe(
        RoutingSlip.add(payBy("nobody"), { amount: 1 }),
        RoutingSlip.add(wait, {}),
        RoutingSlip.add(payBy("nobody"), { amount }),
        RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(ring.issuer.privateKey))),
        RoutingSlip.encrypt(yield* Effect.provide(Encryption.sealer, keySet)),
        RoutingSlip.dispatch
      )
      yield* waiting.await
      assert.deepStrictEqual(done, ["old pays 1"])

      // From now on the old keys only verify and decrypt; the workers that have them go on running.
      const retired_at = yield* Clock.currentTimeMillis
      const retire = ({ publicKey }: { readonly publicKey: Keys.PublicKey }) => ({
        publicKey: { ...publicKey, tenon: { ...publicKey.tenon, retired_at } }
      })
      set = publics({ ...ring, pay1: retire(ring.pay1), data1: retire(ring.data1) })
      yield* Layer.build(
        worker(Registry.make(payBy("new")), {
          signing: pay2.privateKey,
          decryption: [data2.privateKey, ...decryption]
        })
      )
      yield* Effect.sleep("50 millis")
      yield* opened.open

      const over = yield* settled(slip)
      const body = over?.body ?? new Uint8Array()
      assert.strictEqual(over?.status, outcome)
      assert.deepStrictEqual(done, ["old pays 1", ...after])
      const { entries } = yield* Effect.provide(Verify.verify(body), keySet)
      assert.deepStrictEqual(
        entries.map(({ kid, what }) => `${kid}: ${what}`),
        [...story]
      )
      // Only what is new is encrypted for the new key.
      if (outcome === "completed") assert.strictEqual(yield* recipients(body), "data-1,data-2")
      for (const queue of ["tenon.pay", "tenon.wait"]) {
        assert.deepStrictEqual(yield* (yield* Transport).deadLetters(queue), [])
      }
    }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer)))
  )
}
