/**
 * Listens to a queue for as long as others would accept what this worker signs. A worker whose own key is bad takes
 * nothing, says why, and begins again once its key is mended: it must not outrun those who can do the steps.
 */
import { type Delivery, type Handler, type SubscribeOptions, Transport } from "@tenon/messaging/Transport"
import { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { Security } from "./Security.ts"

/** A queue, and the activities whose steps come there. */
export interface Place {
  readonly queue: string
  readonly activities: ReadonlyArray<string>
}

/** How often a worker that takes nothing looks whether its key is good again. */
const interval = "1 second"

/** Listens until the scope closes. Only a failure to listen in the first place is an error. */
export const to = Effect.fnUntraced(function* <R>(
  { activities, queue }: Place,
  handler: Handler<R>,
  options: SubscribeOptions
) {
  const security = yield* Security
  const transport = yield* Transport
  const scope = yield* Effect.scope
  const able = Effect.forEach(activities, security.able, { discard: true })
  /** Why it cannot. Where the key set is away nobody knows: then all goes on as it was. */
  const look = Effect.as(able, "able" as const).pipe(
    Effect.catchTags({ Unable: (why) => Effect.succeed(why), Unavailable: () => Effect.succeed("unknown" as const) })
  )
  const doubt = Latch.makeUnsafe()
  /** A message that is put off for another reason than itself may say that the key has gone bad. */
  const doubting = (delivery: Delivery) =>
    Effect.tap(handler(delivery), (settlement) =>
      settlement._tag === "Requeue" && settlement.blameless === true ? doubt.open : Effect.void
    )
  const listen = Effect.gen(function* () {
    const session = yield* Scope.fork(scope)
    yield* Scope.provide(transport.subscribe(queue, doubting, options), session).pipe(
      Effect.onError(() => Scope.close(session, Exit.void))
    )
    return session
  })

  const checks = yield* Effect.serviceOption(ReadinessChecks)
  if (Option.isSome(checks)) yield* checks.value.add(`key for ${queue}`, able)
  const first = yield* look
  let session: Scope.Closeable | undefined
  if (typeof first === "string") session = yield* listen
  else yield* Effect.logError(`Nothing is taken from ${queue}: this worker's key is no good`, first.message)

  const heed = Effect.gen(function* () {
    const found = yield* look
    if (found === "able" && session === undefined) {
      session = yield* listen
      yield* Effect.logInfo(`Messages are taken from ${queue}`)
    } else if (typeof found !== "string" && session !== undefined) {
      yield* Effect.logError(`Nothing is taken from ${queue} any more: this worker's key is no good`, found.message)
      yield* Effect.uninterruptible(Scope.close(session, Exit.void))
      session = undefined
    }
  }).pipe(Effect.catch(({ message }) => Effect.logWarning(`Nothing is taken from ${queue}`, message)))
  yield* Effect.suspend(() =>
    session === undefined ? Effect.sleep(interval) : Effect.andThen(doubt.await, doubt.close)
  ).pipe(Effect.andThen(heed), Effect.forever, Effect.forkScoped)
})
