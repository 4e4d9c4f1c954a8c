/**
 * Carries deliveries from the outbox to the runtime: those of resources that no durable object journals. Beside that it
 * keeps the store tidy and says how much waits.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Receipts from "./Receipts.ts"
import { Runtime } from "./Runtime.ts"
import * as Span from "./Span.ts"
import { Outbox } from "./UnitOfWork.ts"

const batch = 100

/** A delivery that fails stays in the outbox and is tried again. */
const relay: Layer.Layer<never, never, Outbox | Runtime> = Layer.effectDiscard(
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

const pending = Metric.gauge("tenon_outbox_pending", {
  description: "Deliveries in the outbox, counted to 10,000 at most."
})

const measureEvery = "15 seconds"

const measure = Layer.effectDiscard(
  Effect.gen(function* () {
    const outbox = yield* Outbox
    yield* Effect.flatMap(outbox.depth, (depth) => Metric.update(pending, depth)).pipe(
      Effect.ignore,
      Effect.andThen(Effect.sleep(measureEvery)),
      Effect.forever,
      Effect.forkScoped
    )
  })
)

/** Relays, purges and measures for as long as it is provided. */
export const layer: Layer.Layer<never, never, Outbox | Receipts.Receipts | Runtime> = Layer.mergeAll(
  relay,
  measure,
  Receipts.layerPurge
)
