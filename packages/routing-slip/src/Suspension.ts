/** Sets a step aside for which there is no authority at the moment. Nothing of it has been executed, or it asks for this. */
import type { Outgoing } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import { type Held, HopStore, type SlipEvent } from "./HopStore.ts"
import type * as Performance from "./Performance.ts"

/** How long a step waits for a token endpoint that does not answer, in milliseconds. */
const putOff = 5_000

/** A clock that is behind the database's is not to wake a slip just before its deadline again and again. */
const shortest = 100

/**
 * Waits for a fresh token of the user until the slip's deadline, or for the token endpoint a few seconds at a time. Neither
 * counts as a failure of the step.
 */
export const wait = <R>(
  held: Held,
  {
    event,
    incoming,
    task,
    waitsFor
  }: {
    readonly task: Performance.Task<R>
    readonly incoming: Outgoing
    readonly event: SlipEvent
    readonly waitsFor: NonNullable<Performance.Failing["waitsFor"]>
  }
) =>
  Effect.gen(function* () {
    const store = yield* HopStore
    const { deadline } = task.envelope.headers.routing_slip
    // At the deadline the slip is to turn back, which happens when its message comes again.
    const left = deadline === null ? undefined : Math.max(deadline - event.at + 1, shortest)
    return waitsFor === "authority"
      ? yield* store.suspend(held, { incoming, delay: left, event })
      : yield* store.postpone(held, { incoming, delay: Math.min(left ?? putOff, putOff), event, blameless: true })
  })
