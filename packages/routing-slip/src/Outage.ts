/**
 * What becomes of a message while something that every hop needs does not answer. The message is not to blame, and
 * stays out of the dead letters for however long that takes: it rests in its worker's hand, which takes no more
 * meanwhile, and is then put off without being counted. What only one message suffers from, while the store is well, is
 * counted.
 */
import type { Unavailable } from "@tenon/core/Failure"
import { type Delivery, putOff, requeue, type Settlement } from "@tenon/messaging/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { HopStore, storeName } from "./HopStore.ts"

/** How long a message rests in hand: brokers take back what is kept for much longer. */
const inHand = "5 minutes"
/**
 * How long it is put off where another service is away, such as the key set, which looks by itself whether it is back.
 */
const elsewhere = "10 seconds"
/** How long the message that a well store chokes on keeps a place in its worker, each time: others need that. */
const choking = "1 second"
const longestPause = Duration.seconds(30)
const asking = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("5 seconds")])

/** A message that comes again and is counted, later each time: it may be its own fault, or that of what it meets. */
export const again = ({ attempt }: Delivery): Settlement =>
  requeue(Duration.min(Duration.seconds(2 ** Math.min(attempt - 1, 10)), longestPause))

/** Decides about the messages of one worker, of which one at a time asks whether the store is back. */
export const make = () => {
  const turn = Semaphore.makeUnsafe(1)
  const untilBack = Effect.flatMap(HopStore, ({ answers }) => turn.withPermit(Effect.retry(answers, asking)))
  return Effect.fnUntraced(function* ({ message, what }: Unavailable): Effect.fn.Return<Settlement, never, HopStore> {
    yield* Effect.logWarning("A hop is put off", message)
    if (what !== storeName) return putOff(elsewhere)
    const { answers } = yield* HopStore
    if ((yield* Effect.exit(answers))._tag === "Success") return requeue(choking)
    yield* Effect.ignore(Effect.timeout(untilBack, inHand))
    return putOff(0)
  })
}
