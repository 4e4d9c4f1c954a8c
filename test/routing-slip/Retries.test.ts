/** When a step that has failed is done again, and when it no longer is; on the test clock. */
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
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
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

const undone = Activity.make("undone", {
  arguments: {},
  log: {},
  execute: () => Effect.succeed({}),
  compensate: () => Effect.void
})

for (const [end, within] of [
  ["its deadline", "5 minutes"],
  ["a cancellation", "1 day"]
] as const) {
  it.effect(`the wait for the next attempt of a step ends with ${end}`, () => {
    let times = 0
    const failing = Activity.make("failing", {
      arguments: {},
      retry: { times: 5, delay: "6 hours" },
      execute: () => Effect.suspend(() => Effect.fail(`failure ${++times}`))
    })
    const registry = Registry.make(undone, failing)
    return Effect.gen(function* () {
      const { cancel, slip } = yield* HopStore
      yield* RoutingSlip.builder(registry, one).pipe(
        RoutingSlip.add(undone, {}),
        RoutingSlip.add(failing, {}),
        RoutingSlip.within(within),
        RoutingSlip.dispatch
      )
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(yield* story(one), ["dispatched 0", "executed 1", "retrying 2"])
      if (end === "a cancellation") yield* cancel("default", "one", "grace")
      yield* TestClock.adjust("2 minutes")
      const how = end === "a cancellation" ? "cancelled" : "faulted"
      assert.strictEqual((yield* slip("default", "one"))?.status, how)
      assert.deepStrictEqual((yield* story(one)).slice(3), [`${how} 2`, "compensated 1"])
      assert.strictEqual(times, 1)
    }).pipe(
      Effect.provide(
        Worker.layer(registry).pipe(Layer.provideMerge(infrastructure), Layer.provide(Security.layerUnsigned))
      )
    )
  })
}

it.effect(
  "a step that may have been done is tried once more at the end of its slip, and no more often than it may",
  () => {
    const begun: Array<number> = []
    const hanging = Activity.make("hanging", {
      arguments: {},
      timeout: "1 second",
      retry: { times: 3, delay: "6 hours", factor: 1 },
      execute: () =>
        Effect.andThen(
          Effect.map(Clock.currentTimeMillis, (at) => begun.push(at)),
          Effect.never
        )
    })
    const registry = Registry.make(undone, hanging)
    return Effect.gen(function* () {
      const { cancel, slip } = yield* HopStore
      yield* RoutingSlip.builder(registry, one).pipe(
        RoutingSlip.add(undone, {}),
        RoutingSlip.add(hanging, {}),
        RoutingSlip.within("1 hour"),
        RoutingSlip.dispatch
      )
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(begun.length, 2, "at its deadline")
      yield* cancel("default", "one", "grace")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(begun.length, 3, "when it is called off")
      yield* TestClock.adjust("4 hours")
      assert.strictEqual((yield* slip("default", "one"))?.status, "executing")
      yield* TestClock.adjust("20 hours")
      assert.strictEqual(begun.length, 4)
      assert.strictEqual((yield* slip("default", "one"))?.status, "faulted")
    }).pipe(
      Effect.provide(
        Worker.layer(registry).pipe(Layer.provideMerge(infrastructure), Layer.provide(Security.layerUnsigned))
      )
    )
  }
)

it.effect("a step that is undone where it was done keeps the pace of that though its slip is cancelled", () => {
  const undone: Array<number> = []
  const big = Activity.make("big", {
    arguments: {},
    log: { text: Schema.String },
    compensationRetry: { times: 10, delay: "10 minutes", factor: 1 },
    execute: () => Effect.succeed({ text: "x".repeat(3_000_000) }),
    compensate: () =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        undone.push(at)
        return Effect.fail("no")
      })
  })
  const registry = Registry.make(big)
  return Effect.gen(function* () {
    const { cancel, slip } = yield* HopStore
    yield* RoutingSlip.builder(registry, one).pipe(RoutingSlip.add(big, {}), RoutingSlip.dispatch)
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(undone.length, 1)
    yield* cancel("default", "one", "grace")
    yield* TestClock.adjust("5 minutes")
    assert.strictEqual(undone.length, 1)
    yield* TestClock.adjust("10 minutes")
    assert.strictEqual(undone.length, 2)
    assert.strictEqual((yield* slip("default", "one"))?.status, "executing")
  }).pipe(
    Effect.provide(
      Worker.layer(registry).pipe(Layer.provideMerge(infrastructure), Layer.provide(Security.layerUnsigned))
    )
  )
})

it.effect("a step that is undone where it was done loses no attempt at that by being cancelled, however often", () => {
  const tries: Array<number> = []
  const big = Activity.make("big", {
    arguments: {},
    log: { text: Schema.String },
    compensationRetry: { times: 2, delay: "10 minutes", factor: 1 },
    execute: () => Effect.succeed({ text: "x".repeat(3_000_000) }),
    compensate: () =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        tries.push(at)
        return Effect.fail("no")
      })
  })
  const registry = Registry.make(big)
  return Effect.gen(function* () {
    const { cancel, slip } = yield* HopStore
    yield* RoutingSlip.builder(registry, one).pipe(RoutingSlip.add(big, {}), RoutingSlip.dispatch)
    yield* TestClock.adjust("1 minute")
    for (let time = 0; time < 5; time++) {
      yield* cancel("default", "one", "grace")
      yield* TestClock.adjust("10 seconds")
    }
    assert.strictEqual(tries.length, 1, "none was hurried")
    yield* TestClock.adjust("25 minutes")
    assert.strictEqual(tries.length, 3)
    assert.strictEqual((yield* slip("default", "one"))?.status, "halted")
  }).pipe(
    Effect.provide(
      Worker.layer(registry).pipe(Layer.provideMerge(infrastructure), Layer.provide(Security.layerUnsigned))
    )
  )
})

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
