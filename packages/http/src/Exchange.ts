/** One request on its way through the door. */
import type { ActionFailure } from "@tenon/core/Failure"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

/** What is known of a request, worked out once. */
export interface Exchange {
  readonly request: HttpServerRequest
  readonly headers: Headers.Headers
  readonly method: string
  /** As it was sent: not decoded, without the query. */
  readonly path: string
  /** As it was sent: not decoded, without the question mark. */
  readonly query: string
  /** The caller's, where it is a sound one, or a new one. */
  readonly requestId: string
  /** Milliseconds of `performance.now()`. */
  readonly startedAt: number
  /** The path parameters of the route, in order and not decoded. */
  params: ReadonlyArray<string>
  /** The route's template, for metrics and logs. */
  route: string
  /** The tenant and actor, once they are known. */
  tenantId: string | undefined
  actorId: string | undefined
  /** Fails once the credentials no longer count: what goes on for long asks it again and again. */
  admitted: Effect.Effect<unknown, ActionFailure>
  /** Whether its body is still arriving. */
  arriving: boolean
  timedOut: boolean
}

const soundId = /^[A-Za-z0-9._:/+=-]{1,128}$/

/** Begins an exchange. */
export const make = (request: HttpServerRequest): Exchange => {
  const { headers, url } = request
  const mark = url.indexOf("?")
  const given = headers["x-request-id"]
  return {
    request,
    headers,
    method: request.method,
    path: mark === -1 ? url : url.slice(0, mark),
    query: mark === -1 ? "" : url.slice(mark + 1),
    requestId: given !== undefined && soundId.test(given) ? given : globalThis.crypto.randomUUID(),
    startedAt: performance.now(),
    params: [],
    route: "unmatched",
    tenantId: undefined,
    actorId: undefined,
    admitted: Effect.void,
    arriving: false,
    timedOut: false
  }
}
