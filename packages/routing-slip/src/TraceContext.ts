/** Carries a trace across hops, as W3C Trace Context (Level 1, section 3.2) writes it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

interface Headers {
  readonly [name: string]: string
}

/** The headers of the span at hand; none where there is none, or where nothing is traced. */
export const capture: Effect.Effect<Headers> = Effect.map(Effect.option(Effect.currentSpan), (found): Headers => {
  if (Option.isNone(found)) return {}
  const { sampled, spanId, traceId } = found.value
  const traceparent = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
  return pattern.test(traceparent) ? { traceparent } : {}
})

/** The headers for the message that follows. A worker that traces nothing hands on what it was given. */
export const follow = (incoming: Headers): Effect.Effect<Headers> =>
  Effect.map(capture, (own) => ({ ...incoming, ...own }))

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The span that a message comes from, where its headers name one. */
export const parentOf = (headers: { readonly [name: string]: string }): Tracer.ExternalSpan | undefined => {
  const [, traceId = "", spanId = "", flags = "00"] = pattern.exec(headers["traceparent"] ?? "") ?? []
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}

/** Tells of the span at hand that these messages have led to it too, besides the one that is its parent. */
export const linkTo = (messages: ReadonlyArray<Headers>): Effect.Effect<void> =>
  Effect.map(Effect.option(Effect.currentSpan), (found) => {
    if (Option.isNone(found)) return
    const spans = messages.flatMap((headers) => parentOf(headers) ?? [])
    found.value.addLinks(spans.map((span) => ({ span, attributes: {} })))
  })
