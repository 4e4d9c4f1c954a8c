/** Which of a run's recorded operations another run of the agent can begin with. */
import type { Forkable, Operation } from "@tenon/core/RunJournal"
import * as Predicate from "effect/Predicate"

/** With these a run comes to its end: that it was stopped, and that the thread was told. */
const ends = ({ kind, name }: Operation): boolean =>
  (kind === "signal" && name === "stop") || (kind === "call" && name === "Thread.endRun")

/** Whether a step or a call came to a failure, as the journal keeps it. */
const failed = ({ outcome }: Operation): boolean =>
  Predicate.hasProperty(outcome, "failure") ||
  Predicate.hasProperty(outcome, "framework") ||
  Predicate.hasProperty(outcome, "refused")

/** All before its end; where it is run again, all before the last that failed, which is then tried anew. */
export const forkable: Forkable = (operations, lost) => {
  const end = operations.findIndex(ends)
  const length = end === -1 ? operations.length : end
  if (lost) return length
  const last = operations.slice(0, length).findLastIndex(failed)
  return last === -1 ? length : last
}
