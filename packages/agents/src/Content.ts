/** What a message holds. People and programs post text and data; the rest is written by the run of an agent. */
import * as Schema from "effect/Schema"

/** The longest text of a message, in UTF-16 code units. */
export const maxText = 100_000

/** The most a message's data may take as JSON text, in UTF-16 code units. */
export const maxData = 200_000

/** JSON of at most so many UTF-16 code units as text. */
export const jsonUpTo = (most: number) =>
  Schema.Json.check(
    Schema.makeFilter((json) =>
      JSON.stringify(json).length <= most ? undefined : `must not exceed ${most} characters as JSON`
    )
  )

/** JSON that is not too large for a message. */
export const Json = jsonUpTo(maxData)

/** Words. */
export const Text = Schema.Struct({
  type: Schema.Literal("text"),
  text: Schema.String.check(Schema.isMaxLength(maxText))
})

/** Anything that a client of the host's own understands. */
export const Data = Schema.Struct({ type: Schema.Literal("data"), data: Json })

/** What may be posted. */
export const Posted = Schema.Union([Text, Data])
export type Posted = typeof Posted.Type

/** A question that a run waits on; `schema` is the JSON Schema (2020-12) of the answer. */
export const Asked = Schema.Struct({
  type: Schema.Literal("question"),
  questionId: Schema.String,
  prompt: Schema.String,
  schema: Schema.Json,
  expiresAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
})

/** What was answered to a question. */
export const Answered = Schema.Struct({
  type: Schema.Literal("answer"),
  questionId: Schema.String,
  answer: Schema.Json
})

/** Why a run ended without doing its work. */
export const Failed = Schema.Struct({ type: Schema.Literal("failure"), run: Schema.String, message: Schema.String })

/** The content of a message. */
export const Content = Schema.Union([Text, Data, Asked, Answered, Failed])
export type Content = typeof Content.Type

/** Words as content. */
export const text = (text: string): typeof Text.Type => ({ type: "text", text })

/** Data as content. */
export const data = (data: Schema.Json): typeof Data.Type => ({ type: "data", data })
