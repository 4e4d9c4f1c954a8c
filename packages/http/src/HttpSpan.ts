/**
 * The span of a request, after OpenTelemetry's semantic conventions for HTTP servers. No query and no header but the
 * user agent's: both may hold what is nobody's business.
 */
import * as Span from "@tenon/core/Span"
import type * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import type { Exchange } from "./Exchange.ts"

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

/** Probes come every few seconds and say nothing in a trace. */
const isProbe = (path: string) => path === "/metrics" || path.startsWith("/health/")

const optionsOf = (exchange: Exchange): Span.Options => {
  const { headers, method, path, request, route } = exchange
  const known = methods.has(method) ? method : "_OTHER"
  const agent = headers["user-agent"]
  return {
    name: route === "unmatched" ? (known === "_OTHER" ? "HTTP" : known) : `${known} ${route}`,
    kind: "server",
    parent: Span.parse(headers["traceparent"]),
    attributes: {
      "http.request.method": known,
      "url.path": path,
      "url.scheme": "http",
      ...(route === "unmatched" ? {} : { "http.route": route }),
      ...(agent === undefined ? {} : { "user_agent.original": agent }),
      ...(Option.isSome(request.remoteAddress) ? { "client.address": request.remoteAddress.value } : {})
    }
  }
}

/** Answers a request in a span of its own, which goes on from the caller's where that names one. */
export const around = <E, R>(
  exchange: Exchange,
  answer: Effect.Effect<HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse, E, R> =>
  isProbe(exchange.path) ? answer : Span.within(() => ({ ...optionsOf(exchange), concluded }), answer)

/** Only what the server is to blame for is an error of its span. */
const concluded = (answer: unknown) => {
  const { status } = answer as HttpServerResponse
  return {
    attributes: { "http.response.status_code": status },
    error: status >= 500 ? String(status) : undefined
  }
}
