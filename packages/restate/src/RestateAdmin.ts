/** What Tenon needs of Restate's admin API: deployments, invocations, SQL. Requires an `HttpClient`. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"

/** Restate's admin API refused or could not be reached; `status` is absent if there was no answer. */
export class RestateAdminError extends Schema.TaggedError<RestateAdminError>()("RestateAdminError", {
  message: Schema.String,
  status: Schema.optional(Schema.Int)
}) {}

const isTransient = (error: RestateAdminError) => error.status === undefined || error.status >= 500

const send = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
  const what = `${request.method} ${request.url}`
  const unanswered = (cause: { readonly message: string }) =>
    new RestateAdminError({ message: `${what}: ${cause.message}. Is Restate running there?` })
  const response = yield* HttpClient.execute(HttpClientRequest.acceptJson(request)).pipe(
    Effect.timeout("30 seconds"),
    Effect.mapError(unanswered)
  )
  if (response.status < 400) return response
  const text = yield* response.text.pipe(Effect.mapError(unanswered))
  return yield* new RestateAdminError({ message: `${what}: ${response.status} ${text}`, status: response.status })
})

const json = (response: HttpClientResponse.HttpClientResponse) =>
  response.json.pipe(
    Effect.mapError((cause) => new RestateAdminError({ message: cause.message, status: response.status }))
  )

/** Succeeds once the node answers that it is healthy; does not retry. */
export const health = Effect.fn("RestateAdmin.health")((adminUrl: string) =>
  send(HttpClientRequest.get(`${adminUrl}/health`)).pipe(Effect.asVoid)
)

const Deployment = Schema.Struct({
  id: Schema.String,
  services: Schema.Array(Schema.Struct({ name: Schema.String, ty: Schema.String, revision: Schema.Int }))
})

export interface RegisterOptions {
  /** Replaces what the same URI served before; for development. Default: false. */
  readonly force?: boolean | undefined
  /** How long to go on while Restate or the endpoint is not there yet. Default: 20 seconds. */
  readonly patience?: Duration.Input | undefined
}

/** Tells Restate where the handlers are; retries a 5xx and a refused connection, fails at once on a 4xx. */
export const registerDeployment = Effect.fn("RestateAdmin.registerDeployment")(function* (
  adminUrl: string,
  uri: string,
  options: RegisterOptions = {}
) {
  const response = yield* send(
    HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${adminUrl}/deployments`), {
      uri,
      force: options.force ?? false
    })
  ).pipe(
    Effect.retry({
      while: isTransient,
      schedule: Schedule.upTo(Schedule.spaced(200), { duration: options.patience ?? "20 seconds" })
    })
  )
  return yield* Schema.decodeUnknownEffect(Deployment)(yield* json(response)).pipe(
    Effect.mapError((cause) => new RestateAdminError({ message: `Unexpected answer: ${cause.message}` }))
  )
})

/** Whether Restate has this deployment: not after it has lost its data. */
export const knowsDeployment = Effect.fn("RestateAdmin.knowsDeployment")((adminUrl: string, id: string) =>
  send(HttpClientRequest.get(`${adminUrl}/deployments/${encodeURIComponent(id)}`)).pipe(
    Effect.as(true),
    Effect.catch((error) => (error.status === 404 ? Effect.succeed(false) : Effect.fail(error)))
  )
)

const Rows = Schema.Struct({ rows: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) })

/** Reads Restate's own tables (`sys_invocation`, `sys_journal`, `state`, …) with SQL. */
export const query = Effect.fn("RestateAdmin.query")(function* (adminUrl: string, sql: string) {
  const request = HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${adminUrl}/query`), { query: sql })
  const { rows } = yield* Schema.decodeUnknownEffect(Rows)(yield* json(yield* send(request))).pipe(
    Effect.mapError((cause) => new RestateAdminError({ message: `Unexpected answer: ${cause.message}` }))
  )
  return rows
})

const onInvocation = (verb: "cancel" | "kill" | "pause" | "purge" | "resume") =>
  Effect.fn(`RestateAdmin.${verb}`)((adminUrl: string, invocationId: string) =>
    send(HttpClientRequest.patch(`${adminUrl}/invocations/${encodeURIComponent(invocationId)}/${verb}`)).pipe(
      Effect.asVoid
    )
  )

/** Asks the handler to stop: it sees a `CancelledError` at its next await, and compensates. */
export const cancel = onInvocation("cancel")

/** Ends the invocation without running any more of its handler. */
export const kill = onInvocation("kill")

/** Suspends the invocation until `resume`. */
export const pause = onInvocation("pause")

/** Goes on with a paused invocation, from its journal. */
export const resume = onInvocation("resume")

/** Forgets a completed invocation: journal, result, idempotency key, workflow state. */
export const purge = onInvocation("purge")
