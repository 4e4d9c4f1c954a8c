/**
 * A language model that answers from a script: for tests, examples and trying things out. What it says follows from the
 * prompt alone, so it says the same after a crash.
 */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { hash } from "node:crypto"

/** What the model is asked. */
export interface Asked {
  /** The last words of the user. */
  readonly text: string
  /** How often the model has answered since then: 0 at first. */
  readonly round: number
  /** What the tools answered that it called in the round before. */
  readonly results: ReadonlyArray<{ readonly name: string; readonly isFailure: boolean; readonly result: unknown }>
  /** The names of the tools on offer. */
  readonly tools: ReadonlyArray<string>
  readonly prompt: Prompt.Prompt
  /** How often this process has been asked the very same before, as far as it remembers: 0 at first. */
  readonly repeated: number
}

/** What the model does: what it says and calls, or how it fails. */
export interface Reply {
  /** Said at once, or in these pieces where it is streamed. */
  readonly text?: string | ReadonlyArray<string>
  readonly calls?: ReadonlyArray<{ readonly name: string; readonly params: unknown }>
  /** Waits before it begins, and between pieces. */
  readonly delay?: Duration.Input
  /** Fails after what it has said. */
  readonly failure?: AiError.AiErrorReason
  /** Never ends. */
  readonly hangs?: boolean
  readonly finish?: Response.FinishReason
  /** Default: a token per four characters. */
  readonly tokens?: { readonly input: number; readonly output: number }
}

/** Decides what to say. */
export type Script = (asked: Asked) => Reply

/** The name that the scripted model gives itself. */
export const modelName = "scripted"

/** Says `text`. */
export const say = (text: string | ReadonlyArray<string>): Reply => ({ text })

/** Calls one tool. */
export const call = (name: string, params: unknown): Reply => ({ calls: [{ name, params }] })

/** A script of rules: the first whose pattern the user's words match gives its replies, one per round. */
export const rules =
  (...list: ReadonlyArray<readonly [when: RegExp, ...replies: ReadonlyArray<Reply>]>): Script =>
  ({ round, text }) => {
    const [, ...replies] = list.find(([when]) => when.test(text)) ?? [undefined, say("I have nothing to say to that.")]
    return replies[Math.min(round, replies.length - 1)] ?? say("")
  }

/** Of how many prompts it is known how often they came. */
const mostSeen = 1_000

/** A model that follows a script. */
export const layer = (script: Script): Layer.Layer<LanguageModel.LanguageModel> =>
  Layer.effect(
    LanguageModel.LanguageModel,
    Effect.suspend(() => {
      const seen = new Map<string, number>()
      const asked = (options: LanguageModel.ProviderOptions): Asked => {
        const fingerprint = hash("sha256", JSON.stringify(options.prompt.content))
        const repeated = seen.get(fingerprint) ?? 0
        seen.delete(fingerprint)
        seen.set(fingerprint, repeated + 1)
        const [oldest] = seen.keys()
        if (seen.size > mostSeen && oldest !== undefined) seen.delete(oldest)
        return { ...read(options), repeated }
      }
      return LanguageModel.make({
        generateText: (options) =>
          Effect.suspend(() => {
            const about = asked(options)
            const reply = script(about)
            const done = reply.hangs === true ? Effect.never : failed(reply, "generateText")
            return Effect.andThen(Effect.delay(done, reply.delay ?? 0), Effect.succeed(wholeParts(about, reply)))
          }),
        streamText: (options) =>
          Stream.suspend(() => {
            const about = asked(options)
            const reply = script(about)
            const ending = reply.hangs === true ? Effect.never : failed(reply, "streamText")
            return Stream.fromIterable(beginningParts(reply)).pipe(
              Stream.mapEffect((part) => Effect.delay(Effect.succeed(part), reply.delay ?? 0)),
              Stream.rechunk(1),
              Stream.concat(Stream.fromEffectDrain(ending)),
              Stream.concat(Stream.fromIterable(endingParts(about, reply)))
            )
          })
      })
    })
  )

const read = ({ prompt, tools }: LanguageModel.ProviderOptions): Omit<Asked, "repeated"> => {
  const messages = prompt.content
  const last = messages.findLastIndex(({ role }) => role === "user")
  const since = messages.slice(last + 1)
  const user = messages[last]
  const text = user?.role === "user" ? user.content.map((part) => (part.type === "text" ? part.text : "")).join("") : ""
  const answers = since.findLast(({ role }) => role === "tool")
  return {
    text,
    round: since.filter(({ role }) => role === "assistant").length,
    results:
      answers?.role === "tool"
        ? answers.content.flatMap((part) =>
            part.type === "tool-result" ? [{ name: part.name, isFailure: part.isFailure, result: part.result }] : []
          )
        : [],
    tools: tools.map(({ name }) => name),
    prompt
  }
}

const failed = ({ failure }: Reply, method: string) =>
  failure === undefined ? Effect.void : Effect.fail(AiError.make({ module: "ModelScripted", method, reason: failure }))

const piecesOf = ({ text = [] }: Reply): ReadonlyArray<string> => (typeof text === "string" ? [text] : text)

const callParts = ({ calls = [] }: Reply, round: number): ReadonlyArray<Response.ToolCallPartEncoded> =>
  calls.map(({ name, params }, index) => ({ type: "tool-call", id: `call-${round}-${index}`, name, params }))

const finishOf = (asked: Asked, reply: Reply): Response.FinishPartEncoded => {
  const spoken = piecesOf(reply).join("").length + JSON.stringify(reply.calls ?? []).length
  const { input, output } = reply.tokens ?? {
    input: Math.ceil(JSON.stringify(asked.prompt.content).length / 4),
    output: Math.ceil(spoken / 4)
  }
  return {
    type: "finish",
    reason: reply.finish ?? ((reply.calls ?? []).length > 0 ? "tool-calls" : "stop"),
    usage: { inputTokens: { total: input }, outputTokens: { total: output } }
  }
}

const metadata: Response.ResponseMetadataPartEncoded = { type: "response-metadata", modelId: modelName }

const wholeParts = (asked: Asked, reply: Reply): Array<Response.PartEncoded> => {
  const text = piecesOf(reply).join("")
  return [
    metadata,
    ...(text === "" ? [] : [{ type: "text" as const, text }]),
    ...callParts(reply, asked.round),
    finishOf(asked, reply)
  ]
}

const beginningParts = (reply: Reply): ReadonlyArray<Response.StreamPartEncoded> => {
  const pieces = piecesOf(reply)
  return [
    metadata,
    ...(pieces.length === 0 ? [] : [{ type: "text-start" as const, id: "text" }]),
    ...pieces.map((delta) => ({ type: "text-delta" as const, id: "text", delta }))
  ]
}

const endingParts = (asked: Asked, reply: Reply): ReadonlyArray<Response.StreamPartEncoded> => [
  ...(piecesOf(reply).length === 0 ? [] : [{ type: "text-end" as const, id: "text" }]),
  ...callParts(reply, asked.round),
  finishOf(asked, reply)
]
