/**
 * The hops of a step with branches. The first begins them: it stores the first messages of all branches at once and
 * publishes them. Each branch comes to the gather at its end; the arrival that decides the matter, and it alone,
 * carries the slip on. Since the order of arrivals is stored once for all, a hop that is repeated after a crash decides
 * the same.
 */
import { ack } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import * as Branches from "./Branches.ts"
import type * as Envelope from "./Envelope.ts"
import { reached } from "./HopPoint.ts"
import { type Arrival, branchKey, type Further } from "./HopStore.ts"
import * as PassOn from "./PassOn.ts"
import { digestOf } from "./Security.ts"
import * as Size from "./Size.ts"
import type * as Slip from "./Slip.ts"
import type * as StrictJson from "./StrictJson.ts"
import * as TraceContext from "./TraceContext.ts"
import * as Wire from "./Wire.ts"

/** Begins the branches of the step at hand, to be done or undone. */
export const scatter = Effect.fnUntraced(function* <R>(item: PassOn.Work<R>, limits: StrictJson.Limits) {
  const { activity, envelope, hop, key, means } = item.task
  const slip = envelope.headers.routing_slip
  const at = means.now()
  const further: Array<Further> = []
  for (const branch of Branches.branchesOf(slip)) {
    const begun: Slip.Transition = { type: "scattered", step: hop.step, at, branch }
    const { outgoing, size, slip: child } = yield* PassOn.compose(means, envelope, activity.name, begun)
    if (outgoing === undefined) continue
    const limit = Size.most(limits, child)
    if (hop.phase === "execute" && size > limit) {
      const fault: Slip.Transition = { type: "faulted", step: hop.step, at, ...Size.tooLarge(size, limit) }
      return yield* PassOn.passOn(item, fault, yield* PassOn.compose(means, envelope, activity.name, fault))
    }
    // The timer is a branch that comes to the gather by itself, when the time is up.
    const delay = child.phase === "done" && hop.phase === "execute" ? (hop.timeoutMillis ?? 0) : 0
    further.push({ key: branchKey(key, branch), message: outgoing, delay })
  }
  yield* reached(means, "executed", key)
  const names = further.map((each) => each.key.step.replace(/\.0$/, "")).join(", ")
  yield* means.store.complete(item.held, {
    outgoing: undefined,
    further,
    event: { type: "scattered", step: hop.step, activity: activity.name, detail: names, at },
    slip: {
      tenantId: key.tenantId,
      correlationId: key.correlationId,
      status: hop.phase === "execute" ? "executing" : "compensating",
      activity: activity.name,
      updatedAt: at,
      body: item.delivery.body
    }
  })
  yield* reached(means, "stored", key)
  for (const each of further) if (each.delay === 0) yield* PassOn.send(means, each.key, each.message)
  return ack
})

const decodeArrival = (limits: StrictJson.Limits) => (arrival: Arrival) =>
  Effect.map(Wire.decode(arrival.body, limits), (envelope) => ({ envelope, digest: digestOf(envelope, arrival.body) }))

/** Lets a branch that came too late end, or be undone. */
const supersede = Effect.fnUntraced(function* <R>(item: PassOn.Work<R>, keep: boolean) {
  const { activity, envelope, hop, means } = item.task
  const at = means.now()
  const transition: Slip.Transition = { type: "superseded", step: hop.step, at, keep }
  return yield* PassOn.passOn(item, transition, yield* PassOn.compose(means, envelope, activity.name, transition))
})

/** Whether a branch that comes after a verdict may stand as it is. */
const keeps = (trunk: Envelope.RoutingSlip, { good }: Branches.Verdict) =>
  good && trunk.itinerary[0]?.scatter?.late === "keep"

/** Turns back without joining branches that are too large to be carried by one slip: each of them undoes itself. */
const part = Effect.fnUntraced(function* <R>(
  item: PassOn.Work<R>,
  joined: PassOn.Joined,
  tooLarge: { readonly error: string; readonly message: string }
) {
  const { activity, envelope, key, means } = item.task
  const at = means.now()
  const further: Array<Further> = []
  for (const each of joined.envelopes) {
    const { branch } = each.headers.routing_slip
    if (branch === undefined) continue
    const transition: Slip.Transition = { type: "superseded", step: branch.branch, at, keep: false }
    const { outgoing } = yield* PassOn.compose(means, each, activity.name, transition)
    if (outgoing === undefined) continue
    further.push({ key: { ...branchKey(key, branch.branch), phase: "compensate" }, message: outgoing, delay: 0 })
  }
  const step = joined.trunk.itinerary[0]?.step ?? ""
  const fault: Slip.Transition = { type: "faulted", step, at, ...tooLarge }
  const alone = yield* PassOn.compose(means, envelope, activity.name, fault, joined)
  return yield* PassOn.passOn(item, fault, alone, { further, closes: `${step}.` })
})

/** Takes in a branch that has come to its end. */
export const gather = Effect.fnUntraced(function* <R>(item: PassOn.Work<R>, limits: StrictJson.Limits) {
  const { activity, envelope, hop, key, means } = item.task
  const { branch } = envelope.headers.routing_slip
  if (branch === undefined) return yield* Effect.die(new Error("only a branch comes to a gather"))
  const arrival = { branch: branch.branch, body: item.delivery.body }
  const arrivals = yield* means.store.arrive(key, `${branch.of}/${branch.phase}`, arrival)
  const all = yield* Effect.forEach(arrivals, decodeArrival(limits))
  yield* reached(means, "executed", key)
  const { trunk } = branch
  const verdict = Branches.verdict(
    trunk,
    all.map((each) => each.envelope.headers.routing_slip)
  )
  const at = means.now()
  if (verdict === undefined) {
    const { outcome } = envelope.headers.routing_slip
    const event = { type: "arrived", step: hop.step, activity: activity.name, detail: outcome ?? "", at } as const
    yield* means.store.complete(item.held, { outgoing: undefined, event, slip: undefined })
    yield* reached(means, "stored", key)
    return ack
  }
  if (verdict.of < all.length) return yield* supersede(item, keeps(trunk, verdict))
  const joined = { trunk, envelopes: all.map((each) => each.envelope) }
  const transition: Slip.Transition = {
    type: "gathered",
    step: branch.of,
    at,
    joined: all.map(({ digest, envelope: { headers } }) => ({
      branch: headers.routing_slip.branch?.branch ?? "",
      digest
    }))
  }
  const others = joined.envelopes.filter((each) => each.headers.message_id !== envelope.headers.message_id)
  yield* TraceContext.linkTo(others.map(({ headers }) => headers.trace_context))
  const composed = yield* PassOn.compose(means, envelope, activity.name, transition, joined)
  const limit = Size.most(limits, composed.slip)
  const { size } = composed
  if (hop.phase === "execute" && size > limit) return yield* part(item, joined, Size.tooLarge(size, limit))
  const detail = verdict.good ? "" : `${composed.slip.fault?.error}: ${composed.slip.fault?.message}`
  return yield* PassOn.passOn(item, transition, composed, {
    event: PassOn.eventOf(activity.name, transition, detail),
    closes: hop.phase === "compensate" || keeps(trunk, verdict) ? undefined : `${branch.of}.`
  })
})
