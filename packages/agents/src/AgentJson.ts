/** What an agent takes and gives, as JSON; absent where it declares none. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

type Declared = Schema.Codec<unknown, unknown> | undefined

/** Encodes a value for the wire. A value that does not fit its own schema is a bug. */
export const encode = (schema: Declared, value: unknown): Effect.Effect<Schema.Json | undefined> =>
  schema === undefined ? Effect.undefined : Effect.orDie(Schema.encodeUnknownEffect(Schema.toCodecJson(schema))(value))

/** Decodes a value from the wire. */
export const decode = (schema: Declared, json: Schema.Json | undefined): Effect.Effect<unknown, Schema.SchemaError> =>
  schema === undefined ? Effect.undefined : Schema.decodeUnknownEffect(Schema.toCodecJson(schema))(json)
