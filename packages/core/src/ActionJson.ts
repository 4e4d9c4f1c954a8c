/** The JSON of what the program itself makes: inputs it sends, results it answers with. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"

const encoders = new WeakMap<Schema.Constraint, (value: unknown) => Result.Result<unknown, Schema.SchemaError>>()

/** The JSON encoding of a value that the program itself made; one that does not fit its schema is a defect. */
export const encode = (
  schema: Schema.Codec<unknown, unknown>,
  value: unknown,
  what: string | Action.Any
): Schema.Json => {
  let encoder = encoders.get(schema)
  if (encoder === undefined) {
    encoder = Schema.encodeUnknownResult(Schema.toCodecJson(schema), { errors: "all" })
    encoders.set(schema, encoder)
  }
  const encoded = encoder(value)
  if (Result.isSuccess(encoded)) return (encoded.success ?? null) as Schema.Json
  const place = typeof what === "string" ? what : `${what.resource}.${what.name}`
  throw new Error(`${place} was given a value that does not fit its schema: ${encoded.failure.message}`)
}

/** An action's answer, from its JSON encoding. */
export const decodeResult = <T extends Action.Any>(action: T, result: Schema.Json): Effect.Effect<Action.OutputOf<T>> =>
  Effect.orDie(Schema.decodeUnknownEffect(Schema.toCodecJson(outputOf(action)))(result))

/** What an action answers with: a stream answers with rows. */
export const outputOf = (action: Action.Any): Schema.Codec<unknown, unknown> =>
  action.kind === "stream" ? arrayOf(action.output) : action.output

const arrays = new WeakMap<Schema.Constraint, Schema.Codec<unknown, unknown>>()

const arrayOf = (schema: Schema.Codec<unknown, unknown>): Schema.Codec<unknown, unknown> => {
  const found = arrays.get(schema) ?? Schema.Array(schema)
  arrays.set(schema, found)
  return found
}
