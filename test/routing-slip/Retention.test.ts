/** Slips that are over for long, on the test clock: they go, and what comes of them late does nothing. */
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Registry from "@tenon/routing-slip/Registry"
import { Retention } from "@tenon/routing-slip/Retention"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"

const did: Array<string> = []

const reserve = Activity.make("reserve", {
  arguments: {},
  log: { item: Schema.String },
  execute: () =>
    Effect.as(
      Effect.sync(() => void did.push("reserve")),
      { item: "chair" }
    ),
  compensate: ({ item }) => Effect.sync(() => void did.push(`give back ${item}`))
})
const pay = Activity.make("pay", { arguments: {}, execute: () => Effect.fail("no") })
const registry = Registry.make(reserve, pay, ScatterGather.activity)

/** Every message that was published, as a broker may hand it over once more. */
const published: Array<{ readonly queue: string; readonly id: string; readonly body: Uint8Array }> = []
const recording = Layer.effect(
  Transport,
  Effect.map(Transport, (transport) => ({
    ...transport,
    publish: (message: Parameters<typeof transport.publish>[0]) =>
      Effect.andThen(
        Effect.sync(() => void published.push(message)),
        transport.publish(message)
      )
  }))
).pipe(Layer.provide(TransportMemory.layer))

// Days pass here: a look each second would be hundreds of thousands.
const world = Worker.layer(registry, { relay: { interval: "10 minutes" } }).pipe(
  Layer.provide(Layer.succeed(Retention, Duration.days(3))),
  Layer.provideMerge(Layer.mergeAll(recording, HopStoreMemory.layer, Security.layerUnsigned))
)

/** Lets time pass bit by bit, and workers work, until it is so. */
const until = <E, R>(isSo: Effect.Effect<boolean, E, R>) =>
  Effect.gen(function* () {
    for (let left = 2_000; !(yield* isSo); left--) {
      if (left === 0) return assert.fail("it never was so")
      yield* TestClock.adjust("10 millis")
    }
  })

it.effect("a slip is forgotten three days after its end, and its messages do nothing any more", () =>
  Effect.gen(function* () {
    const builder = RoutingSlip.builder(registry, { correlationId: "one" }).pipe(
      RoutingSlip.add(reserve, {}),
      RoutingSlip.add(pay, {})
    )
    const slip = yield* RoutingSlip.dispatch(builder)
    const store = yield* HopStore
    yield* until(Effect.map(store.slip(slip.tenantId, "one"), (found) => found?.status === "faulted"))
    assert.deepStrictEqual(did, ["reserve", "give back chair"])
    const messages = [...published]
    assert.strictEqual(messages.length, 3)

    yield* TestClock.adjust("71 hours")
    assert.isDefined(yield* store.slip(slip.tenantId, "one"))
    yield* TestClock.adjust("2 hours")
    assert.isUndefined(yield* store.slip(slip.tenantId, "one"))

    const transport = yield* Transport
    for (const message of messages) yield* transport.publish(message)
    yield* RoutingSlip.dispatch(builder)
    const allLetters = Effect.forEach(registry.activities, ({ queue }) => transport.deadLetters(queue))
    yield* until(Effect.map(allLetters, (letters) => letters.flat().length >= messages.length))
    yield* TestClock.adjust("1 hour")
    const letters = yield* allLetters
    assert.deepStrictEqual(
      letters.map((each) => each.map(({ detail, reason }) => `${reason}: ${detail}`)),
      [2, 1, 0].map((count) =>
        Array.from({ length: count }, () => "replayed: its slip was over long ago and has been purged")
      )
    )
    assert.deepStrictEqual(did, ["reserve", "give back chair"], "nothing was done again")
    assert.isUndefined(yield* store.slip(slip.tenantId, "one"))
  }).pipe(Effect.provide(world))
)

it.effect(
  "a slip goes whose branches have all come home, late ones and those that were undone at once among them",
  () =>
    Effect.gen(function* () {
      const step = () => RoutingSlip.step(reserve, {})
      const late = { gather: "any", within: "1 hour" } as const
      for (const [correlationId, options] of [["late", late] as const, ["undone", { undo: "parallel" }] as const]) {
        yield* RoutingSlip.builder(registry, { correlationId }).pipe(
          RoutingSlip.scatter({ a: [step()], b: [step(), step()], c: [step(), step()] }, options),
          RoutingSlip.add(pay, {}),
          RoutingSlip.dispatch
        )
      }
      const store = yield* HopStore
      const left = Effect.map(store.slips("default", {}), (slips) => slips.map(({ status }) => status))
      yield* until(Effect.map(left, (statuses) => statuses.every((status) => status === "faulted")))
      // The timer of a gather that is decided comes home too, once its time is up.
      yield* TestClock.adjust("71 hours")
      assert.deepStrictEqual(yield* left, ["faulted", "faulted"])
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(yield* left, [])
    }).pipe(Effect.provide(world))
)
