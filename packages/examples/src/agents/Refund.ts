/** An agent that gives money back once a person has agreed to it, by a durable action. */
import * as Agent from "@tenon/agents/Agent"
import * as Field from "@tenon/core/Field"
import * as Resource from "@tenon/core/Resource"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export class AlreadyRefunded extends Schema.TaggedError<AlreadyRefunded>()(
  "AlreadyRefunded",
  { id: Schema.String },
  { httpStatus: 409 }
) {
  override get message() {
    return `The payment ${this.id} has been refunded before.`
  }
}

export const Payment = Resource.make("Payment", {
  durable: true,
  fields: {
    id: Field.Id,
    cents: Schema.Int.check(Schema.isGreaterThan(0)),
    status: Schema.Literals(["PAID", "REFUNDED"]).pipe(Field.withDefault("PAID")),
    createdAt: Field.CreatedAt
  },
  transitions: { status: { PAID: ["REFUNDED"] } },
  actions: (on) => ({
    create: on.create({ input: { cents: Schema.Int } }),
    refund: on.update({ errors: [AlreadyRefunded] }, ({ self }) =>
      self.status === "REFUNDED"
        ? Result.fail(new AlreadyRefunded({ id: self.id }))
        : { ...self, status: "REFUNDED" as const }
    )
  })
})

const Decision = Schema.Struct({ approve: Schema.Boolean, note: Schema.optionalKey(Schema.String) })

/** Refunds the payment that the last message names. */
export const refund = Agent.make(
  "refund",
  Effect.fn("refund")(function* (ctx) {
    const last = (yield* ctx.history).findLast(({ content }) => content.type === "text")
    const payment = last?.content.type === "text" ? last.content.text.trim() : ""
    const decision = yield* ctx.ask(`Refund the payment ${payment}?`, Decision, { expires: "1 day" })
    if (!decision.approve) return void (yield* ctx.writeMessage(`Not refunded. ${decision.note ?? ""}`.trim()))
    const refunded = yield* ctx.call(Payment.actions.refund, payment, {})
    yield* ctx.writeMessage(`Refunded ${(refunded.cents / 100).toFixed(2)}.`)
  })
)
