/**
 * What is said to a server in parting. It may not answer any more, and whoever stops must not wait for that without
 * end.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** How long a server may take for it. */
const most = Duration.seconds(5)

/** Does something and waits for that, for a few seconds at most; true where it was done by then. */
export const say = <A, R>(
  effect: Effect.Effect<A, never, R>,
  atMost: Duration.Input = most
): Effect.Effect<boolean, never, R> =>
  Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), (fiber) =>
    Fiber.await(fiber).pipe(
      Effect.as(true),
      // It is not waited for: it may be in the middle of something that cannot be interrupted.
      Effect.timeoutOrElse({
        duration: atMost,
        orElse: () =>
          Effect.sync(() => {
            fiber.interruptUnsafe()
            return false
          })
      })
    )
  )
