/** The order example as a suite over any transport. */
import * as Order from "@tenon/examples/order/Order"
import * as Services from "@tenon/examples/order/Services"
import type { Transport } from "@tenon/messaging/Transport"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { settled, story } from "./Slips.ts"

const order = { customerId: "ada", cardToken: "tok", amount: 100, itemId: "bolt", quantity: 2 }

const worldOver = <E>(transport: Layer.Layer<Transport, E>, book: Services.Ledger) =>
  Worker.layer(Order.registry, { relay: { interval: "50 millis", grace: "500 millis" } }).pipe(
    Layer.provide(Services.layer(book)),
    Layer.provideMerge(Layer.mergeAll(transport, HopStoreMemory.layer, Security.layerUnsigned))
  )

/** An order that goes well, one that is refunded, one whose announcement is tried again. */
export const suite = <E>(name: string, transport: Layer.Layer<Transport, E>, runs = true) =>
  describe.skipIf(!runs)(`an order over ${name}`, () => {
    it.live("is charged, taken from stock and announced", () => {
      const book = Services.ledger({ bolt: 5 })
      return Effect.gen(function* () {
        const slip = yield* Order.fulfil(order).pipe(RoutingSlip.dispatch)
        assert.strictEqual((yield* settled(slip))?.status, "completed")
        assert.deepStrictEqual(yield* story(slip), ["dispatched 0", "executed 1", "executed 2", "executed 3"])
        assert.deepStrictEqual([...book.charges.values()], [{ transactionId: "t1", amount: 100 }])
        assert.strictEqual(book.stock.get("bolt"), 3)
        assert.deepStrictEqual([...book.notices.values()], ["ada: Your order is confirmed."])
      }).pipe(Effect.provide(worldOver(transport, book)))
    })

    it.live("is refunded where the stock is short", () => {
      const book = Services.ledger({ bolt: 1 })
      return Effect.gen(function* () {
        const slip = yield* Order.fulfil(order).pipe(RoutingSlip.dispatch)
        assert.strictEqual((yield* settled(slip))?.status, "faulted")
        assert.deepStrictEqual(yield* story(slip), ["dispatched 0", "executed 1", "faulted 2", "compensated 1"])
        assert.deepStrictEqual([...book.refunds.values()], ["t1"])
        assert.strictEqual(book.stock.get("bolt"), 1)
        assert.strictEqual(book.notices.size, 0)
      }).pipe(Effect.provide(worldOver(transport, book)))
    })

    it.live("is announced once the notifier is back", () => {
      const book = Services.ledger({ bolt: 5 })
      book.notifierFailures = 2
      return Effect.gen(function* () {
        const slip = yield* Order.fulfil(order).pipe(RoutingSlip.dispatch)
        assert.strictEqual((yield* settled(slip))?.status, "completed")
        assert.deepStrictEqual((yield* story(slip)).slice(2), ["executed 2", "retrying 3", "retrying 3", "executed 3"])
        assert.strictEqual(book.charges.size, 1)
        assert.strictEqual(book.notices.size, 1)
      }).pipe(Effect.provide(worldOver(transport, book)))
    })
  })
