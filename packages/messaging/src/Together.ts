/** Has many small writes done as fewer larger ones: what comes while one is under way goes with the next. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** How items are written. */
export interface Options<Item, A, E> {
  /** Writes items, all or none, and answers one for each, in their order. */
  readonly write: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<A>, E>
  /** How many items at most are written at once. Default 64. */
  readonly most?: number
  /** How many writes may be under way at once. Default 2: while one waits for the disk, the next is on its way. */
  readonly lanes?: number
}

interface Waiting<Item, A, E> {
  readonly item: Item
  readonly resume: (answer: Effect.Effect<A, E>) => void
}

/**
 * A writer of single items over one of several. An item that comes alone is written at once. Where a write of several
 * fails, each is written by itself, so that none suffers from another. Whoever stops waiting does not stop the write.
 */
export const make = <Item, A, E>({
  lanes = 2,
  most = 64,
  write
}: Options<Item, A, E>): Effect.Effect<(item: Item) => Effect.Effect<A, E>> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      const runFork = Effect.runForkWith(context)
      const waiting: Array<Waiting<Item, A, E>> = []
      let free = lanes
      const one = ({ item, resume }: Waiting<Item, A, E>) =>
        Effect.map(Effect.exit(write([item])), (exit) => resume(Exit.map(exit, ([answer]) => answer as A)))
      const batch = (taken: ReadonlyArray<Waiting<Item, A, E>>): Effect.Effect<void> => {
        const [first] = taken
        if (first === undefined) return Effect.void
        if (taken.length === 1) return one(first)
        return Effect.flatMap(Effect.exit(write(taken.map(({ item }) => item))), (exit) => {
          if (Exit.isFailure(exit)) return Effect.forEach(taken, one, { discard: true })
          for (const [index, { resume }] of taken.entries()) resume(Effect.succeed(exit.value[index] as A))
          return Effect.void
        })
      }
      const work: Effect.Effect<void> = Effect.suspend(() => {
        if (waiting.length > 0) return Effect.flatMap(batch(waiting.splice(0, most)), () => work)
        free++
        return Effect.void
      })
      return (item) =>
        Effect.callback<A, E>((resume) => {
          waiting.push({ item, resume })
          if (free === 0) return
          free--
          // What is called for in this same turn goes along.
          queueMicrotask(() => runFork(work))
        })
    })
  )
