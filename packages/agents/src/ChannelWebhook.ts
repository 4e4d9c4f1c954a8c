/**
 * Channels of the kind `webhook`: every message a POST of JSON, signed as https://www.standardwebhooks.com specifies.
 * A 2xx is an arrival; 410 pauses the channel; 429 and 503 may say when to come again (`Retry-After`); another 4xx is
 * tried three times. Redirects are not followed, and nothing of an answer but its status is read.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as ChannelAdapter from "./ChannelAdapter.ts"
import { kind } from "./ChannelWebhookKind.ts"
import * as OutboundAddress from "./OutboundAddress.ts"
import * as OutboundHttp from "./OutboundHttp.ts"
import * as WebhookSignature from "./WebhookSignature.ts"

/** What a host may set. */
export interface Options {
  /** Networks that are not public and may be posted to all the same, as `127.0.0.0/8`. Default: none. */
  readonly allow?: ReadonlyArray<string>
}

/** How often a refusal of the receiver (4xx) is tried, where the channel does not say fewer. */
const refusals = 3

const standardTimeout = 10_000

/** The adapter. Networks that it cannot read are a mistake in the program. */
export const adapter = (options: Options = {}) =>
  Effect.sync(() => OutboundAddress.allowList(options.allow ?? [])).pipe(
    Effect.flatMap((allowed) =>
      Effect.map(Layer.build(OutboundHttp.layer(allowed)), (context) =>
        ChannelAdapter.make(kind, ({ timeoutMillis = standardTimeout, url }, secrets, message) =>
          OutboundHttp.isRefused(allowed, new URL(url))
            ? notAllowed
            : post(url, secrets, message).pipe(
                Effect.timeoutOrElse({
                  duration: timeoutMillis,
                  orElse: () => failed(`no answer within ${timeoutMillis} ms`)
                }),
                Effect.provideContext(context)
              )
        )
      )
    )
  )

const failed = (message: string, options?: Partial<ChannelAdapter.DeliveryFailed>) =>
  Effect.fail(new ChannelAdapter.DeliveryFailed({ message, retryable: true, ...options }))

const notAllowed = failed("the address is not a public one", { retryable: false })

const post = Effect.fnUntraced(
  function* (url: string, secrets: ReadonlyArray<Redacted.Redacted>, { id, ...data }: ChannelAdapter.Delivered) {
    const now = yield* Clock.currentTimeMillis
    const body = JSON.stringify({ type: "message.posted", timestamp: data.createdAt, data })
    const timestamp = Math.floor(now / 1000)
    const request = HttpClientRequest.post(url).pipe(
      HttpClientRequest.bodyText(body, "application/json"),
      HttpClientRequest.setHeaders({
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": WebhookSignature.sign(secrets.map(Redacted.value), { id, timestamp, body })
      })
    )
    const client = HttpClient.withScope(yield* HttpClient.HttpClient)
    const { headers, status } = yield* Effect.catch(client.execute(request), unreachable)
    if (status >= 200 && status < 300) return
    return yield* refusedWith(status, headers["retry-after"], now)
  },
  // The end of the scope closes the connection, whatever of the answer is still to come.
  Effect.scoped,
  // What a URL says besides its host is between the tenant and the receiver, and so is our trace.
  Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
  Effect.provideService(HttpClient.TracerPropagationEnabled, false)
)

const refusedWith = (status: number, retryAfter: string | undefined, now: number) => {
  const message = `the receiver answered ${status}`
  if (status === 410) return failed(message, { gone: true })
  if (status === 429 || status === 503) {
    const millis = Option.fromNullishOr(retryAfter).pipe(Option.flatMap((text) => waitOf(text, now)))
    return failed(message, Option.isSome(millis) ? { retryAfterMillis: millis.value } : {})
  }
  const kept = status >= 500 || status === 408 || status === 425
  return failed(message, kept ? {} : { atMost: refusals })
}

/** `Retry-After` in milliseconds: seconds or a date (RFC 9110, 10.2.3). */
const waitOf = (text: string, now: number): Option.Option<number> => {
  const millis = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(millis) ? Option.none() : Option.some(Math.max(0, Math.round(millis)))
}

/** Says why there was no answer by the code of the system's error alone: its message may name the URL. */
const unreachable = ({ reason }: HttpClientError) => {
  const cause: unknown = reason.cause
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "no answer"
  return code === OutboundHttp.refused ? notAllowed : failed(`the receiver cannot be reached (${code})`)
}
