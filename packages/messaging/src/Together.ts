/** Has many small writes done as fewer larger ones: what comes while one is under way goes with the next. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

const most = 500

interface Waiting<Item, E> {
  readonly item: Item
  readonly resume: (exit: Exit.Exit<void, E>) => void
}

/**
 * A writer of single items over one of several, which is never under way twice at once. An item alone waits for nothing;
 * a failure is that of all items that were written together. Whoever stops waiting does not stop the write.
 */
export const make = <Item, E>(
  write: (items: ReadonlyArray<Item>) => Effect.Effect<unknown, E>
): Effect.Effect<(item: Item) => Effect.Effect<void, E>> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      const runFork = Effect.runForkWith(context)
      const waiting: Array<Waiting<Item, E>> = []
      let isBusy = false
      const writeAll: Effect.Effect<void> = Effect.suspend(() => {
        const batch = waiting.splice(0, most)
        if (batch.length === 0) {
          isBusy = false
          return Effect.void
        }
        return Effect.flatMap(Effect.exit(Effect.asVoid(write(batch.map(({ item }) => item)))), (exit) => {
          for (const { resume } of batch) resume(exit)
          return writeAll
        })
      })
      return (item) =>
        Effect.callback<void, E>((resume) => {
          waiting.push({ item, resume })
          if (isBusy) return
          isBusy = true
          runFork(writeAll)
        })
    })
  )
