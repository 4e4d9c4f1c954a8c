/**
 * A thread of messages: gapless positions, a natural key, and a fan-out to the channels that listen. Outside they are
 * called a forum's, since one application serves them beside the threads in which agents answer.
 */
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Workflow from "@tenon/core/Workflow"
import * as Schema from "effect/Schema"

export const ParticipantKind = Schema.Literals(["HUMAN", "AGENT"])

export const Participant = Resource.make("ForumParticipant", {
  fields: { id: Field.Id, kind: ParticipantKind, name: Schema.NonEmptyString },
  actions: (on) => ({
    create: on.create({ input: { kind: ParticipantKind, name: Schema.NonEmptyString } })
  })
})

/** A message. Its natural key makes a repeated `addMessage` harmless: the first one stands. */
export const Message = Resource.make("ForumMessage", {
  fields: {
    id: Field.Id,
    threadId: Schema.String,
    participantId: Schema.String,
    idempotencyKey: Schema.String,
    content: Schema.Json,
    position: Field.Position("threadId"),
    createdAt: Field.CreatedAt
  },
  conflict: { on: ["threadId", "idempotencyKey"], do: "nothing" },
  identities: { position: ["threadId", "position"] },
  relations: {
    thread: Relation.belongsTo("ForumThread", "threadId", { onRemove: "cascade" }),
    participant: Relation.belongsTo(Participant, "participantId")
  },
  actions: () => ({})
})

/** Says that a thread's messages go to a channel. */
export const ChannelBinding = Resource.make("ForumBinding", {
  fields: { id: Field.Id, threadId: Schema.String, channelId: Schema.String },
  conflict: { on: ["threadId", "channelId"], do: "nothing" },
  relations: { thread: Relation.belongsTo("ForumThread", "threadId", { onRemove: "cascade" }) },
  actions: (on) => ({ create: on.create({ input: { threadId: Schema.String, channelId: Schema.String } }) })
})

/** What one channel has been told, one row per channel: how many messages, and the last position. */
export const ChannelDelivery = Resource.make("ForumDelivery", {
  table: "forum_deliveries",
  durable: true,
  fields: {
    id: Field.Id,
    delivered: Schema.Int.pipe(Field.withDefault(0)),
    lastPosition: Schema.Int.pipe(Field.withDefault(0))
  },
  actions: (on) => ({
    deliver: on.action(
      { self: "optional", input: { threadId: Schema.String, position: Schema.Int, content: Schema.Json } },
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

/** One run of an agent over a thread. */
export const AgentRun = Workflow.make("ForumRun", { input: { threadId: Schema.String } })

export const Thread = Resource.make("ForumThread", {
  durable: true,
  fields: { id: Field.Id, title: Schema.NonEmptyString, createdAt: Field.CreatedAt },
  relations: { messages: Relation.hasMany(Message, "threadId") },
  actions: (on) => ({
    create: on.create({ input: { title: Schema.NonEmptyString } }),
    addMessage: on.action(
      {
        input: { idempotencyKey: Schema.NonEmptyString, participantId: Schema.String, content: Schema.Json },
        load: ({ self, input }) => ({
          participant: Load.one(Participant, input.participantId),
          channels: Load.many(ChannelBinding, { threadId: self.id })
        }),
        output: Message.schema,
        touches: [Message, AgentRun, ChannelDelivery.actions.deliver]
      },
      ({ self, input, loaded }, context) =>
        Outcome.save(Message, { threadId: self.id, ...input }).pipe(
          Outcome.when(
            loaded.participant.kind === "HUMAN",
            Outcome.startWorkflow(AgentRun, { key: context.newId(), input: { threadId: self.id } })
          ),
          Outcome.forEach(loaded.channels, (binding) =>
            Outcome.sendAfter(ChannelDelivery.actions.deliver, binding.channelId, (saved) => ({
              threadId: saved.threadId,
              position: saved.position,
              content: saved.content
            }))
          )
        )
    ),
    messages: on.stream(
      { output: Message.schema, from: ({ self }) => Load.many(Message, { threadId: self.id }) },
      ({ row }) => row
    )
  })
})
