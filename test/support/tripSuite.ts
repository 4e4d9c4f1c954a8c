/** The trip example as a suite over any transport. */
import * as Trip from "@tenon/examples/trip/Trip"
import type { Transport } from "@tenon/messaging/Transport"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { settled } from "./Slips.ts"

/** An agency in memory: what is booked, and what was confirmed. */
const agency = (soldOut: string) => {
  const booked = new Map<string, string>()
  const confirmed: Array<string> = []
  const quotes: { readonly [seller: string]: number } = { north: 120, south: 90 }
  const layer = Layer.succeed(Trip.Agency, {
    quote: (seller) => {
      const found = quotes[seller]
      return found === undefined ? Effect.fail(new Trip.SoldOut({ what: seller })) : Effect.succeed(found)
    },
    book: (key, what) =>
      Effect.suspend(() => {
        if (what === soldOut) return Effect.fail(new Trip.SoldOut({ what }))
        booked.set(key, what)
        return Effect.succeed(what)
      }),
    cancel: (booking) =>
      Effect.sync(() => {
        for (const [key, what] of booked) if (what === booking) booked.delete(key)
      }),
    confirm: (_, price, bookings) => Effect.sync(() => void confirmed.push(`${price}: ${bookings.join(", ")}`))
  })
  return { booked, confirmed, layer }
}

/** A trip that is booked, and one for which there is no car. */
export const suite = <E>(name: string, transport: Layer.Layer<Transport, E>, runs = true) =>
  describe.skipIf(!runs)(`a trip over ${name}`, () => {
    const run = (soldOut: string) => {
      const { booked, confirmed, layer } = agency(soldOut)
      const world = Worker.layer(Trip.registry, { relay: { interval: "50 millis", grace: "500 millis" } }).pipe(
        Layer.provide(layer),
        Layer.provideMerge(Layer.mergeAll(transport, HopStoreMemory.layer, Security.layerUnsigned))
      )
      return Effect.gen(function* () {
        const slip = yield* Trip.plan().pipe(RoutingSlip.dispatch)
        const status = (yield* settled(slip))?.status
        // A booking that came after all was lost is cancelled after the slip is over.
        for (let left = 100; left > 0 && status === "faulted" && booked.size > 0; left--)
          yield* Effect.sleep("20 millis")
        return { status, booked: [...booked.values()], confirmed }
      }).pipe(Effect.provide(world))
    }

    it.live("is booked in branches, with two of three quotes", () =>
      Effect.gen(function* () {
        const { booked, confirmed, status } = yield* run("nothing")
        assert.strictEqual(status, "completed")
        assert.deepStrictEqual(booked.toSorted(), ["car", "flight", "hotel"])
        assert.deepStrictEqual(confirmed, ["90: flight, hotel, car"])
      })
    )

    it.live("is not booked at all where there is no car", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run("car"), { status: "faulted", booked: [], confirmed: [] })
      })
    )
  })
