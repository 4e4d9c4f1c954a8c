/** What operators and load balancers ask for: whether the process lives, whether it can serve, and its metrics. */
import type { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import * as Effect from "effect/Effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Reply from "./Reply.ts"
import type { Route } from "./Routes.ts"

/** What the routes need. */
export interface Options {
  readonly checks: ReadinessChecks["Service"]
  /** True once the server has begun to stop: not ready, so that no new requests are sent here. */
  readonly draining: () => boolean
  /** Whether `/metrics` is served. */
  readonly metrics: boolean
}

/** `/health/live`, `/health/ready` and `/metrics`, all without a token. */
export const routes = ({ checks, draining, metrics }: Options): ReadonlyArray<Route> => [
  {
    method: "GET",
    path: "/health/live",
    errors: [],
    open: true,
    handle: (exchange) => Effect.sync(() => Reply.json(exchange, 200, { status: "live" }))
  },
  {
    method: "GET",
    path: "/health/ready",
    errors: [],
    open: true,
    handle: (exchange) =>
      Effect.map(checks.run, (results) => {
        const ready = !draining() && results.every((each) => each.ready)
        const status = ready ? "ready" : draining() ? "draining" : "not ready"
        return Reply.json(exchange, ready ? 200 : 503, { status, checks: results }, { "cache-control": "no-store" })
      })
  },
  ...(metrics ? [metricsRoute] : [])
]

const metricsRoute: Route = {
  method: "GET",
  path: "/metrics",
  errors: [],
  open: true,
  handle: (exchange) =>
    Effect.map(PrometheusMetrics.format(), (text) =>
      Reply.text(exchange, "text/plain; version=0.0.4; charset=utf-8", text, { "cache-control": "no-store" })
    )
}
