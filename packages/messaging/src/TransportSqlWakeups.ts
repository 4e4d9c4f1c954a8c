/** Wakes the subscribers of queues: those of this process at once, those of others by one notification for many. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Statement } from "./Transactions.ts"

const channel = "tenon_queues"
/** How long publications are gathered into one notification. */
const together = "3 millis"
/** As many names as fit a notification's 8,000 bytes, at 200 bytes each. */
const most = 30
const longest = Duration.hours(1)

interface Hears {
  readonly listen: (channel: string, hear: (payload: string | undefined) => Effect.Effect<void>) => Effect.Effect<never>
}

/** What one subscriber waits on. A ring is remembered until the next wait. */
export interface Alarm {
  readonly ring: () => void
  /** Waits for a ring, `atMost` so long. */
  readonly wait: (atMost: Duration.Duration) => Effect.Effect<void>
}

const makeAlarm: Effect.Effect<Alarm> = Effect.map(Queue.sliding<void>(1), (rings) => ({
  ring: () => void Queue.offerUnsafe(rings, undefined),
  wait: (atMost) => Queue.take(rings).pipe(Effect.timeoutOrElse({ duration: atMost, orElse: () => Effect.void }))
}))

/** The wake-ups of one transport. */
export interface Wakeups {
  /** Says that a queue has something to take. */
  readonly wake: (queue: string) => Effect.Effect<void>
  readonly subscribe: (queue: string) => Effect.Effect<Alarm, never, Scope.Scope>
}

/** Listens and notifies for the scope. `send` runs a statement and never fails: a lost wake-up costs one poll. */
export const make = Effect.fnUntraced(function* (
  { listen }: Hears,
  send: (statement: Statement) => Effect.Effect<void>
): Effect.fn.Return<Wakeups, never, Scope.Scope> {
  const here = new Map<string, Set<Alarm>>()
  const untold = new Set<string>()
  const told = yield* makeAlarm

  const hear = (payload: string | undefined) =>
    Effect.sync(() => {
      const queues: ReadonlyArray<string> = payload === undefined ? [...here.keys()] : payload.split("\n")
      for (const queue of queues) for (const alarm of here.get(queue) ?? []) alarm.ring()
    })

  const tell = Effect.gen(function* () {
    if (untold.size === 0) yield* told.wait(longest)
    yield* Effect.sleep(together)
    const queues = [...untold].slice(0, most)
    for (const queue of queues) untold.delete(queue)
    if (queues.length > 0) yield* send({ sql: "select pg_notify($1, $2)", params: [channel, queues.join("\n")] })
  })

  yield* Effect.forkScoped(listen(channel, hear))
  yield* Effect.forkScoped(Effect.forever(tell))
  return {
    wake: (queue) =>
      Effect.andThen(
        hear(queue),
        Effect.sync(() => {
          untold.add(queue)
          told.ring()
        })
      ),
    subscribe: (queue) =>
      Effect.acquireRelease(
        Effect.tap(makeAlarm, (alarm) =>
          Effect.sync(() => void here.set(queue, (here.get(queue) ?? new Set()).add(alarm)))
        ),
        (alarm) =>
          Effect.sync(() => {
            const alarms = here.get(queue)
            alarms?.delete(alarm)
            if (alarms?.size === 0) here.delete(queue)
          })
      )
  }
})
