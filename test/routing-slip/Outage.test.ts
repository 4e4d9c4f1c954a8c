/** What becomes of messages while the store is away, and of one that it cannot take; on the test clock. */
import { Unavailable } from "@tenon/core/Failure"
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import { HopStore, storeName } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"

const step = Activity.make("step", { arguments: {}, execute: () => Effect.void })
const registry = Registry.make(step)

/** What the store does not do at the moment, and how often it was asked for that. */
interface Trouble {
  isAway: boolean
  chokesOn?: string
  asked: number
}

const withStore = (trouble: Trouble) => {
  const failing = <A, E>(effect: Effect.Effect<A, E>, fails = () => trouble.isAway) =>
    Effect.suspend((): Effect.Effect<A, E | Unavailable> => {
      if (!fails()) return effect
      trouble.asked++
      return Effect.fail(new Unavailable({ what: storeName }))
    })
  const store = Layer.effect(
    HopStore,
    Effect.map(HopStore, (real) => ({
      ...real,
      answers: failing(real.answers),
      claim: (...args) => failing(real.claim(...args), () => trouble.isAway || args[0].tenantId === trouble.chokesOn)
    }))
  ).pipe(Layer.provide(HopStoreMemory.layer))
  return Worker.layer(registry, { drain: 0, prefetch: 4 }).pipe(
    Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, store, Security.layerUnsigned))
  )
}

const dispatch = (correlationId: string, tenantId = "default") =>
  RoutingSlip.builder(registry, { correlationId, tenantId }).pipe(RoutingSlip.add(step, {}), RoutingSlip.dispatch)

const statusOf = (correlationId: string) =>
  Effect.flatMap(HopStore, ({ slip }) => Effect.map(slip("default", correlationId), (found) => found?.status))

it.effect(
  "no message is set aside because the store is away, for however long, and it is not asked without end",
  () => {
    const trouble: Trouble = { isAway: true, asked: 0 }
    const names = Array.from({ length: 40 }, (_, index) => `slip ${index}`)
    return Effect.gen(function* () {
      const { deadLetters } = yield* Transport
      yield* Effect.forEach(names, (name) => dispatch(name))
      yield* TestClock.adjust("3 hours")
      trouble.isAway = false
      assert.isBelow(trouble.asked, 5_000)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* deadLetters(step.queue), [])
      for (const name of names) assert.strictEqual(yield* statusOf(name), "completed")
    }).pipe(Effect.provide(withStore(trouble)))
  }
)

it.effect("no message is set aside because the broker takes none, for however long, and no step is done twice", () => {
  const broker = { refuses: false }
  const done: Array<string> = []
  const first = Activity.make("first", {
    arguments: {},
    execute: () => Effect.map(ActivityContext, ({ correlationId }) => void done.push(correlationId))
  })
  const both = Registry.make(first, step)
  const faults = {
    publish: (): TransportMemory.PublishFault => ({ _tag: broker.refuses ? "Lost" : "None" }),
    losesAck: () => false
  }
  const world = Worker.layer(both, { drain: 0, prefetch: 4 }).pipe(
    Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, Security.layerUnsigned)),
    Layer.provide(Layer.succeed(TransportMemory.Faults, faults))
  )
  const names = Array.from({ length: 20 }, (_, index) => `slip ${index}`)
  return Effect.gen(function* () {
    const { deadLetters } = yield* Transport
    for (const correlationId of names) {
      yield* RoutingSlip.builder(both, { correlationId }).pipe(
        RoutingSlip.add(first, {}),
        RoutingSlip.add(step, {}),
        RoutingSlip.dispatch
      )
    }
    broker.refuses = true
    yield* TestClock.adjust("2 hours")
    assert.sameMembers(done, names)
    assert.deepStrictEqual(yield* deadLetters(first.queue), [])
    broker.refuses = false
    yield* TestClock.adjust("1 minute")
    for (const name of names) assert.strictEqual(yield* statusOf(name), "completed")
    assert.sameMembers(done, names)
    assert.deepStrictEqual(yield* deadLetters(first.queue), [])
  }).pipe(Effect.provide(world))
})

it.effect("a message that a store chokes on is set aside in the end, and keeps no other from being done", () => {
  const trouble: Trouble = { isAway: false, chokesOn: "poison", asked: 0 }
  return Effect.gen(function* () {
    const { deadLetters } = yield* Transport
    yield* dispatch("poison", "poison")
    yield* dispatch("food")
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(yield* statusOf("food"), "completed")
    yield* TestClock.adjust("1 hour")
    const [letter, ...others] = yield* deadLetters(step.queue)
    assert.strictEqual(letter?.reason, "delivery-limit")
    assert.deepStrictEqual(others, [])
  }).pipe(Effect.provide(withStore(trouble)))
})

it.effect("a tenant whose messages a store chokes on does not keep another's waiting", () => {
  const trouble: Trouble = { isAway: false, chokesOn: "poison", asked: 0 }
  return Effect.gen(function* () {
    for (let index = 0; index < 8; index++) yield* dispatch(`poison ${index}`, "poison")
    yield* TestClock.adjust("10 seconds")
    yield* dispatch("food")
    yield* TestClock.adjust("3 seconds")
    assert.strictEqual(yield* statusOf("food"), "completed")
  }).pipe(Effect.provide(withStore(trouble)))
})
