/** Carries a trace across hops, as W3C Trace Context (Level 1, section 3.2) writes it. */
import * as Span from "@tenon/core/Span"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

interface Headers {
  readonly [name: string]: string
}

/** The headers of the span at hand; none where there is none, or where nothing is traced. */
export const capture: Effect.Effect<Headers> = Effect.withFiber((fiber) => Effect.succeed(headersOf(fiber)))

/** Bytes at most. They travel along without being signed, so they must not fill a message. */
export const most = 8_192

/** The bytes of headers, as a message has them. */
export const sizeOf = (headers: Headers): number => {
  for (const _ in headers) return Buffer.byteLength(JSON.stringify(headers))
  // Where nothing is traced, which each hop looks at three times.
  return 2
}

/** The headers for the message that follows. A worker that traces nothing hands on what it was given. */
export const follow = (incoming: Headers): Effect.Effect<Headers> =>
  Effect.withFiber((fiber) => {
    const own = headersOf(fiber)
    const all = { ...incoming, ...own }
    return Effect.succeed(sizeOf(all) <= most ? all : own)
  })

const headersOf = ({ context }: Fiber.Fiber<unknown, unknown>): Headers => {
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  if (span?._tag !== "Span") return {}
  const traceparent = Span.format(span)
  return traceparent === undefined ? {} : { traceparent }
}

/** The span that a message comes from, where its headers name one. */
export const parentOf = (headers: { readonly [name: string]: string }): Tracer.ExternalSpan | undefined =>
  Span.parse(headers["traceparent"])

/**
 * Has an effect run in a span of its own. The tracer that is there by default shows spans to nobody, and making one
 * costs as much as the rest of a small hop: then the effect runs under `parent` itself, so that logs can name the
 * trace.
 */
export const inSpan =
  <P extends Tracer.AnySpan>(name: string, parent: P | undefined, options: () => Tracer.SpanOptionsNoTrace) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withFiber((fiber) =>
      fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer
        ? Effect.withSpan(effect, name, {
            ...options(),
            // The same place each time, and a stack trace per message costs.
            captureStackTrace: false,
            ...(parent === undefined ? { root: true } : { parent })
          })
        : parent === undefined
          ? (effect as Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>>)
          : Effect.provideService(effect, Tracer.ParentSpan, parent)
    )

/** Tells of the span at hand that these messages have led to it too, besides the one that is its parent. */
export const linkTo = (messages: ReadonlyArray<Headers>): Effect.Effect<void> =>
  Effect.map(Effect.option(Effect.currentSpan), (found) => {
    if (Option.isNone(found)) return
    const spans = messages.flatMap((headers) => parentOf(headers) ?? [])
    found.value.addLinks(spans.map((span) => ({ span, attributes: {} })))
  })
