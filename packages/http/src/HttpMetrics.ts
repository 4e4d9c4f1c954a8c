/** What the door counts and measures, in Effect's metric registry. */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

type Labels = { readonly [label: string]: string }

// Each series is a metric of its own: one that is derived by `withAttributes` makes a context at every update.
const requests = (attributes: Labels) =>
  Metric.counter("tenon_http_requests_total", { description: "Requests answered.", incremental: true, attributes })

const latency = (attributes: Labels) =>
  Metric.histogram("tenon_http_request_duration_seconds", {
    description: "Time from a request's headers to its answer.",
    boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    attributes
  })

const outcomes = (attributes: Labels) =>
  Metric.counter("tenon_actions_total", {
    description: "Actions performed for a caller, by outcome: ok, or the failure's tag.",
    incremental: true,
    attributes
  })

type Labelled<M> = (context: Context.Context<never>, value: M) => void

/** Series of a metric by a label's value, each made once. Values are of fixed sets, never a caller's own words. */
const series = <Input, State>(make: (label: string) => Metric.Metric<Input, State>) => {
  const made = new Map<string, Metric.Metric<Input, State>>()
  return (label: string): Metric.Metric<Input, State> => {
    let found = made.get(label)
    if (found === undefined) made.set(label, (found = make(label)))
    return found
  }
}

/** Counts and times the answers of a route. */
export const answers = (
  method: string,
  route: string
): Labelled<{ readonly status: number; readonly seconds: number }> => {
  const byStatus = series((status) => requests({ method, route, status }))
  const timed = latency({ method, route })
  return (context, { seconds, status }) => {
    byStatus(String(status)).updateUnsafe(1, context)
    timed.updateUnsafe(seconds, context)
  }
}

/** Counts what came of an action. */
export const actions = (action: string): ((outcome: string) => Effect.Effect<void>) => {
  const byOutcome = series((outcome) => outcomes({ action, outcome }))
  return (outcome) => Metric.update(byOutcome(outcome), 1)
}
