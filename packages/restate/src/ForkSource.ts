/** What a fork begins with: the operations of another run, which its mirror may still be telling of. */
import type { Unavailable } from "@tenon/core/Failure"
import { type Fork, isAlive, type Operation, type RunJournal, type RunKey } from "@tenon/core/RunJournal"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** How long a fork waits for the rest of a run that is over, or about to be: longer than a mirror is behind. */
const patience = { schedule: Schedule.spaced("50 millis"), times: 40 }

/** The operations of `run`, for a run of `key` that is a fork of it; of one that goes on, those that it has done. */
export const operations = (
  journal: RunJournal["Service"],
  run: RunKey,
  fork: Fork,
  key: string
): Effect.Effect<ReadonlyArray<Operation>, Unavailable> => {
  // First where it stands: once it is over, all that it did is there.
  const read = Effect.gen(function* () {
    const standing = yield* journal.standing(run)
    const found = yield* journal.operations(run)
    const isLost = fork.key === key
    const isEnough = fork.operations !== undefined && found.length >= fork.operations
    // One of which nothing is known yet may have begun, and ended, in this moment.
    const isStill = standing !== undefined && (!isAlive(standing.status) || standing.status === "paused")
    return { found, isComplete: isLost || isEnough || isStill }
  })
  return read.pipe(
    Effect.repeat({ while: ({ isComplete }) => !isComplete, ...patience }),
    Effect.map(({ found }) => found)
  )
}
