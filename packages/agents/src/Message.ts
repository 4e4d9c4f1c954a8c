/** Messages of threads, in a gapless order. */
import * as Field from "@tenon/core/Field"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"
import { Content } from "./Content.ts"
import { Participant } from "./Participant.ts"

export const Replaced = Schema.Struct({ message: Schema.String, run: Schema.String })

/** A message. Its natural key makes a repeated post harmless: the first one stands. */
export const Message = Resource.make("Message", {
  fields: {
    id: Field.Id,
    threadId: Schema.String,
    participantId: Schema.String,
    idempotencyKey: Schema.String,
    content: Content,
    /** The message that the run answers which says this. */
    answers: Schema.optionalKey(Schema.String),
    /** The message that it stands in for, and the run that had answered that. */
    replaces: Schema.optionalKey(Replaced),
    position: Field.Position("threadId"),
    createdAt: Field.CreatedAt
  },
  conflict: { on: ["threadId", "idempotencyKey"], do: "nothing" },
  identities: { position: ["threadId", "position"] },
  relations: {
    thread: Relation.belongsTo("Thread", "threadId", { onRemove: "cascade" }),
    participant: Relation.belongsTo(Participant, "participantId")
  },
  actions: () => ({})
})
