/** Talks with the host's language model until it has nothing more to call: model, tools, model again. */
import type * as Resource from "@tenon/core/Resource"
import * as Issues from "@tenon/core/Issues"
import type * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import type * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Durable } from "@tenon/core/Durable"
import * as DurableToolkit from "./DurableToolkit.ts"
import type { Message } from "./Message.ts"
import {
  fromAi,
  type ModelFailure,
  ModelFailed,
  ModelRefused,
  ToolCallsInvalid,
  TooManyRounds
} from "./ModelFailure.ts"

/** What to talk about, and what the model may call. */
export interface Options<Tools extends Record<string, Tool.Any>, R> {
  readonly prompt: Prompt.RawInput
  /** What the model is told before everything else. */
  readonly system?: string
  readonly toolkit?: Effect.Effect<Toolkit.WithHandler<Tools>, never, R>
  /** How often the model is called at most. Default: 20. */
  readonly maxRounds?: number
  /** How many rounds in a row may hold a call that cannot be made. Default: 3. */
  readonly maxInvalid?: number
  /** How many tools are called at once. Default: 1, in the order in which the model named them. */
  readonly concurrency?: number
}

/** How a conversation ended. */
export interface Ended {
  /** The model's last words. */
  readonly text: string
  /** All of it, to go on from. */
  readonly prompt: Prompt.Prompt
}

type Content = ReadonlyArray<Response.AnyPart>

/**
 * Runs a conversation. Every call of the model and of a tool is a step of the run, and the model's words go out as the
 * run's events while they come. Calls that cannot be made are told to the model with the reasons.
 */
export const run = <Tools extends Record<string, Tool.Any> = {}, R = never>(
  options: Options<Tools, R>
): Effect.Effect<Ended, ModelFailure, LanguageModel.LanguageModel | Durable | R> =>
  Effect.gen(function* () {
    const durable = yield* Durable
    const { maxInvalid = 3, maxRounds = 20 } = options
    const given = options.toolkit ?? noTools
    const tools = (yield* DurableToolkit.make(durable, given as DurableToolkit.Given)) as DurableToolkit.Any
    const asked = Prompt.make(options.prompt)
    let prompt = options.system === undefined ? asked : Prompt.setSystem(asked, options.system)
    let invalid = 0
    for (let round = 1; round <= maxRounds; round++) {
      const content = yield* Effect.mapError(answer(prompt, tools), fromAi)
      prompt = Prompt.concat(prompt, Prompt.fromResponseParts(content))
      yield* checkFinish(content)
      const calls = content.filter((part) => part.type === "tool-call" && part.providerExecuted !== true)
      if (calls.length === 0) return { text: textOf(content), prompt }
      const results = yield* Effect.forEach(calls, (call) => resolve(tools, call as AnyCall), {
        concurrency: options.concurrency ?? 1
      })
      prompt = Prompt.concat(prompt, Prompt.fromResponseParts(results.map(({ part }) => part)))
      const fault = results.find(({ fault }) => fault !== undefined)
      invalid = fault === undefined ? 0 : invalid + 1
      if (fault?.fault !== undefined && invalid >= maxInvalid)
        return yield* new ToolCallsInvalid({ tool: fault.part.name.slice(0, 100), problem: fault.fault })
    }
    return yield* new TooManyRounds({ rounds: maxRounds })
  }) as Effect.Effect<Ended, ModelFailure, LanguageModel.LanguageModel | Durable | R>

const noTools: Effect.Effect<DurableToolkit.Any> = Effect.succeed({
  tools: {},
  handle: () => Effect.die(new Error("There are no tools"))
})

const answer = (prompt: Prompt.Prompt, toolkit: DurableToolkit.Any) =>
  LanguageModel.streamText({
    prompt,
    toolkit,
    disableToolCallResolution: true,
    toolCallValidation: "deferred"
  }).pipe(Stream.runCollect) as Effect.Effect<Content, AiError.AiError, LanguageModel.LanguageModel>

