/**
 * What a run draws, and what time it is in it, follow from its origin. A fork begins as the run did that it is a fork
 * of, so that what it takes over fits; its journal holds a `fork`, from which on it draws for itself, so that what it
 * makes anew is not what the other run has made, and has its own time, so that it does not find what it waits for long
 * over. A run that its runtime has lost goes on as itself.
 */
import * as Schema from "effect/Schema"
import { type Fork, type Forkable, isOneWay, type Operation } from "./RunJournal.ts"

/**
 * `seed`: what random numbers and new ids follow from. `beganAt`: the run's time as it begins, in milliseconds since
 * 1970.
 */
export const Origin = Schema.Struct({ seed: Schema.String, beganAt: Schema.Number })
export interface Origin extends Schema.Struct.Type<typeof Origin.fields> {}

/**
 * What the journal keeps of a `fork`: what is drawn from there on, how it began, and the keys of the runs it goes back
 * to, which may be in the names of what was taken over.
 */
const Parting = Schema.Struct({
  seed: Schema.String,
  origin: Origin,
  keys: Schema.optionalKey(Schema.Array(Schema.String))
})

const partingOf = ({ outcome }: Operation) => Schema.decodeUnknownSync(Parting)(outcome)

/** What the run follows from on after a `fork`. */
export const seedFrom = (fork: Operation): string => partingOf(fork).seed

/** How a run begins, by its journal; `own` where it is no fork. */
export const originOf = (operations: ReadonlyArray<Operation>, own: Origin): Origin => {
  const fork = operations.find(({ kind }) => kind === "fork")
  return fork === undefined ? own : partingOf(fork).origin
}

/** The keys of the runs that a run goes back to. */
const formerKeys = (operations: ReadonlyArray<Operation>): ReadonlyArray<string> => [
  ...new Set(
    operations.filter(({ kind }) => kind === "fork").flatMap((fork) => [fork.name, ...(partingOf(fork).keys ?? [])])
  )
]

/**
 * Says of what a program begins whether it is what its journal holds. A name that was made of the key of a run that
 * this one goes back to is made of its own now. Only the program knows which are: "page 1 of 3" is of no run 1.
 */
export const fits = (
  operations: ReadonlyArray<Operation>,
  own: string
): ((known: Operation, begun: Pick<Operation, "kind" | "name">) => boolean) => {
  const keys = formerKeys(operations)
  return (known, { kind, name }) =>
    known.kind === kind && (known.name === name || keys.some((former) => isRenamed(known.name, name, former, own)))
}

/** Whether one name is another in which some, or all, of one key's places have another key. */
const isRenamed = (from: string, to: string, former: string, own: string): boolean => {
  const [first = "", ...rest] = from.split(former)
  let ends = to.startsWith(first) ? [first.length] : []
  for (const part of rest) {
    const next = ends.flatMap((end) =>
      [former, own].flatMap((key) => (to.startsWith(key + part, end) ? [end + key.length + part.length] : []))
    )
    ends = [...new Set(next)]
  }
  return ends.includes(to.length)
}

/** Where a run goes its own way. */
export interface Partings {
  /** By the index of the operation behind them: forks that the run comes to as it begins that one. */
  readonly atBegin: ReadonlyMap<number, ReadonlyArray<Operation>>
  /** All else, the other forks included, which the run comes to in their place. */
  readonly operations: ReadonlyArray<Operation>
}

/**
 * A fork stands before the last operation that was taken over. Nobody waits for a send: what the program draws behind
 * it, it draws in the same turn, long before a send's place in the journal.
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
  /** When it began itself, in milliseconds since 1970. */
  readonly beganAt: number
  readonly forkable: Forkable | undefined
}

/**
 * The operations that a run may begin with, what it would best first, named as the other run did (`fits`). That the
 * other one was cancelled is no part of them.
 */
export const forked = (
  { operations, origin }: Source,
  { beganAt, fork, forkable, key, seed }: Forking
): ReadonlyArray<ReadonlyArray<Operation>> => {
  const all = operations.filter(({ kind }) => kind !== "cancel")
  const isLost = fork.key === key
  const choices = forkable?.(all, isLost, fork.operations) ?? [all]
  return choices.map((choice) => {
    const taken = choice.slice(0, fork.operations)
    if (isLost) return taken
    while (taken.at(-1)?.kind === "fork") taken.pop()
    const last = taken.at(-1)
    if (last === undefined) return []
    const outcome = { seed, origin: { ...originOf(all, origin) }, keys: [fork.key, ...formerKeys(all)] }
    const at = Math.max(beganAt, last.endedAt)
    // Before the last: what the program draws when that is handed to it, or begun, is for what comes after.
    return taken.toSpliced(-1, 0, { index: -1, kind: "fork", name: fork.key, startedAt: at, endedAt: at, outcome })
  })
}
