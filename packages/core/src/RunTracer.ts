/**
 * Spans of a workflow's program, which starts again from its beginning at every attempt: each has the same id every
 * time and is reported once, by the attempt in which it ended first.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { seeded } from "./RunClock.ts"
import * as Span from "./Span.ts"

/** As many hexadecimal digits as there are in `length`, a multiple of eight; the same for the same seed and index. */
const hex = (seed: string, index: number, length: number): string => {
  const next = seeded(`${seed}#${index}`)
  const word = () =>
    Math.floor(next() * 2 ** 32)
      .toString(16)
      .padStart(8, "0")
  return Array.from({ length: length / 8 }, word).join("")
}

/** The tracer that reports spans, where there is one. */
export const reporting = (context: Context.Context<never>): Tracer.Tracer | undefined => {
  const tracer = Context.getOrUndefined(context, Tracer.Tracer)
  return tracer === Tracer.nativeTracer || !Context.get(context, References.TracerEnabled) ? undefined : tracer
}

/**
 * What a run's sends go on from (`traceparent`): the run's own span, which is the first it makes. It is known from the
 * run's identity alone, whoever records spans, because a replay must sign the same.
 */
export const ofSends = (id: string, trace: string | undefined): string | undefined => {
  const parent = Span.parse(trace)
  return parent === undefined ? undefined : Span.format({ ...parent, spanId: hex(id, 0, 16) })
}

/**
 * The tracer of one attempt. `isReplay` says whether the program is where an earlier attempt has been. An attempt that
 * goes on just behind the end of a span may report that once more, under its same id.
 */
export const make = (tracer: Tracer.Tracer, id: string, isReplay: () => boolean): Tracer.Tracer => {
  let count = 0
  return Tracer.make({
    ...(tracer.context === undefined ? {} : { context: tracer.context }),
    span: (options) => {
      const span = tracer.span(options)
      const index = count++
      const end = span.end.bind(span)
      return Object.defineProperties(span, {
        spanId: { value: hex(id, index, 16) },
        ...(Option.isNone(options.parent) ? { traceId: { value: hex(`${id}/trace`, index, 32) } } : {}),
        end: {
          value: (...ending: Parameters<Tracer.Span["end"]>) => {
            if (!isReplay()) end(...ending)
          }
        }
      })
    }
  })
}

/** A program in the span of its run, which is part of the trace that the run was started in. */
export const run = <A, E, R>(
  { tenantId, workflow }: { readonly tenantId: string; readonly workflow: string },
  trace: string | undefined,
  program: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Span.resume(
    trace,
    Span.within(
      () => ({
        name: `run ${workflow}`,
        kind: "server",
        attributes: { "tenon.workflow": workflow, "tenon.tenant": tenantId }
      }),
      program
    )
  )

/** The body of a step in a span of its own, one for each time it is tried. */
export const step = <A, E, R>(workflow: string, name: string, body: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Span.within(() => ({ name: `step ${name}`, attributes: { "tenon.workflow": workflow } }), body)
