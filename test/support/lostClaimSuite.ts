/** What becomes of a step whose claim the store has lost, as a database does that dies before it has written it. */
import { Unavailable } from "@tenon/core/Failure"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Hop from "@tenon/routing-slip/Hop"
import { type Fenced, HopStore } from "@tenon/routing-slip/HopStore"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import { assert, layer as suiteOf } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const did: Array<string> = []
const noted = (what: string) => Effect.sync(() => void did.push(what))
const reserve = Activity.make("reserve", {
  arguments: {},
  log: {},
  execute: () =>
    Effect.as(
      Effect.sync(() => void did.push("reserve")),
      {}
    ),
  compensate: () => Effect.sync(() => void did.push("give back"))
})
let failures = 0
const flaky = Activity.make("flaky", {
  arguments: {},
  log: {},
  retry: { times: 3, delay: "10 millis" },
  execute: () => Effect.suspend(() => (++failures === 1 ? Effect.fail("flaky") : Effect.as(noted("flaky"), {}))),
  compensate: () => noted("undo flaky")
})
const pay = Activity.make("pay", { arguments: {}, execute: () => Effect.sync(() => void did.push("pay")) })
const think = Activity.make("think", { arguments: {}, execute: () => Effect.sleep("1 second") })
const registry = Registry.make(reserve, flaky, pay, think)

/** A store that loses one of its claims, and is away afterwards for so many calls that store something. */
const losing = (store: HopStore["Service"], away: number, lost = 1) => {
  let claims = 0
  let left = away
  const unlessAway = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | Unavailable> =>
      left-- > 0 ? Effect.fail(new Unavailable({ what: "It" })) : effect
    )
  return HopStore.of({
    ...store,
    claim: (...args) => {
      if (++claims !== lost) return store.claim(...args)
      return Effect.succeed({
        _tag: "Claimed",
        token: lost,
        claims: lost,
        failures: lost - 1,
        uncertain: false,
        skippedBy: undefined,
        cancelledBy: undefined
      })
    },
    complete: (...args) => unlessAway<boolean, Fenced | Unavailable>(store.complete(...args)),
    release: (...args) => unlessAway(store.release(...args))
  })
}

/** The laws. */
export const suite = <E>(name: string, store: Layer.Layer<HopStore, E>): void =>
  suiteOf(store, { excludeTestServices: true, timeout: "30 seconds" })(
    `a step whose claim is lost, over ${name}`,
    (it) => {
      it.effect(
        "is known to be uncertain where it was the claim of a retry, and undone though its slip is cancelled",
        () =>
          Effect.gen(function* () {
            const real = yield* HopStore
            const store = Layer.succeed(HopStore, losing(real, 0, 2))
            did.length = failures = 0
            const slip = { tenantId: "default", correlationId: "retried" }
            const deliver = Effect.fnUntraced(function* (queue: string) {
              const body = (yield* real.slip("default", "retried"))?.body ?? new Uint8Array()
              return yield* Hop.handler(registry)({ queue, id: "m", body, attempt: 1 })
            })
            yield* Effect.gen(function* () {
              yield* RoutingSlip.builder(registry, slip).pipe(
                RoutingSlip.add(flaky, {}),
                RoutingSlip.add(pay, {}),
                RoutingSlip.dispatch
              )
              assert.strictEqual((yield* deliver(flaky.queue))._tag, "Ack")
              yield* Effect.sleep("50 millis")
              assert.strictEqual((yield* deliver(flaky.queue))._tag, "Requeue")
              assert.deepStrictEqual(did, ["flaky"])
              yield* real.cancel("default", "retried", "grace")
              for (const { queue } of [flaky, pay, flaky]) assert.strictEqual((yield* deliver(queue))._tag, "Ack")
            }).pipe(Effect.provide(Layer.mergeAll(TransportMemory.layer, Security.layerUnsigned, store)))
            assert.deepStrictEqual(did, ["flaky", "flaky", "undo flaky"])
            assert.strictEqual((yield* real.slip("default", "retried"))?.status, "cancelled")
          })
      )

      it.effect("is one that was done at once, since the others' leases are renewed soon, and that is not lost", () =>
        Effect.gen(function* () {
          const real = yield* HopStore
          let renewals = 0
          const store = Layer.succeed(HopStore, {
            ...real,
            renew: (...args) =>
              Effect.andThen(
                Effect.sync(() => void renewals++),
                real.renew(...args)
              )
          })
          const correlationId = "renewed"
          yield* Effect.gen(function* () {
            yield* RoutingSlip.builder(registry, { correlationId }).pipe(
              RoutingSlip.add(pay, {}),
              RoutingSlip.add(think, {}),
              RoutingSlip.dispatch
            )
            for (const [{ queue }, expected] of [
              [pay, 0],
              [think, 1]
            ] as const) {
              const body = (yield* real.slip("default", correlationId))?.body ?? new Uint8Array()
              assert.strictEqual((yield* Hop.handler(registry)({ queue, id: "m", body, attempt: 1 }))._tag, "Ack")
              assert.strictEqual(renewals, expected, queue)
            }
          }).pipe(Effect.provide(Layer.mergeAll(TransportMemory.layer, Security.layerUnsigned, store)))
        })
      )

      for (const away of [0, 2]) {
        it.effect(`is known to be uncertain, and undone though its slip is cancelled, ${away} calls later`, () =>
          Effect.gen(function* () {
            const real = yield* HopStore
            const world = Layer.mergeAll(
              TransportMemory.layer,
              Security.layerUnsigned,
              Layer.succeed(HopStore, losing(real, away))
            )
            const correlationId = `lost ${away}`
            did.length = 0
            const deliver = Effect.fnUntraced(function* (queue: string) {
              const body = (yield* real.slip("default", correlationId))?.body ?? new Uint8Array()
              return yield* Hop.handler(registry)({ queue, id: "m", body, attempt: 1 })
            })
            yield* Effect.gen(function* () {
              yield* RoutingSlip.builder(registry, { correlationId }).pipe(
                RoutingSlip.add(reserve, {}),
                RoutingSlip.add(pay, {}),
                RoutingSlip.dispatch
              )
              assert.strictEqual((yield* deliver(reserve.queue))._tag, "Requeue")
              assert.deepStrictEqual(did, ["reserve"])
              yield* real.cancel("default", correlationId, "grace")
              assert.deepStrictEqual(yield* deliver(reserve.queue), { _tag: "Ack" })
              assert.deepStrictEqual(yield* deliver(pay.queue), { _tag: "Ack" })
              assert.deepStrictEqual(yield* deliver(reserve.queue), { _tag: "Ack" })
            }).pipe(Effect.provide(world))
            assert.deepStrictEqual(did, ["reserve", "reserve", "give back"])
            assert.strictEqual((yield* real.slip("default", correlationId))?.status, "cancelled")
          })
        )
      }
    }
  )
