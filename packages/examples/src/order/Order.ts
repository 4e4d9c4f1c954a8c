/**
 * Order fulfilment across three services: the card is charged, the stock reduced, the customer told. Where the stock is
 * short the charge is refunded; where the notification service is down it is tried again.
 */
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The bank does not pay. */
export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { reason: Schema.String }) {}

/** There are not as many in stock. */
export class StockShort extends Schema.TaggedError<StockShort>()("StockShort", {
  itemId: Schema.String,
  left: Schema.Int
}) {
  override get message() {
    return `Only ${this.left} of ${this.itemId} are left.`
  }
}

/** The notification service does not answer. */
export class NotifierDown extends Schema.TaggedError<NotifierDown>()("NotifierDown", {}) {}

/** Charges cards. A repeated idempotency key charges nothing and gives the same transaction. */
export class Payments extends Context.Service<
  Payments,
  {
    readonly charge: (key: string, amount: number, cardToken: string) => Effect.Effect<string, CardDeclined>
    readonly refund: (key: string, transactionId: string, amount: number) => Effect.Effect<void>
  }
>()("@tenon/examples/order/Payments") {}

/** Counts the stock. */
export class Inventory extends Context.Service<
  Inventory,
  {
    readonly take: (key: string, itemId: string, quantity: number) => Effect.Effect<void, StockShort>
    readonly putBack: (key: string, itemId: string, quantity: number) => Effect.Effect<void>
  }
>()("@tenon/examples/order/Inventory") {}

/** Tells customers. */
export class Notifier extends Context.Service<
  Notifier,
  { readonly send: (key: string, customerId: string, text: string) => Effect.Effect<void, NotifierDown> }
>()("@tenon/examples/order/Notifier") {}

export const chargeCard = Activity.make("charge-card", {
  arguments: { amount: Schema.Finite, cardToken: Schema.String },
  log: { transactionId: Schema.String, amount: Schema.Finite },
  execute: Effect.fnUntraced(function* ({ amount, cardToken }) {
    const { idempotencyKey } = yield* ActivityContext
    const transactionId = yield* (yield* Payments).charge(idempotencyKey, amount, cardToken)
    return { transactionId, amount }
  }),
  compensate: Effect.fnUntraced(function* ({ amount, transactionId }) {
    const { idempotencyKey } = yield* ActivityContext
    yield* (yield* Payments).refund(idempotencyKey, transactionId, amount)
  })
})

export const updateInventory = Activity.make("update-inventory", {
  arguments: { itemId: Schema.String, quantity: Schema.Int },
  log: { itemId: Schema.String, quantity: Schema.Int },
  execute: Effect.fnUntraced(function* (taken) {
    const { idempotencyKey } = yield* ActivityContext
    yield* (yield* Inventory).take(idempotencyKey, taken.itemId, taken.quantity)
    return taken
  }),
  compensate: Effect.fnUntraced(function* ({ itemId, quantity }) {
    const { idempotencyKey } = yield* ActivityContext
    yield* (yield* Inventory).putBack(idempotencyKey, itemId, quantity)
  })
})

export const notifyCustomer = Activity.make("notify-customer", {
  arguments: { message: Schema.String },
  retry: { times: 5, delay: "200 millis" },
  execute: Effect.fnUntraced(function* ({ message }) {
    const { idempotencyKey, variable } = yield* ActivityContext
    const customerId = yield* variable("customer_id", Schema.String)
    yield* (yield* Notifier).send(idempotencyKey, customerId, message)
  })
})

export const registry = Registry.make(chargeCard, updateInventory, notifyCustomer)

/** An order, as a slip to be signed and dispatched. */
export const fulfil = (order: {
  readonly customerId: string
  readonly cardToken: string
  readonly amount: number
  readonly itemId: string
  readonly quantity: number
}) =>
  RoutingSlip.builder(registry).pipe(
    RoutingSlip.add(chargeCard, { amount: order.amount, cardToken: order.cardToken }),
    RoutingSlip.add(updateInventory, { itemId: order.itemId, quantity: order.quantity }),
    RoutingSlip.add(notifyCustomer, { message: "Your order is confirmed." }),
    RoutingSlip.variable("customer_id", order.customerId)
  )
