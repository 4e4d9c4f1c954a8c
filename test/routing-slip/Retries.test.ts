/** When a step that has failed is done again, and when it no longer is; on the test clock. */
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
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
import { story } from "../support/Slips.ts"

const one = { tenantId: "default", correlationId: "one" }
const infrastructure = Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer)

/** Unsigned, but for outcomes that cannot be signed for a while, as where a key is gone. */
const security = (isMissing: () => boolean) =>
  Layer.effect(
    Security.Security,
    Effect.map(Security.Security, (unsigned) => ({
      ...unsigned,
      prove: (...args) =>
        isMissing()
          ? Effect.fail(new Refused({ reason: "unknown-key", detail: "there is none" }))
          : unsigned.prove(...args)
    }))
  ).pipe(Layer.provide(Security.layerUnsigned))

it.effect("a step whose outcome is refused is set aside once, and done again where an operator drives it back", () => {
  let [times, isMissing] = [0, true]
  const flaky = Activity.make("flaky", {
    arguments: {},
    retry: { times: 3, delay: "1 minute" },
    execute: () => Effect.suspend(() => (++times === 1 ? Effect.fail("flaky") : Effect.void))
  })
  const registry = Registry.make(flaky)
  return Effect.gen(function* () {
    const { deadLetters, redrive } = yield* Transport
    yield* RoutingSlip.builder(registry, one).pipe(RoutingSlip.add(flaky, {}), RoutingSlip.dispatch)
    yield* TestClock.adjust("2 hours")
    assert.strictEqual(times, 2)
    assert.strictEqual((yield* deadLetters(flaky.queue)).length, 1)
    isMissing = false
    assert.strictEqual(yield* redrive(flaky.queue, "all"), 1)
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(times, 3)
    assert.deepStrictEqual(yield* story(one), ["dispatched 0", "retrying 1", "executed 1"])
  }).pipe(
    Effect.provide(
      Worker.layer(registry).pipe(Layer.provideMerge(infrastructure), Layer.provide(security(() => isMissing)))
    )
  )
})
