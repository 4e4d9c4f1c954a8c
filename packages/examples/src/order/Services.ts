/** The three services of the order example, in memory, keeping a ledger of what was done to them. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CardDeclined, Inventory, Notifier, NotifierDown, Payments, StockShort } from "./Order.ts"

/** What happened, once per idempotency key. */
export interface Ledger {
  readonly charges: Map<string, { readonly transactionId: string; readonly amount: number }>
  readonly refunds: Map<string, string>
  readonly stock: Map<string, number>
  readonly movements: Map<string, number>
  readonly notices: Map<string, string>
  /** How many more notifications fail. */
  notifierFailures: number
}

/** A ledger with so many of each item. */
export const ledger = (stock: { readonly [itemId: string]: number }): Ledger => ({
  charges: new Map(),
  refunds: new Map(),
  stock: new Map(Object.entries(stock)),
  movements: new Map(),
  notices: new Map(),
  notifierFailures: 0
})

/** The services over a ledger. */
export const layer = (book: Ledger): Layer.Layer<Payments | Inventory | Notifier> =>
  Layer.mergeAll(
    Layer.succeed(Payments, {
      charge: (key, amount, cardToken) =>
        Effect.suspend(() => {
          const known = book.charges.get(key)
          if (known !== undefined) return Effect.succeed(known.transactionId)
          if (cardToken === "stolen") return Effect.fail(new CardDeclined({ reason: "reported stolen" }))
          const transactionId = `t${book.charges.size + 1}`
          book.charges.set(key, { transactionId, amount })
          return Effect.succeed(transactionId)
        }),
      refund: (key, transactionId) => Effect.sync(() => void book.refunds.set(key, transactionId))
    }),
    Layer.succeed(Inventory, {
      take: (key, itemId, quantity) =>
        Effect.suspend(() => {
          if (book.movements.has(key)) return Effect.void
          const left = book.stock.get(itemId) ?? 0
          if (left < quantity) return Effect.fail(new StockShort({ itemId, left }))
          book.stock.set(itemId, left - quantity)
          book.movements.set(key, -quantity)
          return Effect.void
        }),
      putBack: (key, itemId, quantity) =>
        Effect.sync(() => {
          if (book.movements.has(key)) return
          book.movements.set(key, quantity)
          book.stock.set(itemId, (book.stock.get(itemId) ?? 0) + quantity)
        })
    }),
    Layer.succeed(Notifier, {
      send: (key, customerId, text) =>
        Effect.suspend(() => {
          if (book.notifierFailures > 0) {
            book.notifierFailures--
            return Effect.fail(new NotifierDown())
          }
          book.notices.set(key, `${customerId}: ${text}`)
          return Effect.void
        })
    })
  )
