/** Waits for what an outcome sends, or a run does, which comes after the call that caused it. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { inspect } from "node:util"

/** How to wait. */
export interface Options {
  /** How long, at most. Default: ten seconds. */
  readonly within?: Duration.Input
}

/** Between two looks, in milliseconds. */
const pause = 10

/** Of the real clock, so that work goes on meanwhile also where a test clock stands still. */
const rest = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, pause)))

const seenLast = <A, E>(exit: Exit.Exit<A, E>): string =>
  Exit.isSuccess(exit) ? inspect(exit.value, { depth: 4, breakLength: 120 }) : Cause.pretty(exit.cause)

/**
 * Looks again until it holds, and gives what was seen then. What fails does not hold yet: a row may not be there yet.
 * Where the time runs out it dies, and says what was seen last.
 */
export const eventually = Effect.fnUntraced(function* <A, E, R>(
  look: Effect.Effect<A, E, R>,
  holds: (seen: A) => boolean,
  { within = "10 seconds" }: Options = {}
): Effect.fn.Return<A, never, R> {
  const end = performance.now() + Duration.toMillis(within)
  for (;;) {
    const exit = yield* Effect.exit(look)
    if (Exit.isSuccess(exit) && holds(exit.value)) return exit.value
    if (Exit.hasInterrupts(exit)) return yield* Effect.interrupt
    if (performance.now() > end) {
      const waited = Duration.format(Duration.fromInputUnsafe(within))
      return yield* Effect.die(new Error(`It did not come about within ${waited}; last seen: ${seenLast(exit)}`))
    }
    yield* rest
  }
})
