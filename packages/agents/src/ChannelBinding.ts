/**
 * Binds a thread to a channel. It is also where deliveries are kept in order: a binding has at most one workflow at
 * work on what waits for it, and messages of one binding go out one after the other.
 */
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { Channel } from "./Channel.ts"
import { ChannelDelivery } from "./ChannelDelivery.ts"
import { DeliverMessages } from "./ChannelWorkflow.ts"
import type { Content } from "./Content.ts"
import { ParticipantKind } from "./Participant.ts"

/** Which messages go to the channel: those of these types, from this kind of participant. Without either, all. */
export const ChannelFilter = Schema.Struct({
  types: Schema.optionalKey(Schema.Array(Schema.Literals(["text", "data", "question", "answer", "failure"]))),
  from: Schema.optionalKey(ParticipantKind)
})
export type ChannelFilter = typeof ChannelFilter.Type

/** Whether a message passes. */
export const passes = (filter: ChannelFilter | undefined, type: Content["type"], from: typeof ParticipantKind.Type) =>
  (filter?.types?.includes(type) ?? true) && (filter?.from ?? from) === from

/** How long a workflow may be silent beyond its next attempt before another one takes its place. */
const silence = { hours: 1 }

const PumpKey = Schema.Struct({ pump: Schema.String })

const bound = { threadId: Schema.String, channelId: Schema.String, filter: Schema.optionalKey(ChannelFilter) }

interface Self extends Schema.Struct.Type<typeof bound> {
  readonly id: string
  readonly pump?: string
  readonly pumpUntil?: DateTime.Utc
}

export const ChannelBinding = Resource.make("ChannelBinding", {
  durable: true,
  fields: {
    id: Field.Id,
    ...bound,
    /** The key of the workflow that is at work. */
    pump: Schema.optionalKey(Schema.String),
    /** When that workflow counts as lost. */
    pumpUntil: Schema.optionalKey(Schema.DateTimeUtc)
  },
  identities: { pair: ["threadId", "channelId"] },
  indexes: [["channelId"]],
  relations: {
    thread: Relation.belongsTo("Thread", "threadId", { onRemove: "cascade" }),
    channel: Relation.belongsTo(Channel, "channelId", { onRemove: "cascade" })
  },
  actions: (on) => {
    /** Puts a new workflow to work. */
    const begin = (self: Self, pump: string, now: DateTime.Utc) =>
      on.save({ ...self, pump, pumpUntil: DateTime.add(now, silence) }).pipe(start(self, pump), Outcome.as(undefined))

    return {
      create: on.create({ description: "Sends the thread's messages from now on to the channel.", input: bound }),
      remove: on.destroy({ description: "Sends no more of the thread's messages; what waits is dropped." }),

      /** Sees to it that what waits is delivered; also after the runtime has lost the workflow that was at work. */
      wake: on.action(
        {
          policy: Policy.nobody,
          load: ({ self }) => ({ channel: Load.one(Channel, self.channelId) }),
          touches: () => [DeliverMessages]
        },
        ({ loaded: { channel }, self }, context) => {
          if (channel.status === "PAUSED") return Outcome.nothing
          const { pump, pumpUntil } = self
          const lost = pump === undefined || pumpUntil === undefined || DateTime.isLessThan(pumpUntil, context.now)
          return lost ? begin(self, context.newId(), context.now) : Outcome.nothing.pipe(start(self, pump))
        }
      ),

      /** Notes that the workflow at work is alive and waits this long for its next attempt. */
      wait: on.action(
        { policy: Policy.nobody, input: { ...PumpKey.fields, delayMillis: Schema.Int } },
        ({ input: { delayMillis, pump }, self }, { now }) =>
          self.pump === pump
            ? on
                .save({ ...self, pumpUntil: DateTime.add(DateTime.add(now, silence), { milliseconds: delayMillis }) })
                .pipe(Outcome.as(undefined))
            : Outcome.nothing
      ),

      /** Ends the workflow that was at work; where something waits, another one goes on. */
      rest: on.action(
        {
          policy: Policy.nobody,
          input: PumpKey.fields,
          load: ({ self }) => ({
            channel: Load.one(Channel, self.channelId),
            waiting: Load.many(ChannelDelivery, { bindingId: self.id, status: "PENDING" }, { limit: 1 })
          }),
          touches: () => [DeliverMessages]
        },
        ({ input: { pump }, loaded: { channel, waiting }, self }, context) => {
          if (self.pump !== pump) return Outcome.nothing
          if (waiting.length > 0 && channel.status === "ACTIVE") return begin(self, context.newId(), context.now)
          const { pump: _pump, pumpUntil: _until, ...idle } = self
          return on.save(idle).pipe(Outcome.as(undefined))
        }
      )
    }
  }
})

/** A workflow is started once per key, so one that is alive takes no notice. */
const start = ({ channelId, id }: { readonly id: string; readonly channelId: string }, key: string) =>
  Outcome.startWorkflow(DeliverMessages, { key, input: { bindingId: id, channelId } })

/** Adds to a post what makes its message, found by its key in the thread, arrive at a bound channel. */
export const deliverTo =
  ({ channelId, id, threadId }: Self, messageKey: string) =>
  <A>(self: Outcome.Outcome<A>): Outcome.Outcome<A> =>
    self.pipe(
      Outcome.also(Outcome.save(ChannelDelivery, { bindingId: id, channelId, threadId, messageKey })),
      Outcome.send(ChannelBinding.actions.wake, id, {})
    )
