/** The end of a hop: a transition is stored with the message that follows from it, and that is published. */
import { ack, type Delivery, type Outgoing } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Envelope from "./Envelope.ts"
import { reached } from "./HopPoint.ts"
import type { Claim, Further, Held, HopKey, SlipEvent, SlipRecord } from "./HopStore.ts"
import type { Means } from "./Means.ts"
import type * as Performance from "./Performance.ts"
import * as Slip from "./Slip.ts"
import * as TraceContext from "./TraceContext.ts"
import * as Wire from "./Wire.ts"

/** A step that this worker has claimed. */
export interface Work<R> {
  readonly delivery: Delivery
  readonly task: Performance.Task<R>
  readonly held: Held
  readonly claim: Extract<Claim, { readonly _tag: "Claimed" }>
  /** After this instant nothing more of the slip is begun. */
  readonly expires: number | undefined
}

/** The slip after a transition, and its message. */
export interface Composed {
  readonly slip: Envelope.RoutingSlip
  readonly next: Slip.Hop | undefined
  readonly body: Uint8Array
  /** How large that is, as `Wire.sizeOf` has it. */
  readonly size: number
  /** What is to be sent; undefined at the end. */
  readonly outgoing: Outgoing | undefined
}

/** Branches that are joined: the messages with which they arrived. */
export interface Joined {
  readonly trunk: Envelope.RoutingSlip
  readonly envelopes: ReadonlyArray<Envelope.Envelope>
}

/** Makes the message that follows from a transition of a slip. A transition that is not allowed is a bug. */
export const compose = Effect.fnUntracedEager(function* (
  { newId, security }: Means,
  envelope: Envelope.Envelope,
  activity: string,
  transition: Slip.Transition,
  joined?: Joined
) {
  const before = joined?.trunk ?? envelope.headers.routing_slip
  const applied = Slip.apply(
    before,
    transition,
    joined?.envelopes.map(({ headers }) => headers.routing_slip)
  )
  if (Result.isFailure(applied)) return yield* Effect.die(new Error(`an illegal transition: ${applied.failure}`))
  const slip = applied.success
  const next = Slip.next(slip)
  const id = newId(transition.at)
  const headers: Envelope.Headers = {
    ...envelope.headers,
    message_id: id,
    routing_slip: slip,
    security_context: yield* security.prove(envelope, activity, {
      messageId: id,
      queue: next?.queue ?? null,
      transition,
      joined: joined?.envelopes.map(({ headers: { security_context } }) => security_context)
    }),
    trace_context: yield* TraceContext.follow(envelope.headers.trace_context)
  }
  const following = { payload: next?.payload.data ?? null, headers }
  const body = Wire.encode(following)
  const composed: Composed = {
    slip,
    next,
    body,
    size: Wire.sizeOf(following, body),
    outgoing: next === undefined ? undefined : { queue: next.queue, id, body }
  }
  return composed
})

const phases = { execute: "executing", compensate: "compensating" } as const

/** How the slip stands after a transition; undefined where that was a branch's. */
const recordOf = (key: HopKey, activity: string, at: number, { body, next, slip }: Composed): SlipRecord | undefined =>
  slip.branch === undefined
    ? {
        tenantId: key.tenantId,
        correlationId: key.correlationId,
        status: slip.phase === "done" ? (slip.outcome ?? "completed") : phases[slip.phase],
        activity: next?.activity ?? activity,
        updatedAt: at,
        body
      }
    : undefined

/** What went wrong, or who wanted it. */
const detailOf = (transition: Slip.Transition): string =>
  "message" in transition
    ? `${transition.error}: ${transition.message}`
    : "by" in transition
      ? `by ${transition.by}`
      : ""

/** The event that a transition is told as. */
export const eventOf = (activity: string, transition: Slip.Transition, detail?: string): SlipEvent => ({
  type: transition.type,
  step: transition.step,
  activity,
  detail: detail ?? detailOf(transition),
  at: transition.at
})

/**
 * Publishes what is stored already. Stored is sent: where the broker does not take it now, a relay publishes it later,
 * and the message that it follows from is done with.
 */
export const send = Effect.fnUntracedEager(function* (means: Means, key: HopKey, outgoing: Outgoing) {
  const { store, transport } = means
  const published = yield* Effect.result(transport.publish(outgoing))
  if (Result.isFailure(published)) {
    yield* Effect.logWarning("A slip is sent on later", published.failure.message)
    return ack
  }
  yield* reached(means, "published", key)
  yield* store.dispatched(key, outgoing.id)
  yield* reached(means, "dispatched", key)
  return ack
})

/** The points that a hop reaches at once where its message was published with what it stored. */
const sent = (means: Means, key: HopKey) =>
  Effect.andThen(reached(means, "published", key), Effect.as(reached(means, "dispatched", key), ack))

/** What else is stored with a transition. */
export interface Besides {
  readonly further?: ReadonlyArray<Further>
  readonly closes?: string | undefined
  readonly event?: SlipEvent | undefined
}

/** Stores the transition with the message that follows from it, then publishes that. */
export const passOn = Effect.fnUntracedEager(function* <R>(
  { held, task: { activity, key, means } }: Work<R>,
  transition: Slip.Transition,
  composed: Composed,
  { closes, event, further = [] }: Besides = {}
) {
  const { outgoing } = composed
  const isSent = yield* means.store.complete(
    held,
    {
      outgoing,
      further,
      closes,
      event: event ?? eventOf(activity.name, transition),
      slip: recordOf(key, activity.name, transition.at, composed)
    },
    means.transport
  )
  yield* reached(means, "stored", key)
  for (const each of further) if (each.delay === 0) yield* send(means, each.key, each.message)
  if (outgoing === undefined) return ack
  return yield* isSent ? sent(means, key) : send(means, key, outgoing)
})
