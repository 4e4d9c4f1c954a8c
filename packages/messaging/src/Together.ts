/** Has many small writes done as fewer larger ones: what comes while one is under way goes with the next. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** How items are written. */
export interface Options<Item, A, E> {
  /** Writes items of one group, all or none, and answers one for each, in their order. */
  readonly write: (items: ReadonlyArray<Item>, group: string) => Effect.Effect<ReadonlyArray<A>, E>
  /** What may be written together. Default: anything. */
  readonly groupOf?: (item: Item) => string
  /** How many items at most are written at once. Default 64. */
  readonly most?: number
  /** How many writes of a group may be under way at once. Default 2: while one waits for the disk, the next is on its way. */
  readonly lanes?: number
}

interface Waiting<Item, A, E> {
  readonly item: Item
  readonly resume: (answer: Effect.Effect<A, E>) => void
}

interface Group<Item, A, E> {
  readonly waiting: Array<Waiting<Item, A, E>>
  busy: number
}

/**
 * A writer of single items over one of several. An item that comes alone is written at once. Where a write of several
 * fails, each is written by itself, so that none suffers from another. Whoever stops waiting does not stop the write.
 */
export const make = <Item, A, E>({
  groupOf = () => "",
  lanes = 2,
  most = 64,
  write
}: Options<Item, A, E>): Effect.Effect<(item: Item) => Effect.Effect<A, E>> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      const runFork = Effect.runForkWith(context)
      const groups = new Map<string, Group<Item, A, E>>()
      const one =
        (name: string) =>
        ({ item, resume }: Waiting<Item, A, E>) =>
          Effect.map(Effect.exit(write([item], name)), (exit) => resume(Exit.map(exit, ([answer]) => answer as A)))
      const batch = (name: string, taken: ReadonlyArray<Waiting<Item, A, E>>): Effect.Effect<void> => {
        const [first] = taken
        if (first === undefined) return Effect.void
        if (taken.length === 1) return one(name)(first)
        const items = taken.map(({ item }) => item)
        return Effect.flatMap(Effect.exit(write(items, name)), (exit) => {
          if (Exit.isFailure(exit)) return Effect.forEach(taken, one(name), { discard: true })
          for (const [index, { resume }] of taken.entries()) resume(Effect.succeed(exit.value[index] as A))
          return Effect.void
        })
      }
      const work = (name: string, group: Group<Item, A, E>): Effect.Effect<void> =>
        Effect.suspend(() => {
          if (group.waiting.length > 0) {
            return Effect.flatMap(batch(name, group.waiting.splice(0, most)), () => work(name, group))
          }
          if (--group.busy === 0) groups.delete(name)
          return Effect.void
        })
      return (item) =>
        Effect.callback<A, E>((resume) => {
          const name = groupOf(item)
          const group = groups.get(name) ?? { waiting: [], busy: 0 }
          groups.set(name, group)
          group.waiting.push({ item, resume })
          if (group.busy === lanes) return
          group.busy++
          // What is called for in this same turn goes along.
          queueMicrotask(() => runFork(work(name, group)))
        })
    })
  )
