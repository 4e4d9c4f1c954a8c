/**
 * A trip booked in branches: flight, hotel and car at the same time, all of them or none, and the confirmation of all
 * three sent once they are gathered. The cheapest of several offers is asked for first, of which two suffice.
 */
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import * as Merge from "@tenon/routing-slip/Merge"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as Variable from "@tenon/routing-slip/Variable"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Nothing is left of what was to be booked. */
export class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", { what: Schema.String }) {}

/** Sells flights, rooms and cars. A repeated key books nothing and gives the same booking. */
export class Agency extends Context.Service<
  Agency,
  {
    readonly quote: (seller: string) => Effect.Effect<number, SoldOut>
    readonly book: (key: string, what: string) => Effect.Effect<string, SoldOut>
    readonly cancel: (booking: string) => Effect.Effect<void>
    readonly confirm: (key: string, price: number, bookings: ReadonlyArray<string>) => Effect.Effect<void>
  }
>()("@tenon/examples/trip/Agency") {}

const price = Variable.make("price", Schema.Finite)
const prices = Variable.make("prices", Schema.Array(Schema.Finite))
const booking = Variable.make("booking", Schema.String)
const bookings = Variable.make("bookings", Schema.Array(Schema.String))

const quote = Activity.make("quote", {
  arguments: { seller: Schema.String },
  execute: Effect.fnUntraced(function* ({ seller }) {
    yield* Variable.set(price, yield* (yield* Agency).quote(seller))
  })
})

const book = Activity.make("book", {
  arguments: { what: Schema.String },
  log: { booking: Schema.String },
  execute: Effect.fnUntraced(function* ({ what }) {
    const { idempotencyKey } = yield* ActivityContext
    const made = yield* (yield* Agency).book(idempotencyKey, what)
    yield* Variable.set(booking, made)
    return { booking: made }
  }),
  compensate: Effect.fnUntraced(function* ({ booking }) {
    yield* (yield* Agency).cancel(booking)
  })
})

const confirm = Activity.make("confirm", {
  arguments: {},
  execute: Effect.fnUntraced(function* () {
    const { idempotencyKey } = yield* ActivityContext
    const cheapest = Math.min(...(yield* Variable.get(prices)))
    yield* (yield* Agency).confirm(idempotencyKey, cheapest, yield* Variable.get(bookings))
  })
})

export const registry = Registry.make(quote, book, confirm, ScatterGather.activity)

/** A trip, as a slip to be signed and dispatched. */
export const plan = () =>
  RoutingSlip.builder(registry).pipe(
    RoutingSlip.scatter(
      {
        north: [RoutingSlip.step(quote, { seller: "north" })],
        south: [RoutingSlip.step(quote, { seller: "south" })],
        west: [RoutingSlip.step(quote, { seller: "west" })]
      },
      { gather: { quorum: 2 }, within: "1 minute", merge: [Merge.collect(price, prices)] }
    ),
    RoutingSlip.scatter(
      {
        flight: [RoutingSlip.step(book, { what: "flight" })],
        hotel: [RoutingSlip.step(book, { what: "hotel" })],
        car: [RoutingSlip.step(book, { what: "car" })]
      },
      { undo: "parallel", merge: [Merge.collect(booking, bookings)] }
    ),
    RoutingSlip.add(confirm, {})
  )
