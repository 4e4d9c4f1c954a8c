/**
 * The first SIGINT or SIGTERM asks a process to finish what it has in hand; whoever sends a second will not wait, and
 * nobody waits for ever: servers that it says goodbye to may have stopped answering.
 */
import type * as Scope from "effect/Scope"
import * as Effect from "effect/Effect"

const signals = ["SIGINT", "SIGTERM"] as const

/** How a process ends that does not by itself. */
export interface Options {
  /** How long after the first signal, in milliseconds. */
  readonly atMost: number
  /** What is done just before. */
  readonly now?: () => void
}

/**
 * Ends the process with the exit code 1 at the second signal, or some time after the first one, which is the runtime's
 * to heed.
 */
export const install = ({ atMost, now = () => undefined }: Options): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let timer: NodeJS.Timeout | undefined
      const end = () => {
        now()
        process.exit(1)
      }
      const late = () => {
        process.stderr.write(
          `It has not stopped within ${atMost / 1_000} seconds and is ended; what it had in hand comes again.\n`
        )
        end()
      }
      const count = () => {
        if (timer !== undefined) return end()
        timer = setTimeout(late, atMost)
        timer.unref()
      }
      for (const signal of signals) process.on(signal, count)
      return { count, stop: () => clearTimeout(timer) }
    }),
    ({ count, stop }) =>
      Effect.sync(() => {
        for (const signal of signals) process.removeListener(signal, count)
        stop()
      })
  ).pipe(Effect.asVoid)
