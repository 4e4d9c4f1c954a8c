/**
 * Slips grow old: once one has been over for long it is removed from the store, with its events and all that its hops
 * left.
 *
 * Its name is kept, so that the slip is not begun a second time and a message of it that comes late, from a broker or
 * driven back from the dead letters, is refused as `replayed`. A slip that is not over is never removed. A store that
 * sees only some of a slip's workers may never learn of its end, and keeps what it knows.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { HopStore } from "./HopStore.ts"

/** How long a slip is kept once it is over. */
export const Retention = Context.Reference<Duration.Duration>("@tenon/routing-slip/Retention", {
  defaultValue: () => Duration.days(30)
})

const batch = 100
const every = "10 minutes"
const breath = "50 millis"

/** Removes old slips for ever, in batches small enough to be in nobody's way. */
export const run: Effect.Effect<never, never, HopStore> = Effect.gen(function* () {
  const store = yield* HopStore
  const age = Duration.toMillis(yield* Retention)
  const once = store.purge(age, batch).pipe(
    Effect.delay(breath),
    // The last look finds nothing, but what was stored of the slips of the one before while those were removed.
    Effect.repeat({ while: (count) => count > 0 }),
    Effect.catch((failure) => Effect.logWarning("Old slips could not be purged", failure.message))
  )
  return yield* once.pipe(Effect.delay(every), Effect.forever)
})
