/** What a fork begins with: what another run has done, of which its mirror may still be telling. */
import type { Unavailable } from "@tenon/core/Failure"
import { type Fork, isAlive, type RunJournal, type RunKey } from "@tenon/core/RunJournal"
import type { Source } from "@tenon/core/RunOrigin"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** How long a fork waits for the rest of a run that is over, or about to be: longer than a mirror is behind. */
const patience = { schedule: Schedule.spaced("50 millis"), times: 40 }

/** What is known of `run`, for a run of `key` that is a fork of it; of one that goes on, what it has done. */
export const read = (
  journal: RunJournal["Service"],
  run: RunKey,
  fork: Fork,
  key: string
): Effect.Effect<Source | undefined, Unavailable> => {
  // First where it stands: once it is over, all that it did is there.
  const once = Effect.gen(function* () {
    const standing = yield* journal.standing(run)
    const operations = yield* journal.operations(run)
    const isLost = fork.key === key
    const isEnough = fork.operations !== undefined && operations.length >= fork.operations
    // One of which nothing is known yet may have begun, and ended, in this moment.
    const isStill = standing !== undefined && (!isAlive(standing.status) || standing.status === "paused")
    return { operations, isComplete: isLost || isEnough || isStill }
  })
  return Effect.gen(function* () {
    const { operations } = yield* Effect.repeat(once, { while: ({ isComplete }) => !isComplete, ...patience })
    const beginning = yield* journal.beginning(run)
    if (beginning === undefined) return undefined
    const { beganAt, seed } = beginning
    return { operations, origin: { seed, beganAt } }
  })
}