const checkFinish = (content: Content): Effect.Effect<void, ModelRefused | ModelFailed> => {
  const finish = content.find((part) => part.type === "finish")
  if (finish?.reason === "content-filter") return Effect.fail(new ModelRefused())
  const empty = !content.some(
    (part) =>
      part.type === "tool-call" || ((part.type === "text-delta" || part.type === "text") && textOf([part]) !== "")
  )
  return finish?.reason === "error" || empty
    ? Effect.fail(new ModelFailed({ reason: "InvalidOutputError", problem: "its answer was empty." }))
    : Effect.void
}

const textOf = (content: Content): string =>
  content.map((part) => (part.type === "text-delta" ? part.delta : part.type === "text" ? part.text : "")).join("")

type AnyCall = Response.ToolCallPart<string, unknown>

interface Resolved {
  readonly part: Response.ToolResultPart<string, unknown, unknown>
  /** Why the call could not be made at all. */
  readonly fault?: string
}

const resolve = (toolkit: DurableToolkit.Any, call: AnyCall): Effect.Effect<Resolved, never, unknown> =>
  Effect.gen(function* () {
    const tool = Object.hasOwn(toolkit.tools, call.name) ? toolkit.tools[call.name] : undefined
    const fault =
      tool === undefined
        ? `There is no such tool. There are: ${Object.keys(toolkit.tools).join(", ") || "none"}.`
        : faultOf(tool, call.params)
    if (fault !== undefined) return { part: resultOf(call, true, { error: "InvalidCall", message: fault }), fault }
    const results = yield* Stream.runCollect(Stream.unwrap(toolkit.handle(call.name, call.params as never, call.id)))
    const final = results.findLast(({ preliminary }) => !preliminary)
    return { part: resultOf(call, final?.isFailure ?? true, final?.encodedResult ?? null) }
  }) as Effect.Effect<Resolved, never, unknown>

const faultOf = (tool: Tool.Any, params: unknown): string | undefined => {
  const decode = Schema.decodeUnknownResult(tool.parametersSchema as Schema.Codec<unknown, unknown>, { errors: "all" })
  const decoded = decode(params)
  if (Result.isSuccess(decoded)) return undefined
  const issues = Issues.fromSchema(decoded.failure).slice(0, 20)
  const reasons = issues.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`))
  return `The arguments do not fit. ${reasons.join("; ").slice(0, 2000)}`
}

const resultOf = (call: AnyCall, isFailure: boolean, result: unknown) =>
  Response.makePart("tool-result", {
    id: call.id,
    name: call.name,
    providerExecuted: false,
    preliminary: false,
    isFailure,
    result,
    encodedResult: result
  }) as Response.ToolResultPart<string, unknown, unknown>

/** Two toolkits as one; of tools with one name the second's counts. */
export const merge = <A extends Record<string, Tool.Any>, R1, B extends Record<string, Tool.Any>, R2>(
  one: Effect.Effect<Toolkit.WithHandler<A>, never, R1>,
  other: Effect.Effect<Toolkit.WithHandler<B>, never, R2>
): Effect.Effect<Toolkit.WithHandler<A & B>, never, R1 | R2> =>
  Effect.zipWith(one, other, (first, second) => {
    const handle = (name: string, params: never, id?: string) =>
      Object.hasOwn(second.tools, name) ? second.handle(name, params, id) : first.handle(name, params, id)
    return {
      tools: { ...first.tools, ...second.tools },
      handle: handle as Toolkit.WithHandler<A & B>["handle"]
    }
  })

/** Messages of a thread as a prompt: what agents wrote is the assistant's, all else the user's. */
export const fromHistory = (messages: ReadonlyArray<Resource.Row<typeof Message>>): Prompt.Prompt =>
  Prompt.make(
    messages.flatMap(({ content, participantId }): ReadonlyArray<Prompt.MessageEncoded> => {
      const text =
        content.type === "text" ? content.text : content.type === "data" ? JSON.stringify(content.data) : undefined
      if (text === undefined || text === "") return []
      const role = participantId.startsWith("agent:") ? "assistant" : "user"
      return [{ role, content: [{ type: "text", text }] }]
    })
  )
