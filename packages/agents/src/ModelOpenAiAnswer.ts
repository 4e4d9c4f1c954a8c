/** What a chat completions endpoint answers, whole or in pieces, as parts of a response. */
import * as AiError from "effect/ai/AiError"
import type * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const nullable = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const Call = Schema.Struct({
  index: nullable(Schema.Int),
  id: nullable(Schema.String),
  function: nullable(Schema.Struct({ name: nullable(Schema.String), arguments: nullable(Schema.String) }))
})

const Words = Schema.Struct({
  content: nullable(Schema.String),
  refusal: nullable(Schema.String),
  tool_calls: nullable(Schema.Array(Call))
})

const Usage = Schema.Struct({ prompt_tokens: nullable(Schema.Int), completion_tokens: nullable(Schema.Int) })

const head = { model: nullable(Schema.String), usage: nullable(Usage) }

const Whole = Schema.Struct({
  ...head,
  choices: Schema.NonEmptyArray(Schema.Struct({ message: Words, finish_reason: nullable(Schema.String) }))
})

const Piece = Schema.Struct({
  ...head,
  error: Schema.optionalKey(Schema.Unknown),
  choices: nullable(Schema.Array(Schema.Struct({ delta: nullable(Words), finish_reason: nullable(Schema.String) })))
})

/** The most that one answer may hold, in characters. */
const maxLength = 4 * 1024 * 1024

const rubbish = (what: string) => new AiError.InvalidOutputError({ description: what })

const finishReasons: { readonly [reason: string]: Response.FinishReason } = {
  stop: "stop",
  length: "length",
  tool_calls: "tool-calls",
  function_call: "tool-calls",
  content_filter: "content-filter"
}

const finishOf = (
  reason: string | null | undefined,
  usage: typeof Usage.Type | null | undefined,
  refused: boolean
): Response.FinishPartEncoded => ({
  type: "finish",
  reason: refused ? "content-filter" : (finishReasons[reason ?? ""] ?? "unknown"),
  usage: {
    inputTokens: { total: usage?.prompt_tokens ?? undefined },
    outputTokens: { total: usage?.completion_tokens ?? undefined }
  }
})

/** Arguments as the model wrote them where they are no JSON: whoever checks them says so. */
const paramsOf = (text: string): unknown => {
  try {
    return text.trim() === "" ? {} : Tool.unsafeSecureJsonParse(text)
  } catch {
    return text
  }
}

const callPart = (id: string, name: string, text: string): Response.ToolCallPartEncoded => ({
  type: "tool-call",
  id,
  name,
  params: paramsOf(text)
})

const decodeWhole = Schema.decodeUnknownEffect(Schema.fromJsonString(Whole))

/** The parts of a whole answer. */
export const whole = (text: string): Effect.Effect<Array<Response.PartEncoded>, AiError.AiErrorReason> =>
  decodeWhole(text).pipe(
    Effect.mapError(() => rubbish("the answer is no chat completion")),
    Effect.map(({ choices: [choice], model, usage }) => {
      const { content, refusal, tool_calls } = choice.message
      return [
        { type: "response-metadata", ...(typeof model === "string" ? { modelId: model } : {}) },
        ...(typeof content === "string" && content !== "" ? [{ type: "text" as const, text: content }] : []),
        ...(tool_calls ?? []).map((call, index) =>
          callPart(call.id ?? `call-${index}`, call.function?.name ?? "", call.function?.arguments ?? "")
        ),
        finishOf(choice.finish_reason, usage, typeof refusal === "string" && refusal !== "")
      ]
    })
  )

interface Calling {
  readonly id: string
  readonly name: string
  readonly text: string
}

interface Reading {
  readonly calls: ReadonlyMap<number, Calling>
  readonly speaking: boolean
  readonly named: boolean
  readonly refused: boolean
  readonly reason: string | undefined
  readonly usage: typeof Usage.Type | undefined
  readonly length: number
  readonly over: boolean
}

const nothing: Reading = {
  calls: new Map(),
  speaking: false,
  named: false,
  refused: false,
  reason: undefined,
  usage: undefined,
  length: 0,
  over: false
}

const decodePiece = Schema.decodeUnknownEffect(Schema.fromJsonString(Piece))

type Told = readonly [reading: Reading, parts: ReadonlyArray<Response.StreamPartEncoded>]

/** The parts of an answer that comes as server-sent events, each as soon as it is known. */
export const streamed = <E>(
  lines: Stream.Stream<string, E>
): Stream.Stream<Response.StreamPartEncoded, E | AiError.AiErrorReason> =>
  lines.pipe(
    Stream.filter((line) => line.startsWith("data:")),
    Stream.map((line) => line.slice(5).trim()),
    // The end of the connection is told from the end of the answer, which it may have cut off.
    Stream.concat(Stream.succeed(undefined)),
    Stream.mapAccumEffect(() => nothing, read),
    Stream.takeUntil((part) => part.type === "finish")
  )

const read = (reading: Reading, data: string | undefined): Effect.Effect<Told, AiError.AiErrorReason> => {
  if (reading.over) return Effect.succeed([reading, []])
  if (data === undefined && reading.reason === undefined)
    return Effect.fail(new AiError.InternalProviderError({ description: "the answer was cut off" }))
  if (data === undefined || data === "[DONE]") return Effect.succeed([{ ...reading, over: true }, closing(reading)])
  const length = reading.length + data.length
  if (length > maxLength) return Effect.fail(rubbish("the answer is too long"))
  return decodePiece(data).pipe(
    Effect.mapError(() => rubbish("a piece of the answer is no chat completion")),
    Effect.flatMap((piece) =>
      piece.error === undefined
        ? Effect.succeed(add({ ...reading, length }, piece))
        : Effect.fail(new AiError.InternalProviderError({ description: "the model reported an error in its answer" }))
    )
  )
}

const add = (reading: Reading, { choices, model, usage }: typeof Piece.Type): Told => {
  const [choice] = choices ?? []
  const { content, refusal, tool_calls } = choice?.delta ?? {}
  const calls = new Map(reading.calls)
  for (const [at, call] of (tool_calls ?? []).entries()) {
    const index = call.index ?? at
    const before = calls.get(index) ?? { id: "", name: "", text: "" }
    calls.set(index, {
      id: call.id ?? before.id,
      name: before.name + (call.function?.name ?? ""),
      text: before.text + (call.function?.arguments ?? "")
    })
  }
  const speaks = typeof content === "string" && content !== ""
  const next: Reading = {
    ...reading,
    calls,
    speaking: reading.speaking || speaks,
    named: reading.named || typeof model === "string",
    refused: reading.refused || (typeof refusal === "string" && refusal !== ""),
    reason: choice?.finish_reason ?? reading.reason,
    usage: usage ?? reading.usage
  }
  return [
    next,
    [
      ...(!reading.named && typeof model === "string" ? [{ type: "response-metadata" as const, modelId: model }] : []),
      ...(speaks && !reading.speaking ? [{ type: "text-start" as const, id: "text" }] : []),
      ...(speaks ? [{ type: "text-delta" as const, id: "text", delta: content }] : [])
    ]
  ]
}

const closing = ({ calls, reason, refused, speaking, usage }: Reading): ReadonlyArray<Response.StreamPartEncoded> => [
  ...(speaking ? [{ type: "text-end" as const, id: "text" }] : []),
  ...[...calls].map(([index, { id, name, text }]) => callPart(id === "" ? `call-${index}` : id, name, text)),
  finishOf(reason, usage, refused)
]
