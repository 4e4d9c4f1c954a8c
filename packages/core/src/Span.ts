/**
 * Spans of the framework's own work. They tell where time went and what came of it, never what a caller said: no input,
 * no row, no failure's sentence. Where nothing records spans they cost a look at the fiber.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"

/** What a span says of itself, in the words of OpenTelemetry's semantic conventions where they have some. */
export interface Options {
  readonly name: string
  readonly kind?: Tracer.SpanKind
  /** What it goes on from. Default: the span at hand. */
  readonly parent?: Tracer.AnySpan | undefined
  readonly attributes?: { readonly [name: string]: unknown }
  /** What there is to say of a value, and its type of error where the value stands for one. */
  readonly concluded?: (value: unknown) => Conclusion
  /** Further attributes of an error. */
  readonly failed?: (failure: unknown) => { readonly [name: string]: unknown }
  /** Whether a failure is an answer rather than an error. Default: never. */
  readonly isAnswer?: (failure: unknown) => boolean
}

/** What a value says of how its span ended. */
export interface Conclusion {
  readonly attributes: { readonly [name: string]: unknown }
  readonly error: string | undefined
}

/** Whether anyone listens: the default tracer makes spans that nobody can see. */
const isRecorded = ({ cache }: Fiber.Fiber<unknown, unknown>): boolean =>
  cache.tracerEnabled && cache.tracer !== undefined && cache.tracer !== Tracer.nativeTracer

/** Runs an effect in a span, where spans are recorded; `options` is asked for there only. */
export const within = <A, E, R>(options: () => Options, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => (isRecorded(fiber) ? recorded(options(), () => effect) : effect))

/** As `within`, for an effect that has something to add to its span as it goes; without a span it is given none. */
export const use = <A, E, R>(
  options: () => Options,
  body: (span: Tracer.Span | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => (isRecorded(fiber) ? recorded(options(), body) : body(undefined)))

const recorded = <A, E, R>(
  options: Options,
  body: (span: Tracer.Span) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Effect.makeSpan(options.name, {
      kind: options.kind ?? "internal",
      attributes: options.attributes ?? {},
      ...(options.parent === undefined ? {} : { parent: options.parent })
    }),
    (span) =>
      Effect.onExit(
        Effect.provideService(
          Effect.suspend(() => body(span)),
          Tracer.ParentSpan,
          span
        ) as Effect.Effect<A, E, R>,
        (exit) => Effect.map(Clock.Clock, (clock) => end(span, clock.currentTimeNanosUnsafe(), exit, options))
      )
  )

const end = (span: Tracer.Span, at: bigint, exit: Exit.Exit<unknown, unknown>, options: Options): void => {
  if (Exit.isSuccess(exit)) {
    const conclusion = options.concluded?.(exit.value)
    annotate(span, conclusion?.attributes ?? {})
    return conclusion?.error === undefined ? span.end(at, Exit.void) : fail(span, at, conclusion.error, {})
  }
  if (Cause.hasInterruptsOnly(exit.cause)) return span.end(at, exit)
  const problem = Cause.squash(exit.cause)
  if (Cause.hasDies(exit.cause)) return fail(span, at, typeOf(problem), {})
  if (options.isAnswer?.(problem) !== true) return fail(span, at, typeOf(problem), options.failed?.(problem) ?? {})
  span.attribute("tenon.failure", typeOf(problem))
  span.end(at, Exit.void)
}

const fail = (span: Tracer.Span, at: bigint, type: string, attributes: { readonly [name: string]: unknown }): void => {
  annotate(span, { "error.type": type, ...attributes })
  span.end(at, Exit.die(new Wordless(type)))
}

const annotate = (span: Tracer.Span, attributes: { readonly [name: string]: unknown }): void => {
  for (const [name, value] of Object.entries(attributes)) span.attribute(name, value)
}

/** Stands in a span for a failure, whose own sentence and stack may quote what is nobody's business. */
class Wordless extends Error {
  constructor(type: string) {
    super(type)
    this.name = type
    this.stack = type
  }
}

const typeOf = (problem: unknown): string =>
  Predicate.hasProperty(problem, "_tag") && typeof problem._tag === "string"
    ? problem._tag
    : problem instanceof Error
      ? problem.name
      : "unknown"

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** A span as W3C Trace Context (Level 1, 3.2) writes it; `undefined` for one that has no sound ids. */
export const format = (span: Tracer.AnySpan): string | undefined => {
  const text = `00-${span.traceId.padStart(32, "0")}-${span.spanId}-${span.sampled ? "01" : "00"}`
  return pattern.test(text) ? text : undefined
}

/** The span at hand as `traceparent`, to go with what is asked of others. */
export const current: Effect.Effect<string | undefined> = Effect.withFiber(({ cache }) =>
  Effect.succeed(cache.span === undefined ? undefined : format(cache.span))
)

/** Makes an effect part of the trace that it was asked for in. */
export const resume = <A, E, R>(trace: string | undefined, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const parent = parse(trace)
  return parent === undefined
    ? effect
    : (Effect.provideService(effect, Tracer.ParentSpan, parent) as Effect.Effect<A, E, R>)
}

/** Reads a `traceparent`; `undefined` where it is not sound. */
export const parse = (trace: string | undefined): Tracer.ExternalSpan | undefined => {
  const [, traceId = "", spanId = "", flags = "00"] = pattern.exec(trace ?? "") ?? []
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}
