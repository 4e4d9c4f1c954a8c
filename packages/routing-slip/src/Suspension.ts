/**
 * Sets a step aside for which there is no authority at the moment. Nothing of it has been executed, or it asks for
 * this.
 */
import type { Outgoing } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import type { Held, HopKey, SlipEvent } from "./HopStore.ts"
import type { Means } from "./Means.ts"
import type { Work } from "./PassOn.ts"
import type * as Performance from "./Performance.ts"
import * as Slip from "./Slip.ts"

/**
 * How long a step waits for a token endpoint that does not answer, in milliseconds: as long as it has waited already,
 * and neither less nor more than this.
 */
const shortestWait = 5_000
const longestWait = 120_000

/** A clock that is behind the database's is not to wake a slip just before it is to turn back again and again. */
const shortest = 100

/**
 * How many milliseconds are left until a slip is to turn back before its next step; without end where it is on its way
 * back, nothing limits its time, or it goes on though that is over.
 */
export const untilEnd = <R>({ expires, task }: Work<R>, at: number): number => {
  const { deadline, phase } = task.envelope.headers.routing_slip
  const end = Math.min(deadline ?? Number.POSITIVE_INFINITY, expires ?? Number.POSITIVE_INFINITY)
  return phase === "execute" && end >= at ? Math.max(end - at + 1, shortest) : Number.POSITIVE_INFINITY
}

/** When it was told that a step waits for this, if nothing else has been told of it since. */
const toldAt = Effect.fnUntraced(function* (
  { store }: Means,
  { correlationId, tenantId }: HopKey,
  { detail, step, type }: SlipEvent
) {
  const last = (yield* store.events(tenantId, correlationId)).findLast((each) => each.step === step)
  const [error = ""] = detail.split(":", 1)
  return last?.type === type && last.detail.startsWith(`${error}:`) ? last.at : undefined
})

/**
 * Waits for a fresh token of the user until the slip is to turn back, or for the token endpoint a while at a time,
 * which is told once. Neither counts as a failure of the step. Where nothing was done yet, nothing but a deadline ends
 * the wait for a token: it comes with a lifetime of its own.
 */
export const wait = <R>(
  held: Held,
  {
    event,
    expires = Number.POSITIVE_INFINITY,
    incoming,
    task,
    waitsFor
  }: {
    readonly task: Performance.Task<R>
    /** After this instant the slip turns back, if it has begun. */
    readonly expires: number | undefined
    readonly incoming: Outgoing
    readonly event: SlipEvent
    readonly waitsFor: NonNullable<Performance.Failing["waitsFor"]>
  }
) =>
  Effect.gen(function* () {
    const { store } = task.means
    const slip = task.envelope.headers.routing_slip
    const end = Math.min(
      slip.deadline ?? Number.POSITIVE_INFINITY,
      Slip.isBegun(slip) ? expires : Number.POSITIVE_INFINITY
    )
    // Then the slip is to turn back, which happens when its message comes again.
    const left = Number.isFinite(end) ? Math.max(end - event.at + 1, shortest) : undefined
    if (waitsFor === "authority") return yield* store.suspend(held, { incoming, delay: left, event })
    const since = yield* toldAt(task.means, held.key, event)
    const wait = Math.min(Math.max(event.at - (since ?? event.at), shortestWait), longestWait)
    return yield* store.postpone(held, {
      incoming,
      delay: Math.min(left ?? wait, wait),
      event: since === undefined ? event : undefined,
      blameless: true
    })
  })
