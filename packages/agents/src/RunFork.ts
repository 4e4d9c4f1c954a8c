/**
 * Which of a run's recorded operations another run of the agent can begin with.
 *
 * A run cannot go on from the middle of an exchange with others - a question, a child, a call of a model - as those
 * know the run that began it, under that run's key: what is cut there is cut before the exchange, which is then begun
 * anew. And a run that failed is run again from the operation that it failed by. Where that cannot be told, a program
 * that has changed since goes on from all that was done, and one that fails of that again, from what it most likely
 * failed by: the last failure that it was handed, or, without any, the last thing.
 */
import { type Begun, callName, type Forkable, type Operation, signalName } from "@tenon/core/RunJournal"
import * as Predicate from "effect/Predicate"
import { AgentMemory } from "./AgentMemory.ts"
import type { RunAgent } from "./AgentRun.ts"
import { Artifact } from "./Artifact.ts"
import { ModelBudget } from "./ModelBudget.ts"
import { Question } from "./Question.ts"
import { Thread } from "./Thread.ts"

const stop: keyof typeof RunAgent.signals = "stop"
const names = {
  ask: callName(Thread.actions.ask),
  close: callName(Question.actions.close),
  startChild: callName(Thread.actions.startChild),
  reserve: callName(ModelBudget.actions.reserve),
  settle: callName(ModelBudget.actions.settle),
  endRun: callName(Thread.actions.endRun)
}

/** With these a run comes to its end: that it was stopped, and that the thread was told. */
const ends = ({ kind, name }: Operation): boolean =>
  (kind === "signal" && name === stop) || (kind === "call" && name === names.endRun)

/** A member of what a call answered. */
const answered = ({ kind, outcome }: Operation, member: string): unknown =>
  kind === "call" && Predicate.hasProperty(outcome, "value") && Predicate.hasProperty(outcome.value, member)
    ? outcome.value[member]
    : undefined

/** To whom something was sent. */
const recipient = ({ kind, outcome }: Operation): unknown =>
  (kind === "send" || kind === "notify") && Predicate.hasProperty(outcome, "to") ? outcome.to : undefined

/** What a signal is told apart by. */
const signalled = ({ kind, name }: Operation, signal: keyof typeof RunAgent.signals): string | undefined =>
  kind === "signal" && name.startsWith(signalName(signal, "")) ? name.slice(signal.length + 1) : undefined

/**
 * A run that took operations over has ids of its own, alike but for the run's key, which all that they name begins
 * with.
 */
const own = (id: unknown): string | undefined =>
  typeof id === "string" ? id.slice(id.lastIndexOf(".") + 1) : undefined

/** The exchange that an operation begins. */
const opened = (operation: Operation): string | undefined =>
  own(
    operation.name === names.ask
      ? answered(operation, "questionId")
      : operation.name === names.startChild
        ? answered(operation, "childId")
        : operation.name === names.reserve
          ? answered(operation, "usageId")
          : undefined
  )

/** The exchange that an operation ends. */
const closed = (operation: Operation): string | undefined => {
  const { kind, name } = operation
  const answer = signalled(operation, "answer") ?? signalled(operation, "child")
  if (answer !== undefined) return own(answer)
  if (name === names.close) return own(answered(operation, "questionId") ?? recipient(operation))
  if (name === names.settle) return own(answered(operation, "usageId"))
  return kind === "notify" ? own(recipient(operation)) : undefined
}

/** From where to where exchanges go on, as places in the journal; without an end where nobody has ended one. */
const exchanges = (operations: ReadonlyArray<Operation>): ReadonlyArray<readonly [from: number, to: number]> => {
  const open = new Map<string, number>()
  const spans: Array<readonly [number, number]> = []
  for (const [at, operation] of operations.entries()) {
    const begun = opened(operation)
    if (begun !== undefined) open.set(begun, at)
    const ended = closed(operation) ?? firstSettled(operation, open)
    const from = ended === undefined ? undefined : open.get(ended)
    if (ended === undefined || from === undefined) continue
    spans.push([from, at])
    open.delete(ended)
  }
  return [...spans, ...[...open.values()].map((from) => [from, Infinity] as const)]
}

/** A call of a model that was interrupted is settled one way, which does not say which one it was. */
const firstSettled = ({ kind, name }: Operation, open: ReadonlyMap<string, number>): string | undefined =>
  kind === "send" && name === names.settle ? [...open.keys()].find((each) => each.startsWith("model")) : undefined

