/**
 * Receipts grow old: once nothing can ask for one again it is removed.
 *
 * A receipt answers whoever repeats a request under its idempotency key, and a durable invocation that is tried again
 * after a crash between commit and journal. Both are over within hours; a receipt is kept for a week, so that work
 * which an outage has held up for days is still done once. What comes again later than that is done again.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ActionFailure } from "./Failure.ts"

/** The receipts of a store. Implementations: `MemoryStore`, and `ReceiptsSql` of `@tenon/sql`. */
export class Receipts extends Context.Service<
  Receipts,
  {
    /**
     * Removes up to `limit` receipts, of whatever tenant, that are older than `age`, the oldest first; says how many.
     */
    readonly purge: (age: Duration.Duration, limit: number) => Effect.Effect<number, ActionFailure>
  }
>()("@tenon/core/Receipts") {}

/** How long receipts are kept: longer than a door's request may wait to begin and than callers repeat theirs. */
export const Retention = Context.Reference<Duration.Duration>("@tenon/core/Receipts/Retention", {
  defaultValue: () => Duration.days(7)
})

const batch = 1_000
const every = "1 minute"
const breath = "50 millis"

/** Purges for as long as it is provided, in batches small enough to be in nobody's way. */
export const layerPurge: Layer.Layer<never, never, Receipts> = Layer.effectDiscard(
  Effect.gen(function* () {
    const receipts = yield* Receipts
    const age = yield* Retention
    const once = receipts.purge(age, batch).pipe(
      Effect.delay(breath),
      Effect.repeat({ while: (count) => count === batch }),
      Effect.catch((failure) => Effect.logWarning("Old receipts could not be purged", failure.message))
    )
    yield* once.pipe(Effect.delay(every), Effect.forever, Effect.forkScoped)
  })
)
