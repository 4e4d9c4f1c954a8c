/** Carries a trace across hops, as W3C Trace Context (Level 1, section 3.2) writes it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** The headers of the span at hand; none where there is no span. */
export const capture: Effect.Effect<{ readonly [name: string]: string }> = Effect.map(
  Effect.option(Effect.currentSpan),
  (span): { readonly [name: string]: string } =>
    Option.isNone(span)
      ? {}
      : { traceparent: `00-${span.value.traceId}-${span.value.spanId}-${span.value.sampled ? "01" : "00"}` }
)

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The span that a message comes from, where its headers name one. */
export const parentOf = (headers: { readonly [name: string]: string }): Tracer.ExternalSpan | undefined => {
  const [, traceId = "", spanId = "", flags = "00"] = pattern.exec(headers["traceparent"] ?? "") ?? []
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}
