/**
 * Keeps what models and tools are told out of traces: `effect/ai` notes the arguments of a tool on the span at hand.
 */
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** Runs an effect whose spans hang on the one at hand, which it can add nothing to. */
export const sealed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.serviceOption(Tracer.ParentSpan), (parent) => {
    if (parent._tag === "None") return effect
    const { sampled, spanId, traceId } = parent.value
    const external = Tracer.externalSpan({ spanId, traceId, sampled })
    return Effect.provideService(effect, Tracer.ParentSpan, external) as Effect.Effect<A, E, R>
  })
