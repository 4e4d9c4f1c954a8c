/**
 * What a run draws, and what time it is in it, follow from its origin. A fork begins as the run did that it is a fork of,
 * so that what it takes over fits; its journal holds a `fork`, from which on it draws for itself, so that what it makes
 * anew is not what the other run has made. A run that its runtime has lost goes on as itself.
 */
import * as Schema from "effect/Schema"
import { type Fork, type Forkable, isOneWay, type Operation } from "./RunJournal.ts"

/** `seed`: what random numbers and new ids follow from. `beganAt`: the run's time as it begins, in milliseconds since 1970. */
export const Origin = Schema.Struct({ seed: Schema.String, beganAt: Schema.Number })
export interface Origin extends Schema.Struct.Type<typeof Origin.fields> {}

/** What the journal keeps of a `fork`: what is drawn from there on, and how it began. */
const Parting = Schema.Struct({ seed: Schema.String, origin: Origin })

const partingOf = ({ outcome }: Operation) => Schema.decodeUnknownSync(Parting)(outcome)

/** What the run follows from on after a `fork`. */
export const seedFrom = (fork: Operation): string => partingOf(fork).seed

/** How a run begins, by its journal; `own` where it is no fork. */
export const originOf = (operations: ReadonlyArray<Operation>, own: Origin): Origin => {
  const fork = operations.find(({ kind }) => kind === "fork")
  return fork === undefined ? own : partingOf(fork).origin
}

/** Where a run goes its own way. */
export interface Partings {
  /** By the index of the operation behind them: forks that the run comes to as it begins that one. */
  readonly atBegin: ReadonlyMap<number, ReadonlyArray<Operation>>
  /** All else, the other forks included, which the run comes to in their place. */
  readonly operations: ReadonlyArray<Operation>
}

/**
 * A fork stands before the last operation that was taken over. Nobody waits for a send: what the program draws behind it,
 * it draws in the same turn, long before a send's place in the journal.
 */
export const partings = (operations: ReadonlyArray<Operation>): Partings => {
  const atBegin = new Map<number, ReadonlyArray<Operation>>()
  const others = operations.filter((each, at) => {
    const last = each.kind === "fork" ? operations.find(({ kind }, place) => place > at && kind !== "fork") : undefined
    if (last === undefined || !isOneWay(last)) return true
    atBegin.set(last.index, [...(atBegin.get(last.index) ?? []), each])
    return false
  })
  return { atBegin, operations: others }
}

/** A run of which another is a fork. */
export interface Source {
  readonly operations: ReadonlyArray<Operation>
  /** Its own; it may be a fork itself. */
  readonly origin: Origin
}

/** A run that is a fork. */
export interface Forking {
  readonly fork: Fork
  readonly key: string
  readonly seed: string
  readonly forkable: Forkable | undefined
}

/**
 * The operations that a run begins with. Names that hold the other run's key (those of its questions, say) hold the new
 * one's; that a run was cancelled is no part of it.
 */
export const forked = (
  { operations, origin }: Source,
  { fork, forkable, key, seed }: Forking
): ReadonlyArray<Operation> => {
  const all = operations.filter(({ kind }) => kind !== "cancel")
  const isLost = fork.key === key
  const most = forkable?.(all, isLost, fork.operations) ?? all.length
  const taken = all
    .slice(0, Math.max(0, Math.min(most, fork.operations ?? most)))
    .map((each) => ({ ...each, name: each.name.replaceAll(fork.key, key) }))
  if (isLost) return taken
  while (taken.at(-1)?.kind === "fork") taken.pop()
  const last = taken.at(-1)
  if (last === undefined) return []
  const outcome = { seed, origin: { ...originOf(all, origin) } }
  // Before the last: what the program draws when that is handed to it, or begun, is for what comes after.
  return taken.toSpliced(-1, 0, { ...last, index: -1, kind: "fork", name: fork.key, outcome })
}
