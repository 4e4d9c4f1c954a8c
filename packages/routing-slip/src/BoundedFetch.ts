/** Asks servers whose answers are small JSON: a token endpoint, a key set. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as StrictJson from "./StrictJson.ts"

/** There was no answer, or not one that is read. The sentence tells nothing that was sent or received. */
export class FetchFailed extends Schema.TaggedError<FetchFailed>()("FetchFailed", { message: Schema.String }) {}

const limits: StrictJson.Limits = { maxBytes: 256 * 1024, maxDepth: 16 }

/** Whether secrets may be sent there: over TLS, or without leaving the machine. */
export const isGuarded = ({ hostname, protocol }: URL): boolean =>
  protocol === "https:" || (protocol === "http:" && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname))

/**
 * The status and the JSON of an answer within `millis` milliseconds. Redirects are not followed: they would take the
 * secrets along.
 */
export const json = (
  request: HttpClientRequest.HttpClientRequest,
  millis: number
): Effect.Effect<{ readonly status: number; readonly body: Schema.Json }, FetchFailed, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const response = yield* HttpClient.execute(request)
    let size = 0
    const chunks = yield* response.stream.pipe(
      Stream.takeWhile((chunk) => (size += chunk.byteLength) <= limits.maxBytes),
      Stream.runCollect
    )
    if (size > limits.maxBytes) return yield* new FetchFailed({ message: "the answer is too large" })
    const body = StrictJson.parseBytes(Buffer.concat(chunks), limits)
    return Result.isSuccess(body)
      ? { status: response.status, body: body.success }
      : yield* new FetchFailed({ message: `the answer, of status ${response.status}, is not JSON` })
  }).pipe(
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.timeoutOrElse({
      duration: millis,
      orElse: () => Effect.fail(new FetchFailed({ message: `there was no answer within ${millis} ms` }))
    }),
    Effect.catchTag("HttpClientError", ({ reason }) =>
      Effect.fail(new FetchFailed({ message: `there was no answer (${reason._tag})` }))
    )
  )
