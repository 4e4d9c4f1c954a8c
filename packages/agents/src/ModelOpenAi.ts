/**
 * A language model behind an OpenAI-compatible chat completions endpoint: hosted ones and those that run beside the
 * application speak it. The key is sent to that endpoint and goes nowhere else.
 */
import * as Fingerprint from "@tenon/core/Fingerprint"
import * as StepKey from "@tenon/core/StepKey"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ModelOpenAiAnswer from "./ModelOpenAiAnswer.ts"
import * as ModelOpenAiRequest from "./ModelOpenAiRequest.ts"

/** Where the model is. */
export interface Options {
  /** What `/chat/completions` comes after, as in `https://api.openai.com/v1`. */
  readonly url: string
  /** The model's name there. */
  readonly model: string
  /** None for an endpoint that asks for none. */
  readonly apiKey?: Redacted.Redacted | undefined
}

/** The model at an endpoint. */
export const layer = (options: Options): Layer.Layer<LanguageModel.LanguageModel, never, HttpClient.HttpClient> =>
  Layer.effect(
    LanguageModel.LanguageModel,
    Effect.flatMap(HttpClient.HttpClient, (client) => {
      const send = sender(client, options)
      return LanguageModel.make({
        codecTransformer: toCodecOpenAI,
        generateText: (asked) =>
          send(asked, false).pipe(
            Effect.flatMap((response) => Effect.mapError(response.text, unreachable)),
            Effect.flatMap(ModelOpenAiAnswer.whole),
            Effect.mapError(failed("generateText"))
          ),
        streamText: (asked) =>
          Stream.unwrap(
            Effect.map(send(asked, true), (response) => {
              const lines = Stream.mapError(response.stream, unreachable).pipe(Stream.decodeText(), Stream.splitLines)
              return ModelOpenAiAnswer.streamed(lines)
            })
          ).pipe(Stream.mapError(failed("streamText")))
      })
    })
  )

/** From `MODEL_URL`, `MODEL_NAME` and, where the endpoint asks for one, `MODEL_API_KEY`. */
export const layerConfig: Layer.Layer<LanguageModel.LanguageModel, Config.ConfigError, HttpClient.HttpClient> =
  Layer.unwrap(
    Effect.gen(function* () {
      const apiKey = yield* Config.option(Config.Redacted("MODEL_API_KEY"))
      return layer({
        url: yield* Config.NonEmptyString("MODEL_URL"),
        model: yield* Config.NonEmptyString("MODEL_NAME"),
        apiKey: Option.getOrUndefined(apiKey)
      })
    })
  )

/** `layerConfig` where `MODEL_URL` is set, and another model where it is not. */
export const layerConfigOr = <E, R>(
  other: Layer.Layer<LanguageModel.LanguageModel, E, R>
): Layer.Layer<LanguageModel.LanguageModel, E | Config.ConfigError, R | HttpClient.HttpClient> =>
  Layer.unwrap(
    Effect.map(
      Config.option(Config.NonEmptyString("MODEL_URL")),
      (url): Layer.Layer<LanguageModel.LanguageModel, E | Config.ConfigError, R | HttpClient.HttpClient> =>
        Option.isSome(url) ? layerConfig : other
    )
  )

const failed = (method: string) => (reason: AiError.AiErrorReason) =>
  AiError.make({ module: "ModelOpenAi", method, reason })

/** What a failed request was is not said: its headers hold the key. */
const unreachable = (_: HttpClientError): AiError.AiErrorReason =>
  new AiError.InternalProviderError({ description: "the model's server could not be reached" })

const sender = (client: HttpClient.HttpClient, { apiKey, model, url }: Options) => {
  const target = `${url.replace(/\/+$/, "")}/chat/completions`
  return Effect.fnUntraced(function* (asked: LanguageModel.ProviderOptions, stream: boolean) {
    const body = yield* Effect.fromResult(ModelOpenAiRequest.make(model, asked, toCodecOpenAI, stream))
    const request = HttpClientRequest.post(target).pipe(
      HttpClientRequest.bodyJsonUnsafe(body),
      HttpClientRequest.setHeaders(yield* idempotent(body)),
      apiKey === undefined ? (same) => same : HttpClientRequest.bearerToken(Redacted.value(apiKey))
    )
    const response = yield* client.execute(request).pipe(
      Effect.mapError(unreachable),
      // Neither the address nor the headers are anybody's business, nor this application's traces the provider's.
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.provideService(HttpClient.TracerPropagationEnabled, false)
    )
    return response.status === 200 ? response : yield* refusal(response)
  })
}

/**
 * The same for a request that a crash or a lost answer has made again, and another for each that differs, even within a
 * step. Outside of one there is nothing to tell a repetition from a second question by.
 */
const idempotent = (body: object) =>
  Effect.flatMap(StepKey.idempotencyKey, (key) =>
    key === undefined
      ? Effect.succeed({})
      : Effect.map(Fingerprint.of([key, JSON.stringify(body)]), (once) => ({ "idempotency-key": once }))
  )

/** What a status means. The words of the answer are left out, since some repeat the key. */
const refusal = (response: HttpClientResponse): Effect.Effect<never, AiError.AiErrorReason> => {
  const { status } = response
  const description = `the model's server answered ${status}`
  const reason =
    status === 429
      ? new AiError.RateLimitError({ retryAfter: retryAfter(response) })
      : status === 408 || status === 409
        ? new AiError.InternalProviderError({ description })
        : AiError.reasonFromHttpStatus({ status, description })
  return Effect.fail(reason)
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
const retryAfter = ({ headers }: HttpClientResponse): Duration.Duration | undefined => {
  const given = headers["retry-after"]
  if (given === undefined) return undefined
  const millis = /^\d+(\.\d+)?$/.test(given) ? Number(given) * 1000 : Date.parse(given) - Date.now()
  return Number.isFinite(millis) ? Duration.millis(Math.max(0, millis)) : undefined
}
