/** Where a thread's messages go besides its own clients. */
import * as Field from "@tenon/core/Field"
import * as Outcome from "@tenon/core/Outcome"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"
import { Content } from "./Content.ts"

/** Says that a thread's messages go to a channel. */
export const ChannelBinding = Resource.make("ChannelBinding", {
  fields: { id: Field.Id, threadId: Schema.String, channelId: Schema.String },
  conflict: { on: ["threadId", "channelId"], do: "nothing" },
  relations: { thread: Relation.belongsTo("Thread", "threadId", { onRemove: "cascade" }) },
  actions: (on) => ({ create: on.create({ input: { threadId: Schema.String, channelId: Schema.String } }) })
})

/** What one channel has been told, one row per channel: how many messages, and the last position. */
export const ChannelDelivery = Resource.make("ChannelDelivery", {
  table: "channel_deliveries",
  durable: true,
  fields: {
    id: Field.Id,
    delivered: Schema.Int.pipe(Field.withDefault(0)),
    lastPosition: Schema.Int.pipe(Field.withDefault(0))
  },
  actions: (on) => ({
    deliver: on.action(
      { self: "optional", input: { threadId: Schema.String, position: Schema.Int, content: Content } },
      ({ self, input }, context) =>
        on
          .save({
            id: context.key,
            delivered: (self?.delivered ?? 0) + 1,
            lastPosition: Math.max(self?.lastPosition ?? 0, input.position)
          })
          .pipe(Outcome.as(undefined))
    )
  })
})
