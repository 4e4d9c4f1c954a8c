/**
 * Failures as problem details (RFC 9457). What a failure is called, its status and its sentence come from the one
 * error boundary; this only lays them out.
 */
import type * as Action from "@tenon/core/Action"
import { classes, Unauthenticated } from "@tenon/core/Failure"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import type * as Schema from "effect/Schema"
import type { Exchange } from "./Exchange.ts"
import * as HttpFailure from "./HttpFailure.ts"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Reply from "./Reply.ts"

export const contentType = "application/problem+json"

/** The members that RFC 9457 or this framework gives a meaning; a failure's own fields stand beside them. */
const reserved = new Set(["type", "title", "status", "detail", "instance", "tag", "errors", "members", "requestId"])

/** `AlreadyInactive` → `already-inactive`. */
export const kebab = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .replace(/_/g, "-")
    .toLowerCase()

/** `AlreadyInactive` → `Already inactive`. */
export const title = (tag: string): string => {
  const words = kebab(tag).replace(/-/g, " ")
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** Where a kind of problem is described, relative to the server. */
export const typeOf = (tag: string): string => `/problems/${kebab(tag)}`

/** Whether a member has a meaning beyond a failure's own fields. */
export const isReserved = (member: string): boolean => reserved.has(member)

type Members = { readonly [member: string]: Schema.Json }

/** Lays out a failure. A field of its own that is named like a standard member goes into `members`. */
export const make = (
  wire: ErrorBoundary.WireFailure,
  place: { readonly instance: string; readonly requestId: string }
): Members => {
  const own: { [member: string]: Schema.Json } = {}
  const members: { [member: string]: Schema.Json } = {}
  let errors: Schema.Json | undefined
  for (const [name, value] of Object.entries(isObject(wire.detail) ? wire.detail : {})) {
    if (name === "_tag") continue
    if (name === "issues" && Array.isArray(value)) errors = value
    else (reserved.has(name) ? members : own)[name] = value
  }
  return {
    type: typeOf(wire.tag),
    title: title(wire.tag),
    status: wire.status,
    detail: wire.message,
    instance: place.instance,
    tag: wire.tag,
    requestId: place.requestId,
    ...(errors === undefined ? {} : { errors }),
    ...(Object.keys(members).length === 0 ? {} : { members }),
    ...own
  }
}

const isObject = (json: Schema.Json): json is { readonly [name: string]: Schema.Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json)

/** The response to a failure. Anything that is not declared is a bug and says nothing of itself. */
export const respond = (exchange: Exchange, failure: unknown, declared: ReadonlyArray<Action.ErrorClass>) =>
  respondWire(exchange, ErrorBoundary.show(failure, [...HttpFailure.classes, ...declared]), extraHeaders(failure))

/** The response to a failure in its wire form. */
export const respondWire = (exchange: Exchange, wire: ErrorBoundary.WireFailure, extra: Reply.Extra) => {
  const problem = make(wire, { instance: exchange.path.slice(0, 500), requestId: exchange.requestId })
  return HttpServerResponse.text(JSON.stringify(problem), {
    status: wire.status,
    contentType,
    headers: {
      ...Reply.headersOf(exchange, extra),
      "cache-control": "no-store",
      ...(wire.retryable ? { "retry-after": "1" } : {})
    }
  })
}

const extraHeaders = (failure: unknown): Reply.Extra => {
  if (failure instanceof HttpFailure.MethodNotAllowed) return { allow: failure.allowed.join(", ") }
  // What is left of the body would be read as the next request.
  if (failure instanceof HttpFailure.RequestTimeout) return { connection: "close" }
  if (!(failure instanceof Unauthenticated)) return {}
  // RFC 6750, 3.1: no error code where the request carried no credentials at all.
  return {
    "www-authenticate":
      failure.reason === noCredentials ? 'Bearer realm="tenon"' : 'Bearer realm="tenon", error="invalid_token"'
  }
}

/** Why a request without a token is refused. */
export const noCredentials = "send a token as `Authorization: Bearer …`, or an API key as `X-Api-Key`"

/** Every failure that may be the answer to any request. */
export const common: ReadonlyArray<Action.ErrorClass> = [...classes, ...HttpFailure.classes]
