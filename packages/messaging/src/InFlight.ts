/** The messages that a subscriber has in hand: each handled on a fiber of its own, and all drained when it stops. */
import * as Parting from "@tenon/core/Parting"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import type * as Transport from "./Transport.ts"

/** A settlement, or the news that the message is to be given back as it was, as after an interruption. */
export type Ending = Transport.Settlement | { readonly _tag: "GiveBack" }

/** Messages in hand. */
export interface InFlight {
  /**
   * Starts to handle a message. `settle` is called exactly once with how it ended, and is not interrupted. The delay of
   * a `Requeue` has passed by then.
   */
  readonly start: (delivery: Transport.Delivery, settle: (ending: Ending) => Effect.Effect<void>) => void
  /**
   * Waits for those in hand, then interrupts the rest and waits for what becomes of them, for a few seconds at most:
   * what a broker is not told in that time it finds out by itself.
   */
  readonly drain: Effect.Effect<void>
}

const defaults = { prefetch: 16, drain: Duration.seconds(20), maxDeliveries: 20 }

/** The options of a subscription with the defaults filled in. */
export const settings = (options: Transport.SubscribeOptions = {}) => ({
  prefetch: options.prefetch ?? defaults.prefetch,
  drain: Duration.fromInputUnsafe(options.drain ?? defaults.drain),
  maxDeliveries: options.maxDeliveries ?? defaults.maxDeliveries
})

const endingOf = (exit: Exit.Exit<Transport.Settlement>): Effect.Effect<Ending> => {
  if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
  if (Cause.hasInterruptsOnly(exit.cause)) return Effect.succeed({ _tag: "GiveBack" })
  const ending: Ending = { _tag: "Requeue", delay: Duration.seconds(1) }
  return Effect.as(Effect.logError("The handler of a message died; the message comes again", exit.cause), ending)
}

/** A message that comes again waits for it here, in the subscriber's hand; stopping cuts the wait short. */
const pause = (delay: Duration.Input) => Effect.sleep(delay).pipe(Effect.interruptible, Effect.exit)

/** Makes the set of messages in hand of one subscription. */
export const make = Effect.fnUntraced(function* <R>(
  handler: Transport.Handler<R>,
  options: { readonly drain: Duration.Duration; readonly maxDeliveries: number }
): Effect.fn.Return<InFlight, never, R> {
  const runFork = Effect.runForkWith(yield* Effect.context<R>())
  // Ended by `drain` alone: to close the set would be to wait for all of them, however long a broker does not answer.
  const fibers = yield* Scope.provide(FiberSet.make<void>(), Scope.makeUnsafe())
  const handle = (delivery: Transport.Delivery): Effect.Effect<Transport.Settlement, never, R> =>
    delivery.attempt > options.maxDeliveries
      ? Effect.succeed({
          _tag: "DeadLetter",
          reason: "delivery-limit",
          detail: `handed over ${delivery.attempt - 1} times without an answer`
        })
      : handler(delivery)
  return {
    start: (delivery, settle) => {
      const fiber = runFork(
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Effect.exit(restore(handle(delivery))), (exit) => {
            // The common ending, without a detour.
            if (exit._tag === "Success" && exit.value._tag !== "Requeue") return settle(exit.value)
            return Effect.flatMap(endingOf(exit), (ending) =>
              ending._tag === "Requeue"
                ? Effect.andThen(pause(ending.delay), settle(ending.blameless === true ? { _tag: "GiveBack" } : ending))
                : settle(ending)
            )
          })
        )
      )
      if (fiber.pollUnsafe() === undefined) FiberSet.addUnsafe(fibers, fiber)
    },
    drain: FiberSet.awaitEmpty(fibers).pipe(
      Effect.timeoutOrElse({ duration: options.drain, orElse: () => Effect.void }),
      Effect.andThen(
        Effect.flatMap(Parting.say(Effect.andThen(FiberSet.clear(fibers), FiberSet.awaitEmpty(fibers))), (isDone) =>
          isDone ? Effect.void : Effect.logWarning("A broker does not hear of messages in hand, which come again")
        )
      )
    )
  }
})
