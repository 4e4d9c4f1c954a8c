/** Has many small writes done as fewer larger ones: what comes while one is under way goes with the next. */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"

/** How items are written. */
export interface Options<Item, A, E> {
  /** Writes items of one group, all or none, and answers one for each, in their order. */
  readonly write: (items: ReadonlyArray<Item>, group: string) => Effect.Effect<ReadonlyArray<A>, E>
  /** What may be written together. Default: anything. */
  readonly groupOf?: (item: Item) => string
  /** Items of one name are written one after the other: no write has two of them. Default: they have none. */
  readonly nameOf?: (item: Item) => string
  /** How many items at most are written at once. Default 64. */
  readonly most?: number
}

interface Waiting<Item, A, E> {
  readonly item: Item
  readonly resume: (answer: Effect.Effect<A, E>) => void
}

/** What befalls all items alike, by the names of `SqlFailure`: one by itself would fare no better. */
const outages: ReadonlySet<string> = new Set(["Unavailable", "ConnectionLost", "StatementTimeout"])

/** Whether one of the items may have spoilt it for the others. */
const mayBeOneItems = ({ cause }: Exit.Failure<unknown, unknown>): boolean => {
  const failure = Cause.findErrorOption(cause)
  return (
    failure._tag === "None" || !Predicate.hasProperty(failure.value, "_tag") || !outages.has(String(failure.value._tag))
  )
}

/** Takes those that are written next off the queue. */
const taken = <Item, A, E>(
  waiting: Array<Waiting<Item, A, E>>,
  most: number,
  nameOf: ((item: Item) => string) | undefined
): ReadonlyArray<Waiting<Item, A, E>> => {
  if (nameOf === undefined) return waiting.splice(0, most)
  const names = new Set<string>()
  for (const { item } of waiting) {
    const name = nameOf(item)
    if (names.size === most || names.has(name)) break
    names.add(name)
  }
  return waiting.splice(0, names.size)
}

/**
 * A writer of single items over one of several. An item that comes alone is written at once, and those of a group in
 * the order in which they came: while one write is under way the next is gathered, which costs the database less than
 * writes beside each other do. Where a write of several is refused, each is written by itself, so that none suffers
 * from another; in an outage all have failed. Whoever stops waiting does not stop the write.
 */
export const make = <Item, A, E>({
  groupOf = () => "",
  most = 64,
  nameOf,
  ...options
}: Options<Item, A, E>): Effect.Effect<(item: Item) => Effect.Effect<A, E>> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      // Were one to throw, all that is still to come would wait for ever.
      const write: typeof options.write = (items, group) => Effect.suspend(() => options.write(items, group))
      const runFork = Effect.runForkWith(context)
      /** Those of each group for which a write is under way. */
      const groups = new Map<string, Array<Waiting<Item, A, E>>>()
      const one =
        (name: string) =>
        ({ item, resume }: Waiting<Item, A, E>) =>
          Effect.map(Effect.exit(write([item], name)), (exit) => resume(Exit.map(exit, ([answer]) => answer as A)))
      const batch = (name: string, some: ReadonlyArray<Waiting<Item, A, E>>): Effect.Effect<void> => {
        const [first] = some
        if (first === undefined) return Effect.void
        if (some.length === 1) return one(name)(first)
        const items = some.map(({ item }) => item)
        return Effect.flatMap(Effect.exit(write(items, name)), (exit) => {
          if (Exit.isFailure(exit) && mayBeOneItems(exit)) return Effect.forEach(some, one(name), { discard: true })
          // Once the next write is on its way, which is what comes now, they can go on while it is.
          queueMicrotask(() => {
            for (const [index, { resume }] of some.entries()) resume(Exit.map(exit, (answers) => answers[index] as A))
          })
          return Effect.void
        })
      }
      const work = (name: string, waiting: Array<Waiting<Item, A, E>>): Effect.Effect<void> =>
        Effect.suspend(() => {
          if (waiting.length > 0) {
            return Effect.flatMap(batch(name, taken(waiting, most, nameOf)), () => work(name, waiting))
          }
          groups.delete(name)
          return Effect.void
        })
      return (item) =>
        Effect.callback<A, E>((resume) => {
          const name = groupOf(item)
          const busy = groups.get(name)
          if (busy !== undefined) return void busy.push({ item, resume })
          const waiting = [{ item, resume }]
          groups.set(name, waiting)
          // What is called for in this same turn goes along.
          queueMicrotask(() => runFork(work(name, waiting)))
        })
    })
  )
