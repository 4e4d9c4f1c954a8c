/** A step whose worker could not begin it was not done: a cancellation and a deadline hold for it. */
import { Unavailable } from "@tenon/core/Failure"
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import { Refused } from "@tenon/routing-slip/Refused"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"

const one = { tenantId: "default", correlationId: "one" }
const failures = {
  refused: new Refused({ reason: "unknown-key", detail: "none" }),
  unavailable: new Unavailable({ what: "The key set" })
}

/** Workers that are not ready for as long as the key is missing. */
const withoutKey = (key: { missing: boolean }, failure: Refused | Unavailable) =>
  Layer.effect(
    Security.Security,
    Effect.map(Security.Security, (security) => ({
      ...security,
      ready: () => Effect.suspend(() => (key.missing ? Effect.fail(failure) : Effect.void))
    }))
  ).pipe(Layer.provide(Security.layerUnsigned))

for (const [how, failure] of Object.entries(failures)) {
  for (const [end, outcome] of [
    ["cancelled", "cancelled"],
    ["overdue", "faulted"]
  ] as const) {
    it.effect(`a step that is ${end} is not executed after its key was ${how}`, () => {
      const key = { missing: true }
      let executed = 0
      const pay = Activity.make("pay", { arguments: {}, execute: () => Effect.sync(() => void executed++) })
      const registry = Registry.make(pay)
      return Effect.gen(function* () {
        const { cancel, slip } = yield* HopStore
        const { redrive } = yield* Transport
        yield* RoutingSlip.builder(registry, one).pipe(
          RoutingSlip.add(pay, {}),
          RoutingSlip.within("1 hour"),
          RoutingSlip.dispatch
        )
        yield* TestClock.adjust("2 minutes")
        yield* end === "cancelled" ? cancel("default", "one", "grace") : TestClock.adjust("2 hours")
        yield* TestClock.adjust("1 minute")
        key.missing = false
        if (how === "refused") assert.strictEqual(yield* redrive(pay.queue, "all"), 1)
        yield* TestClock.adjust("3 minutes")
        assert.strictEqual(executed, 0)
        assert.strictEqual((yield* slip("default", "one"))?.status, outcome)
      }).pipe(
        Effect.provide(
          Worker.layer(registry).pipe(
            Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, withoutKey(key, failure)))
          )
        )
      )
    })
  }
}
