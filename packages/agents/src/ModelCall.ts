/** One call of the host's language model: the body of a step. Bounded in time, tried again where that may help. */
import type { Actor } from "@tenon/core/Actor"
import type * as RunEvents from "@tenon/core/RunEvents"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import type * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ModelAnswer from "./ModelAnswer.ts"
import * as ModelFailure from "./ModelFailure.ts"
import type { ModelSettings } from "./ModelSettings.ts"

/** What a call works with. */
export interface Setting {
  readonly model: LanguageModel.LanguageModel
  readonly settings: ModelSettings
  readonly events: RunEvents.RunEvents["Service"]
  readonly actor: Actor
  readonly run: string
  /** Which call of the run it is. */
  readonly step: string
}

/** How the program asked. */
export type Method = "generateText" | "streamText"

/** Calls until there is an answer, the failure is one that stays, or the time is over. */
export const perform = (
  setting: Setting,
  method: Method,
  options: LanguageModel.ProviderOptions
): Effect.Effect<ModelAnswer.ModelAnswer, ModelFailure.ModelFailed> => {
  const { attempts, deadline } = setting.settings
  let begun = 0
  const attempt: Effect.Effect<ModelAnswer.ModelAnswer, ModelFailure.ModelFailed> = Effect.suspend(() => {
    begun++
    return Effect.catch(bounded(setting, once(setting, method, options)), ({ error, failed }) => {
      const wait = error?.retryAfter ?? Duration.millis(250 * 2 ** begun)
      const hopeless = begun >= attempts || Duration.isGreaterThan(wait, Duration.fromInputUnsafe(deadline))
      if (error?.isRetryable !== true || hopeless) return Effect.fail(failed)
      return Effect.andThen(Effect.sleep(wait), attempt)
    })
  })
  // The step has a span of the framework's own; that of `effect/ai` would show how a call failed in its own words.
  return Effect.withTracerEnabled(attempt, false).pipe(
    Effect.timeoutOrElse({ duration: deadline, orElse: () => Effect.fail(timedOut(deadline)) })
  )
}

const timedOut = (after: Duration.Input) =>
  new ModelFailure.ModelFailed({
    reason: "Timeout",
    problem: `nothing came within ${Duration.format(Duration.fromInputUnsafe(after))}.`
  })

const broken = new ModelFailure.ModelFailed({
  reason: "Defect",
  problem: "something unexpected happened; the log of the application says what."
})

interface Failed {
  readonly failed: ModelFailure.ModelFailed
  readonly error?: AiError.AiError
}

/** A model that does not stop when it is told to is left behind. */
const bounded = <A>(setting: Setting, effect: Effect.Effect<A, AiError.AiError>): Effect.Effect<A, Failed> =>
  Effect.timeoutOrElse(
    apart(
      Effect.mapError(effect, (error): Failed => ({ error, failed: ModelFailure.describe(error) })).pipe(
        // A bug of an adapter would have the run tried again and then set aside, and its thread with it.
        Effect.catchDefect((defect) =>
          Effect.andThen(Effect.logError("A language model has a bug", defect), Effect.fail<Failed>({ failed: broken }))
        )
      )
    ),
    {
      duration: setting.settings.timeout,
      orElse: () => Effect.fail<Failed>({ failed: timedOut(setting.settings.timeout) })
    }
  )

const apart = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), (fiber) =>
    Effect.onInterrupt(Fiber.join(fiber), () => Effect.asVoid(Effect.forkDetach(Fiber.interrupt(fiber))))
  )

const once = (
  setting: Setting,
  method: Method,
  options: LanguageModel.ProviderOptions
): Effect.Effect<ModelAnswer.ModelAnswer, AiError.AiError> =>
  Effect.gen(function* () {
    const { responseFormat } = options
    yield* tell(setting, {
      type: "step",
      data: { step: setting.step, state: "begun" },
      key: `${setting.step}/begun`,
      otherwise: { type: "truncate", data: { step: setting.step } }
    })
    const content =
      responseFormat.type === "json"
        ? yield* generateObject(setting, options, responseFormat)
        : method === "streamText"
          ? yield* streamed(setting, options)
          : (yield* setting.model.generateText(request(options))).content
    return yield* Effect.mapError(ModelAnswer.make(content, method === "streamText"), (error) =>
      AiError.make({
        module: "LanguageModel",
        method,
        reason: AiError.InvalidOutputError.fromSchemaError(error)
      })
    )
  })

const tell = ({ actor, events, run }: Setting, draft: RunEvents.Draft) => events.publish(actor, run, draft)

/** Tools are described to the model here and called outside of the step. */
const request = ({ prompt, toolChoice, tools }: LanguageModel.ProviderOptions) => ({
  prompt,
  toolkit: described(tools),
  toolChoice,
  disableToolCallResolution: true as const,
  toolCallValidation: "deferred" as const
})

/** A tool as far as its description goes. */
type Plain = Tool.Tool<
  string,
  {
    readonly parameters: Schema.Codec<unknown>
    readonly success: Schema.Codec<unknown>
    readonly failure: Schema.Codec<unknown>
    readonly failureMode: "return"
  }
>

const described = (tools: ReadonlyArray<Tool.Any>): Toolkit.WithHandler<{ [name: string]: Plain }> => ({
  tools: Object.fromEntries(tools.map((tool) => [tool.name, tool as Plain])),
  handle: () => Effect.die(new Error("A tool is called by the run, not by the step of its model"))
})

const streamed = (
  setting: Setting,
  options: LanguageModel.ProviderOptions
): Effect.Effect<ReadonlyArray<Response.AnyPart>, AiError.AiError> =>
  setting.model.streamText(request(options)).pipe(
    Stream.tap((part) =>
      part.type === "text-delta"
        ? tell(setting, { type: "token", data: { step: setting.step, text: part.delta } })
        : part.type === "error"
          ? Effect.fail(inStream(part.error))
          : Effect.void
    ),
    Stream.runCollect
  )

const inStream = (error: unknown) =>
  AiError.isAiError(error)
    ? error
    : AiError.make({
        module: "LanguageModel",
        method: "streamText",
        reason: new AiError.UnknownError({ description: "the answer broke off" })
      })

/** The model's own encoding of an object is its provider's; what is kept is the encoding that the program reads. */
const generateObject = (
  { model }: Setting,
  options: LanguageModel.ProviderOptions,
  { objectName, schema }: Extract<LanguageModel.ProviderOptions["responseFormat"], { readonly type: "json" }>
): Effect.Effect<ReadonlyArray<Response.AnyPart>, AiError.AiError> =>
  Effect.gen(function* () {
    const object = schema as Schema.Codec<unknown, { [member: string]: unknown }>
    const { content, value } = yield* model.generateObject({ ...request(options), objectName, schema: object })
    const { codec } = LanguageModel.defaultCodecTransformer(object)
    const encoded = yield* Effect.orDie(Schema.encodeUnknownEffect(codec)(value))
    const [first, ...rest] = content.filter((part) => part.type === "text")
    return content.flatMap((part): ReadonlyArray<Response.AnyPart> =>
      part === first ? [{ ...part, text: JSON.stringify(encoded) }] : rest.includes(part as never) ? [] : [part]
    )
  })
