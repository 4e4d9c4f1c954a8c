/** Who takes part in threads: people, and agents by name. */
import * as Field from "@tenon/core/Field"
import * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"

/** What a person writes starts a run; what an agent writes does not. */
export const ParticipantKind = Schema.Literals(["HUMAN", "AGENT"])

const Name = Schema.NonEmptyString.check(Schema.isMaxLength(500))

export const Participant = Resource.make("Participant", {
  fields: { id: Field.Id, kind: ParticipantKind, name: Name },
  actions: (on) => ({
    create: on.create({ input: { kind: ParticipantKind, name: Name } })
  })
})

/** The participant as whom an agent writes, one per tenant and agent. */
export const ofAgent = (agent: string) => ({ id: `agent:${agent}`, kind: "AGENT" as const, name: agent })

/** The participant as whom somebody answers, one per tenant and actor. */
export const ofPerson = (actor: string) => ({ id: `person:${actor}`, kind: "HUMAN" as const, name: actor })

/** Whether an actor may post as a participant: those that the framework made speak for themselves. */
export const mayPostAs = (participantId: string, actor: string): boolean =>
  participantId === ofPerson(actor).id || !/^(agent|person):/.test(participantId)
