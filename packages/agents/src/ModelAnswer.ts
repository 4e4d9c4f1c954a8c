/** What a model answered, as a run's journal keeps it. */
import * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Tokens that a call took; 0 where the model does not say. */
export const ModelTokens = Schema.Struct({ input: Schema.Int, output: Schema.Int })
export interface ModelTokens extends Schema.Schema.Type<typeof ModelTokens> {}

/** An answer. */
export const ModelAnswer = Schema.Struct({
  /** Parts of `effect/ai`'s `Response`, encoded. */
  parts: Schema.Array(Schema.Json),
  /** The name that the model gives itself; empty where it gives none. */
  model: Schema.String,
  tokens: ModelTokens
})
export interface ModelAnswer extends Schema.Schema.Type<typeof ModelAnswer> {}

const encodeParts = Schema.encodeUnknownEffect(Schema.Array(Response.Part()))
const encodeStreamParts = Schema.encodeUnknownEffect(Schema.Array(Response.StreamPart()))

/** Keeps an answer. `streamed` says which kind of parts it is made of. */
export const make = (
  content: ReadonlyArray<Response.AnyPart>,
  streamed: boolean
): Effect.Effect<ModelAnswer, Schema.SchemaError> => {
  const encoding: Effect.Effect<ReadonlyArray<unknown>, Schema.SchemaError> = streamed
    ? Effect.map(encodeStreamParts(content), joined)
    : encodeParts(content)
  return Effect.map(encoding, (encoded) => {
    const finish = content.find((part) => part.type === "finish")
    const metadata = content.find((part) => part.type === "response-metadata")
    return {
      // Through text: an encoding may hold `undefined`, which is no JSON.
      parts: JSON.parse(JSON.stringify(encoded)) as ReadonlyArray<Schema.Json>,
      model: metadata?.modelId ?? "",
      tokens: {
        input: finish?.usage.inputTokens.total ?? 0,
        output: finish?.usage.outputTokens.total ?? 0
      }
    }
  })
}

/** Deltas of one text that follow each other become one. */
const joined = (parts: ReadonlyArray<Response.StreamPartEncoded>): ReadonlyArray<Response.StreamPartEncoded> => {
  const kept: Array<Response.StreamPartEncoded> = []
  for (const part of parts) {
    const last = kept.at(-1)
    if (
      (part.type === "text-delta" || part.type === "reasoning-delta") &&
      last?.type === part.type &&
      last.id === part.id
    )
      kept[kept.length - 1] = { ...last, delta: last.delta + part.delta }
    else kept.push(part)
  }
  return kept
}

/** All words of an answer. */
export const textOf = ({ parts }: ModelAnswer): string =>
  parts
    .map((part) => {
      const { delta, text, type } = part as { readonly [member: string]: unknown }
      return type === "text" ? String(text) : type === "text-delta" ? String(delta) : ""
    })
    .join("")
