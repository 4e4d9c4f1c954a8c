/** Carries deliveries from the outbox to the runtime: those of resources that no durable object journals. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Runtime } from "./Runtime.ts"
import * as Span from "./Span.ts"
import { Outbox } from "./UnitOfWork.ts"

const batch = 100

/** Relays for as long as it is provided. A delivery that fails stays in the outbox and is tried again. */
export const layer: Layer.Layer<never, never, Outbox | Runtime> = Layer.effectDiscard(
  Effect.gen(function* () {
    const outbox = yield* Outbox
    const runtime = yield* Runtime
    const once = Effect.gen(function* () {
      yield* outbox.awaitWork
      yield* outbox.drain(batch, ({ actor, delivery, id, trace }) =>
        Span.resume(trace, runtime.deliver(actor, delivery, `outbox-${id}`))
      )
    })
    yield* once.pipe(
      Effect.tapError((failure) => Effect.logWarning("The outbox could not be drained", failure.message)),
      Effect.retry(Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])),
      Effect.forever,
      Effect.forkScoped
    )
  })
)
