/**
 * Carries deliveries from the outbox to the runtime: those of resources that no durable object journals. Beside that it
 * keeps the store tidy and says how much waits.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as Receipts from "./Receipts.ts"
import { Runtime } from "./Runtime.ts"
import * as Span from "./Span.ts"
import { Outbox } from "./UnitOfWork.ts"

const batch = 100

/**
 * How many drains may go on at once, and how long the next one waits for the last: most have ended by then. One that
 * goes on has a delivery that takes long, so there are no more than an outbox lets begin.
 */
const drains = 2000
const patience = "100 millis"

/** A delivery that fails stays in the outbox and is tried again; one that takes long keeps no other from its turn. */
const relay: Layer.Layer<never, never, Outbox | Runtime> = Layer.effectDiscard(
  Effect.gen(function* () {
    const outbox = yield* Outbox
    const runtime = yield* Runtime
    const scope = yield* Effect.scope
    const places = yield* Semaphore.make(drains)
    const drain = outbox
      .drain(batch, ({ actor, delivery, id, trace }) =>
        Span.resume(trace, runtime.deliver(actor, delivery, `outbox-${id}`))
      )
      .pipe(
        Effect.tapError((failure) => Effect.logWarning("The outbox could not be drained", failure.message)),
        // A bug in one drain must not end the relay.
        Effect.catchDefect((defect) =>
          Effect.andThen(Effect.logError("The outbox could not be drained", defect), Effect.fail(defect))
        ),
        Effect.ensuring(places.release(1))
      )
    const once = Effect.gen(function* () {
      yield* outbox.awaitWork
      yield* places.take(1)
      const fiber = yield* Effect.forkIn(drain, scope, { startImmediately: true })
      yield* Effect.timeoutOption(Fiber.join(fiber), patience)
    })
    yield* once.pipe(
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
