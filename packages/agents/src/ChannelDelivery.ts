/**
 * One message on its way to one channel. The rows are the truth about what has arrived; a journal only does the work.
 */
import * as Action from "@tenon/core/Action"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Channel } from "./Channel.ts"
import { DeliverySettled } from "./ChannelFailure.ts"
import * as ChannelRetry from "./ChannelRetry.ts"

/** `DEAD`: given up; the messages after it go on. `DISCARDED`: somebody decided that it need not arrive. */
export const DeliveryStatus = Schema.Literals(["PENDING", "DELIVERED", "DEAD", "DISCARDED"])

/** What came of one attempt. */
export const Attempt = Schema.Union([
  Schema.Struct({ result: Schema.Literal("delivered") }),
  /** The receiver wants no more: the channel is paused and the message waits. */
  Schema.Struct({ result: Schema.Literal("gone"), problem: Schema.String }),
  Schema.Struct({
    result: Schema.Literal("failed"),
    problem: Schema.String,
    retryable: Schema.Boolean,
    atMost: Schema.optionalKey(Schema.Int),
    retryAfterMillis: Schema.optionalKey(Schema.Int)
  })
])
export type Attempt = typeof Attempt.Type

const wake = Action.ref("ChannelBinding", "wake")

export const ChannelDelivery = Resource.make("ChannelDelivery", {
  table: "channel_deliveries",
  fields: {
    /** Known to the receiver, and the same in every attempt. */
    id: Field.Id,
    bindingId: Schema.String,
    channelId: Schema.String,
    threadId: Schema.String,
    /** The idempotency key of the message in its thread. */
    messageKey: Schema.String,
    position: Field.Position("bindingId"),
    status: DeliveryStatus.pipe(Field.withDefault("PENDING")),
    attempts: Schema.Int.pipe(Field.withDefault(0)),
    /** Why the last attempt failed. */
    problem: Schema.optionalKey(Schema.String),
    nextAttemptAt: Schema.optionalKey(Schema.DateTimeUtc),
    deliveredAt: Schema.optionalKey(Schema.DateTimeUtc),
    createdAt: Field.CreatedAt,
    updatedAt: Field.UpdatedAt
  },
  indexes: [
    ["bindingId", "status", "position"],
    ["channelId", "status"]
  ],
  relations: { binding: Relation.belongsTo("ChannelBinding", "bindingId", { onRemove: "cascade" }) },
  initial: { status: ["PENDING"] },
  transitions: { status: { PENDING: ["DELIVERED", "DEAD", "DISCARDED"], DEAD: ["PENDING", "DISCARDED"] } },
  actions: (on) => ({
    redrive: on.action(
      {
        description: "Delivers a dead message after all, with all its attempts again; or looks after one that waits.",
        errors: [DeliverySettled],
        touches: () => [wake]
      },
      ({ self }) => {
        if (self.status !== "DEAD" && self.status !== "PENDING") return settled(self)
        const { nextAttemptAt: _, ...rest } = self
        const again = on.save({ ...rest, status: "PENDING", attempts: 0 })
        return (self.status === "DEAD" ? again : Outcome.nothing).pipe(
          Outcome.send(wake, self.bindingId, {}),
          Outcome.as(undefined)
        )
      }
    ),
    discard: on.action(
      { description: "Gives a message up that waits or is dead.", errors: [DeliverySettled] },
      ({ self }) =>
        self.status === "DEAD" || self.status === "PENDING"
          ? on.save({ ...self, status: "DISCARDED" }).pipe(Outcome.as(undefined))
          : settled(self)
    ),
    /** Notes what came of an attempt, and says when there is to be another. `chance` is from 0 up to 1. */
    attempted: on.action(
      {
        policy: Policy.nobody,
        input: { attempt: Attempt, chance: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 })) },
        load: ({ self }) => ({ channel: Load.one(Channel, self.channelId) }),
        output: Schema.Struct({ delayMillis: Schema.optionalKey(Schema.Int) })
      },
      ({ input: { attempt, chance }, loaded: { channel }, self }, { now }) => {
        if (self.status !== "PENDING") return Outcome.succeed({})
        const { nextAttemptAt: _next, problem: _problem, ...rest } = self
        const attempts = self.attempts + 1
        switch (attempt.result) {
          case "delivered":
            return on.save({ ...rest, attempts, status: "DELIVERED", deliveredAt: now }).pipe(Outcome.as({}))
          case "gone":
            return on.save({ ...rest, problem: attempt.problem }).pipe(Outcome.as({}))
          case "failed": {
            const { problem } = attempt
            const delayMillis = ChannelRetry.delayAfter(channel.retry, attempt, attempts, chance)
            if (delayMillis === undefined)
              return on.save({ ...rest, attempts, status: "DEAD", problem }).pipe(Outcome.as({}))
            const nextAttemptAt = DateTime.add(now, { milliseconds: delayMillis })
            return on.save({ ...rest, attempts, problem, nextAttemptAt }).pipe(Outcome.as({ delayMillis }))
          }
        }
      }
    )
  })
})

const settled = ({ id, status }: { readonly id: string; readonly status: string }) =>
  Result.fail(new DeliverySettled({ delivery: id, status }))