/** As many of the first operations as are in the middle of nothing, `length` at most. */
const whole = (operations: ReadonlyArray<Operation>, length: number): number => {
  const cut = exchanges(operations).flatMap(([from, to]) => (from < length && to >= length ? [from] : []))
  return cut.length === 0 ? length : whole(operations, Math.min(...cut))
}

/** Whether an operation came to a failure that the program was told of. */
const failed = (operation: Operation): boolean => {
  const { outcome } = operation
  if (["failure", "framework", "refused"].some((each) => Predicate.hasProperty(outcome, each))) return true
  if (signalled(operation, "child") !== undefined) return statusOf(outcome) !== "DONE"
  // Nobody had answered when the time was over.
  return operation.kind === "call" && operation.name === names.close && answered(operation, "answered") === undefined
}

/** A call of a model, as `DurableModel` names it. */
const isModelStep = ({ kind, name }: Operation): boolean => kind === "step" && /^model[0-9]+$/.test(name)

const statusOf = (outcome: unknown): unknown => (Predicate.hasProperty(outcome, "status") ? outcome.status : undefined)

/** What the framework's own resources are told is told once for each run, or once more to no harm. */
const repeatable = [Thread, Question, ModelBudget, AgentMemory, Artifact]

/** Whether something was done that must not be done again: a step, an action, a child's work, a person's answer. */
const isWork = (operation: Operation): boolean => {
  if (failed(operation)) return false
  const { kind, name } = operation
  if (kind === "call") return !repeatable.some((each) => name.startsWith(`${each.name}.`))
  return kind === "step" || (kind === "signal" && name !== stop)
}

/**
 * How many operations stand before the one that a run failed by, what is most likely first. The run may have said which
 * of its failures that was, counted from the last; one that it has dealt with is not it.
 */
const beforeFailure = (operations: ReadonlyArray<Operation>, end: Operation | undefined): ReadonlyArray<number> => {
  const all = operations.length
  if (end === undefined || end.kind === "signal") return [all]
  const failures = operations.flatMap((each, at) => (failed(each) ? [at] : []))
  const by = answered(end, "failedBy")
  if (typeof by === "number") return [firstOfBatch(operations, failures.at(-1 - by)) ?? all]
  if (by === "model") return [operations.findLastIndex(isModelStep)]
  const last = failures.at(-1) ?? operations.findLastIndex(isWork)
  return by === undefined && failures.length > 0 && !isWorkAfter(operations, last) ? [last] : [all, last]
}

/** Whether something was begun after the operation at a place, and must not be done again. */
const isWorkAfter = (operations: ReadonlyArray<Operation>, at: number): boolean => {
  const since = operations[at]?.endedAt ?? 0
  return operations.slice(at + 1).some((each) => isWork(each) && each.startedAt >= since)
}

/** Two that fail at one moment are both in the journal, but only the first need have been handed out. */
const firstOfBatch = (operations: ReadonlyArray<Operation>, at: number | undefined): number | undefined => {
  const [one, before] = at === undefined ? [] : [operations[at], operations[at - 1]]
  const isOfBatch = one !== undefined && before !== undefined && failed(before) && one.startedAt < before.endedAt
  return isOfBatch && at !== undefined ? firstOfBatch(operations, at - 1) : at
}

/** Done after the run was stopped, but begun before: what the program did not let be interrupted. */
const outlasting = (operations: ReadonlyArray<Operation>, end: Operation): ReadonlyArray<Operation> =>
  end.kind === "signal" ? operations.filter((each) => each.startedAt < end.endedAt && !ends(each)) : []

/**
 * All before its end, or as many of them as are wanted; where it is run again, all before the one that it failed by.
 * Never one in the middle of an exchange.
 */
export const forkable: Forkable = (operations, lost, wanted) => {
  const at = operations.findIndex(ends)
  const end = operations[at]
  const before =
    end === undefined ? operations : [...operations.slice(0, at), ...outlasting(operations.slice(at + 1), end)]
  if (lost) return [before]
  const lengths = wanted === undefined ? beforeFailure(before, end) : [wanted]
  return lengths.map((length) => before.slice(0, whole(before, Math.max(0, Math.min(before.length, length)))))
}

/** With this a run fails. */
export const fails = ({ input, kind, name }: Begun): boolean =>
  kind === "call" && name === names.endRun && statusOf(input) === "FAILED"
