/** How agents are called: what is made from a name, such as the participant as whom one speaks, has to be a key. */
import * as Field from "@tenon/core/Field"
import * as Schema from "effect/Schema"

/** 1 to 90 characters without control characters. */
export const AgentName = Field.Identifier.check(Schema.isMaxLength(90))
