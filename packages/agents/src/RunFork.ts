/** Which of a run's recorded operations another run of the agent can begin with. */
import { callName, type Forkable, type Operation } from "@tenon/core/RunJournal"
import * as Predicate from "effect/Predicate"
import type { RunAgent } from "./AgentRun.ts"
import { Question } from "./Question.ts"
import { Thread } from "./Thread.ts"

const stop: keyof typeof RunAgent.signals = "stop"

/** With these a run comes to its end: that it was stopped, and that the thread was told. */
const ends = ({ kind, name }: Operation): boolean =>
  (kind === "signal" && name === stop) || (kind === "call" && name === callName(Thread.actions.endRun))

/** Whether a step or a call came to a failure, as the journal keeps it. */
const failed = ({ outcome }: Operation): boolean =>
  Predicate.hasProperty(outcome, "failure") ||
  Predicate.hasProperty(outcome, "framework") ||
  Predicate.hasProperty(outcome, "refused")

/** What a run asks others for, the signal that answers it, and what it does where it no longer waits for one. */
const waits = [
  {
    asks: callName(Thread.actions.ask),
    key: "question",
    ends: ({ name }: Operation) => name === callName(Question.actions.close)
  },
  { asks: callName(Thread.actions.startChild), key: "child", ends: ({ kind }: Operation) => kind === "notify" }
]

const isAnswerTo =
  (key: string) =>
  ({ kind, name }: Operation): boolean =>
    kind === "signal" && name.endsWith(key)

/**
 * Where the first question stands that nobody has settled, or the first child that has not ended; what was refused is settled. A run that took it over
 * would wait for what was never asked in its name. The nth that is asked is the nth in the order of the indexes.
 */
const firstOpen = (operations: ReadonlyArray<Operation>): number => {
  const open = waits.flatMap(({ asks, ends, key }) => {
    const unanswered = operations
      .filter(({ kind, name }) => kind === "call" && name === asks)
      .toSorted((one, other) => one.index - other.index)
      .filter((each, at) => !failed(each) && !operations.some(isAnswerTo(`.${key}${at + 1}`)))
    return unanswered.length > operations.filter(ends).length ? unanswered : []
  })
  return operations.findIndex((each) => open.includes(each))
}

/**
 * All before its end, or as many of them as are wanted; where it is run again, all before the last that failed. Never one
 * that still waits.
 */
export const forkable: Forkable = (operations, lost, wanted) => {
  const end = operations.findIndex(ends)
  const length = end === -1 ? operations.length : end
  if (lost) return length
  const last = operations.slice(0, length).findLastIndex(failed)
  const taken = Math.max(0, Math.min(length, wanted ?? (last === -1 ? length : last)))
  const open = firstOpen(operations.slice(0, taken))
  return open === -1 ? taken : open
}
