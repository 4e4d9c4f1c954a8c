/** Publishes what a crash left unpublished and what waited for its time: retries, resumed steps, stored messages. */
import { Transport } from "@tenon/messaging/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { HopStore } from "./HopStore.ts"

/** How often and after how long. */
export interface Options {
  /** How often it looks. Default one second. */
  readonly interval?: Duration.Input
  /** How long a worker has to publish what it has stored. Default 5 seconds. */
  readonly grace?: Duration.Input
}

const batch = 100

/** Publishes all that is due now. A message that fails to go out is due again after the grace. */
export const once = Effect.fnUntraced(function* (options: Options = {}) {
  const store = yield* HopStore
  const transport = yield* Transport
  const grace = Duration.toMillis(Duration.fromInputUnsafe(options.grace ?? "5 seconds"))
  const due = yield* store.pending(batch, grace)
  yield* Effect.forEach(
    due,
    ({ key, message }) =>
      transport.publish(message).pipe(Effect.andThen(store.dispatched(key, message.id)), Effect.ignore),
    { concurrency: 8, discard: true }
  )
  return due.length
})

/** Looks for ever. */
export const run = (options: Options = {}): Effect.Effect<never, never, HopStore | Transport> =>
  once(options).pipe(
    Effect.catch((failure) => Effect.as(Effect.logWarning("The outbox of slips was not read", failure.message), 0)),
    Effect.flatMap((found) => (found === batch ? Effect.void : Effect.sleep(options.interval ?? "1 second"))),
    Effect.forever
  )
