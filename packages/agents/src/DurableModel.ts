/**
 * `effect/ai`'s `LanguageModel` inside a run: every call is a step, so a call that was answered is never made again,
 * and its answer is the same in every replay. A stream gives its parts once the answer is kept; who wants to see words
 * as they come watches the run's events.
 */
import type { Durable } from "@tenon/core/Durable"
import { RunEvents } from "@tenon/core/RunEvents"
import { IdGenerator } from "effect/ai/IdGenerator"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { AgentContext } from "./AgentContext.ts"
import * as DurableToolkit from "./DurableToolkit.ts"
import * as ModelAnswer from "./ModelAnswer.ts"
import * as ModelBudget from "./ModelBudget.ts"
import * as ModelCall from "./ModelCall.ts"
import * as ModelFailure from "./ModelFailure.ts"
import { CurrentModelSettings } from "./ModelSettings.ts"

/** Runs a program with the model and the ids of its run, where the host has a model. */
export const provide = <A, E, R>(
  program: Effect.Effect<A, E, R>,
  durable: Durable["Service"],
  context: AgentContext<unknown>
): Effect.Effect<A, E, R | RunEvents> =>
  Effect.gen(function* () {
    const host = yield* Effect.serviceOption(LanguageModel.LanguageModel)
    const ids = idsOf(context)
    const withIds = Effect.provideService(program, IdGenerator, ids)
    if (Option.isNone(host)) return yield* withIds
    const model = yield* Effect.provideService(make(durable, host.value), IdGenerator, ids)
    return yield* Effect.provideService(withIds, LanguageModel.LanguageModel, model)
  })

/** Ids of tool calls and approvals that follow from the run's key. */
const idsOf = ({ run }: AgentContext<unknown>): IdGenerator["Service"] => {
  let made = 0
  return { generateId: () => Effect.sync(() => `${run}.id${++made}`) }
}

/** About how many tokens a prompt takes: one per four characters of its words. */
const tokensOf = ({ prompt }: LanguageModel.ProviderOptions): number => {
  let length = 0
  for (const { content } of prompt.content)
    if (typeof content === "string") length += content.length
    else
      for (const part of content)
        length +=
          part.type === "text" || part.type === "reasoning"
            ? part.text.length
            : part.type === "tool-call"
              ? (JSON.stringify(part.params) ?? "").length
              : part.type === "tool-result"
                ? (JSON.stringify(part.result) ?? "").length
                : 0
  return Math.ceil(length / 4)
}

const make = Effect.fnUntraced(function* (durable: Durable["Service"], host: LanguageModel.LanguageModel) {
  const events = yield* RunEvents
  const settings = yield* CurrentModelSettings
  const { actor, key: run } = durable
  let calls = 0

  const call = Effect.fnUntraced(function* (method: ModelCall.Method, options: LanguageModel.ProviderOptions) {
    const step = `model${++calls}`
    const setting = { model: host, settings, events, actor, run, step }
    const body = durable.step(step, ModelCall.perform(setting, method, options), {
      success: ModelAnswer.ModelAnswer,
      failure: ModelFailure.ModelFailed
    })
    const answer = yield* ModelBudget.spend(
      durable,
      { step, settings, tokens: settings.reserve + tokensOf(options) },
      body
    ).pipe(
      Effect.mapError(ModelFailure.toAi),
      Effect.tapError((failure) =>
        events.publish(actor, run, {
          type: "step",
          data: { step, state: "failed", problem: ModelFailure.fromAi(failure).message },
          key: `${step}/ended`
        })
      )
    )
    yield* events.publish(actor, run, {
      type: "step",
      data: { step, state: "ended", text: ModelAnswer.textOf(answer) },
      key: `${step}/ended`
    })
    return answer.parts
  })

  // The journal keeps parts as JSON that `ModelAnswer.make` has encoded from parts of the very kind that is given back.
  const inner = yield* LanguageModel.make({
    supportsSystemMessagesInHistory: host.supportsSystemMessagesInHistory,
    generateText: (options) =>
      Effect.map(call("generateText", options), (parts) => [...parts] as unknown as Array<Response.PartEncoded>),
    streamText: (options) =>
      Stream.unwrap(
        Effect.map(call("streamText", options), (parts) =>
          Stream.fromIterable(parts as unknown as ReadonlyArray<Response.StreamPartEncoded>)
        )
      )
  })

  /** Handlers of tools become steps too, however the program asks. */
  const withSteps = (options: { readonly toolkit?: unknown }): never =>
    (options.toolkit === undefined
      ? options
      : { ...options, toolkit: DurableToolkit.make(durable, options.toolkit as DurableToolkit.Given) }) as never

  // Each method is overloaded by its toolkit, which no function that wraps them all can say of its own options.
  return LanguageModel.LanguageModel.of({
    ...inner,
    generateText: (options: never) => inner.generateText(withSteps(options)),
    generateObject: (options: never) => inner.generateObject(withSteps(options)),
    streamText: (options: never) => inner.streamText(withSteps(options))
  } as unknown as LanguageModel.LanguageModel)
})
