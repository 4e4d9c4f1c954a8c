/** Who takes part in threads: people, and agents by name. */
import * as Field from "@tenon/core/Field"
import * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"

/** What a person writes starts a run; what an agent writes does not. */
export const ParticipantKind = Schema.Literals(["HUMAN", "AGENT"])

export const Participant = Resource.make("Participant", {
  fields: { id: Field.Id, kind: ParticipantKind, name: Schema.NonEmptyString },
  actions: (on) => ({
    create: on.create({ input: { kind: ParticipantKind, name: Schema.NonEmptyString } })
  })
})

/** The participant as whom an agent writes, one per tenant and agent. */
export const ofAgent = (agent: string) => ({ id: `agent:${agent}`, kind: "AGENT" as const, name: agent })
