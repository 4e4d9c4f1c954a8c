/** The first SIGINT or SIGTERM asks a process to finish what it has in hand; whoever sends a second will not wait. */
import type * as Scope from "effect/Scope"
import * as Effect from "effect/Effect"

const signals = ["SIGINT", "SIGTERM"] as const

/** Calls `now` at the second signal, then ends the process with the exit code 1. The first is the runtime's to heed. */
export const install = (now: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let received = 0
      const count = () => {
        received++
        if (received < 2) return
        now()
        process.exit(1)
      }
      for (const signal of signals) process.on(signal, count)
      return count
    }),
    (count) => Effect.sync(() => signals.forEach((signal) => process.removeListener(signal, count)))
  ).pipe(Effect.asVoid)
