/**
 * Spans of a workflow's program, which starts again from its beginning at every attempt: each has the same id every time
 * and is reported once, by the attempt in which it ended first.
 */
import * as NodeCrypto from "node:crypto"
import * as Span from "@tenon/core/Span"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

const hex = (seed: string, index: number, length: number): string =>
  NodeCrypto.hash("sha256", `${seed}#${index}`, "hex").slice(0, length)

/** The tracer that reports spans, where there is one. */
export const reporting = (context: Context.Context<never>): Tracer.Tracer | undefined => {
  const tracer = Context.getOrUndefined(context, Tracer.Tracer)
  return tracer === Tracer.nativeTracer || !Context.get(context, References.TracerEnabled) ? undefined : tracer
}

/**
 * What a run's sends go on from (`traceparent`): the run's own span, which is the first it makes. It is known from the
 * run's context alone, whoever records spans, because a replay must sign the same.
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
