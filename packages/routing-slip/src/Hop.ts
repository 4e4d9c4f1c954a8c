/**
 * One hop: a message is checked, its step claimed, done, stored, and the slip sent on, so that a crash at any point
 * loses nothing and repeats nothing that the activity's idempotency key can tell.
 *
 * verify → claim (lease, fencing token) → execute → store outcome and outgoing bytes at once → publish, confirmed →
 * acknowledge; marked a moment later. A duplicate sends the stored bytes again; it executes and signs nothing.
 */
import type { Unavailable } from "@tenon/core/Failure"
import {
  ack,
  deadLetter,
  type Delivery,
  type Outgoing,
  putOff,
  type Settlement,
  type Transport
} from "@tenon/messaging/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Activity from "./Activity.ts"
import type * as Envelope from "./Envelope.ts"
import { reached } from "./HopPoint.ts"
import type { Fenced, Held, HopKey, HopStore, Release, SlipEvent } from "./HopStore.ts"
import * as Gathering from "./Gathering.ts"
import { type Means, means as findMeans } from "./Means.ts"
import * as Outage from "./Outage.ts"
import * as PassOn from "./PassOn.ts"
import type { Work } from "./PassOn.ts"
import * as Performance from "./Performance.ts"
import { Refused } from "./Refused.ts"
import type * as Registry from "./Registry.ts"
import type { Security } from "./Security.ts"
import * as Size from "./Size.ts"
import * as Slip from "./Slip.ts"
import * as StrictJson from "./StrictJson.ts"
import * as Suspension from "./Suspension.ts"
import * as TraceContext from "./TraceContext.ts"
import type { Unable } from "./Unable.ts"
import * as Wire from "./Wire.ts"

/** How hops are done. */
export interface Options {
  /** How long a step belongs to a worker that gives no sign of life. Default 30 seconds. */
  readonly lease?: Duration.Input
  /** What a message may measure. */
  readonly limits?: StrictJson.Limits
  /**
   * How long after a step was done its message may come once more, as brokers do, and be acknowledged. One that comes
   * later is refused as a replay. Default one day.
   */
  readonly redelivery?: Duration.Input
  /** How many workers may die over one step before it counts as failed. Default 5. */
  readonly maxCrashes?: number
}

/**
 * After so many milliseconds the lease of a step that takes longer is renewed for the first time, since a store may
 * write that to its disk and the claim with it, which it had not waited for.
 */
const soon = 100

/**
 * How long a message stays in the hand of a worker that cannot sign what comes of it, so that it does not come to the
 * same one again and again; by then that takes no more (`Listening`).
 */
const handBack = "500 millis"

type Decision = Result.Result<Slip.Transition, Performance.Failing>
const transition = (done: Slip.Transition): Decision => Result.succeed(done)
const failing = (error: string, message: string): Decision => Result.fail({ error, message })

/** The handler of messages for the activities of a registry. */
export const handler = <R>(registry: Registry.Of<R>, options: Options = {}) => {
  const lease = Duration.toMillis(Duration.fromInputUnsafe(options.lease ?? "30 seconds"))
  const maxCrashes = options.maxCrashes ?? 5
  const redelivery = Duration.toMillis(Duration.fromInputUnsafe(options.redelivery ?? "1 day"))
  const limits = options.limits ?? StrictJson.defaultLimits
  const unavailable = Outage.make()

  const handle = Effect.fnUntracedEager(function* (
    means: Means,
    delivery: Delivery
  ): Effect.fn.Return<Settlement, Refused | Unable | Unavailable | Fenced, R> {
    const envelope = yield* Wire.decode(delivery.body, limits)
    const admitted = yield* means.security.admit(envelope, delivery.body, delivery.queue)
    const hop = Slip.next(envelope.headers.routing_slip)
    if (hop === undefined) return yield* new Refused({ reason: "malformed", detail: "the slip is at its end" })
    if (hop.queue !== delivery.queue) {
      return yield* new Refused({ reason: "wrong-audience", detail: `its next step is for ${hop.queue}` })
    }
    if (!StrictJson.equal(envelope.payload, hop.payload.data)) {
      return yield* new Refused({ reason: "tampered", detail: "the payload is not that of the step at hand" })
    }
    const activity = registry.find(hop.activity)
    if (activity === undefined || activity.queue !== delivery.queue) {
      return yield* new Refused({ reason: "unknown-activity", detail: `no ${hop.activity} is performed here` })
    }
    const { tenant_id: tenantId, correlation_id: correlationId } = envelope.headers
    const key: HopKey = { tenantId, correlationId, step: hop.step, phase: hop.phase }
    yield* reached(means, "admitted", key)

    const incoming = incomingOf(delivery)
    const { digest, expires, index } = admitted
    const knownOnly = mayNotBegin(envelope.headers.routing_slip, expires, means.now())
    const claim = yield* means.store.claim(
      key,
      { digest, index, branch: branchOf(envelope), incoming, knownOnly },
      lease
    )
    switch (claim._tag) {
      case "Unknown":
        return yield* new Refused({ reason: "expired", detail: "the slip's authority ran out before it was begun" })
      case "Forked":
        return yield* new Refused({ reason: "forked", detail: claim.detail })
      case "Purged":
        return yield* new Refused({ reason: "replayed", detail: "its slip was over long ago and has been purged" })
      case "Parked":
        return ack
      case "Done":
        if (claim.outgoing !== undefined) return yield* PassOn.send(means, key, claim.outgoing)
        if (claim.age <= redelivery) return ack
        return yield* new Refused({ reason: "replayed", detail: `${hop.activity} was done with before` })
      case "Claimed": {
        const held = { key, token: claim.token }
        const task = { key, hop, activity, envelope, attempt: claim.claims, means }
        const progress = { unbegun: true }
        yield* reached(means, "claimed", key)
        return yield* work({ delivery, task, held, claim, expires }, progress).pipe(
          Effect.tapError(({ _tag }) => {
            if (_tag !== "Refused") return giveBack(means, held, digest, progress)
            // What is refused for want of a key to encrypt with, say, may be driven back once there is one. Until then
            // nobody does it again.
            return giveBack(means, held, digest, { ...progress, refused: true })
          }),
          Effect.onInterrupt(() => letGo(means, held, digest, progress)),
          TraceContext.inSpan(
            `${hop.activity} ${hop.phase}`,
            TraceContext.parentOf(envelope.headers.trace_context),
            () => spanOf(task, delivery.queue)
          )
        )
      }
    }
  })

  /** Does the step and passes the slip on, or sets it aside. */
  const work = Effect.fnUntracedEager(function* (item: Work<R>, progress: { unbegun: boolean }) {
    const { claim, held, task } = item
    const { means } = task
    yield* means.security.ready(task.envelope, task.activity.name)
    if (task.hop.kind === "gather") return yield* Gathering.gather(item, limits)
    const begunAt = means.now()
    const decided = decide(item, begunAt)
    if (decided === undefined && task.hop.kind === "scatter") return yield* Gathering.scatter(item, limits)
    progress.unbegun = decided !== undefined
    const answer = decided ?? (yield* attempt(item))
    yield* reached(means, "executed", task.key)
    if (Result.isSuccess(answer)) return yield* passOn(item, inTime(item, answer.success, begunAt))

    const { activity, hop } = task
    const { error, message, uncertain = false, waitsFor } = answer.failure
    // Its name only: what it says may hold what is nobody's business.
    yield* Effect.annotateCurrentSpan("error.type", error)
    const incoming = incomingOf(item.delivery)
    if (hop.phase === "execute" && waitsFor !== undefined) {
      const event = eventOf(item, waitsFor === "authority" ? "suspended" : "retrying", `${error}: ${message}`)
      return yield* Effect.as(Suspension.wait(held, { task, incoming, event, waitsFor, expires: item.expires }), ack)
    }
    const retry = hop.phase === "execute" ? activity.retry : activity.compensationRetry
    const delay = Activity.delayAfter(retry, claim.failures + 1)
    if (delay !== undefined && decided === undefined) {
      const event = eventOf(item, "retrying", `${error}: ${message}`)
      yield* means.store.postpone(held, {
        incoming,
        delay: Math.min(Duration.toMillis(delay), Suspension.untilEnd(item, event.at)),
        event,
        uncertain,
        // It is not called off but done again, since nobody knows what it did: as often as it may, and at its own pace.
        isCalledOff: claim.cancelledBy !== undefined
      })
      return ack
    }
    const at = means.now()
    if (hop.phase === "execute") {
      return yield* passOn(item, {
        type: "faulted",
        step: hop.step,
        at,
        error,
        message,
        ...uncertainty({ uncertain: uncertain || claim.uncertain })
      })
    }
    if (activity.onCompensationFailure === "continue") {
      return yield* passOn(item, { type: "abandoned", step: hop.step, at, error, message })
    }
    yield* means.store.halt(held, { incoming, event: eventOf(item, "halted", `${error}: ${message}`) })
    return ack
  })

  /** Does or undoes the step. Whoever loses the lease stops: the step is another worker's now. */
  const attempt = Effect.fnUntracedEager(function* (item: Work<R>) {
    const { held, task } = item
    const answer = yield* whileHeld(
      task.means,
      held,
      task.hop.phase === "execute" ? Performance.execute(task) : Performance.compensate(task)
    )
    // What may have been done, and cannot be tried again for want of authority, must not wait for ever.
    const waits = Result.isFailure(answer) && answer.failure.waitsFor !== undefined
    return (waits ? whyBack(item, task.means.now()) : undefined) ?? answer
  })

  /** What needs no execution to be known: a wish of an operator, a limit, a step that kills its workers. */
  const decide = (item: Work<R>, at: number): Decision | undefined => {
    const { claim, task } = item
    const { hop } = task
    if (hop.phase === "compensate" && claim.skippedBy !== undefined) {
      return transition({ type: "skipped", step: hop.step, at, by: claim.skippedBy })
    }
    // What is halted on its way forth could not be undone by its own worker.
    if (claim.skippedBy !== undefined) {
      return failing(
        "SlipTooLarge",
        `What it did is too large to be carried; undoing it was skipped by ${claim.skippedBy}.`
      )
    }
    // What may have been done by a worker that died has to be done again, to be known and undone, where it still may
    // be.
    const turnsBack = claim.uncertain && !isOver(item.expires, at) ? undefined : whyBack(item, at)
    if (turnsBack !== undefined) return turnsBack
    const crashes = claim.claims - 1 - claim.failures
    return crashes > maxCrashes ? failing("Crashed", `${crashes} workers ended in the middle of it.`) : undefined
  }

  /** Why a step is not to be begun any more. */
  const whyBack = ({ claim, delivery, expires, task }: Work<R>, at: number): Decision | undefined => {
    const { envelope, hop } = task
    if (hop.phase !== "execute") return undefined
    if (claim.cancelledBy !== undefined) {
      return transition({ type: "cancelled", step: hop.step, at, by: claim.cancelledBy, ...uncertainty(claim) })
    }
    const { deadline } = envelope.headers.routing_slip
    if (deadline !== null && at > deadline) {
      return failing("DeadlineExceeded", `The slip was to be done by ${new Date(deadline).toISOString()}.`)
    }
    if (expires !== undefined && isOver(expires, at)) {
      return failing("SlipExpired", `The slip was good until ${new Date(expires).toISOString()}.`)
    }
    const limit = Size.forth(limits, envelope.headers.routing_slip)
    // No spelling of a value is six times as short as ours: what is so small need not be written to be measured.
    if (delivery.body.byteLength * 6 <= limit) return undefined
    const size = Wire.sizeOf(envelope)
    return size > limit ? Result.fail(Size.tooLarge(size, limit)) : undefined
  }

  const keepLease = ({ store }: Means, held: Held): Effect.Effect<never, Fenced> => {
    const renewAfter = (millis: number) =>
      Effect.gen(function* () {
        yield* Effect.sleep(millis)
        // A store that does not answer may be back before the lease ends.
        yield* store.renew(held, lease).pipe(Effect.catchTag("Unavailable", () => Effect.void))
      })
    const often = Math.ceil(lease / 3)
    return Effect.andThen(renewAfter(Math.min(soon, often)), Effect.forever(renewAfter(often)))
  }

  /**
   * Does what only the holder of a claim may do, and stops once the claim is lost. What is done at once needs no lease
   * kept.
   */
  const whileHeld = <A, E, S>(means: Means, held: Held, effect: Effect.Effect<A, E, S>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkChild(restore(effect), { startImmediately: true }), (fiber) => {
        const exit: Effect.Effect<A, E> | undefined = fiber.pollUnsafe()
        return (
          exit ??
          Effect.ensuring(restore(Effect.raceFirst(Fiber.join(fiber), keepLease(means, held))), Fiber.interrupt(fiber))
        )
      })
    )

  const eventOf = ({ task }: Work<R>, type: SlipEvent["type"], detail: string): SlipEvent => ({
    type,
    step: task.hop.step,
    activity: task.activity.name,
    detail,
    at: task.means.now()
  })

  /** Stores the transition with the message that follows from it, then publishes that. */
  const passOn = Effect.fnUntracedEager(function* (item: Work<R>, transition: Slip.Transition) {
    const { activity, envelope, means } = item.task
    const composed = yield* PassOn.compose(means, envelope, activity.name, transition)
    const { size } = composed
    if (transition.type === "executed") {
      const limit = Size.most(limits, composed.slip)
      if (size > limit) return yield* undoHere(item, transition, Size.tooLarge(size, limit))
    }
    if (transition.type === "compensated" && size > Size.back(limits)) {
      // It is undone, and that has to be passed on; what it would have others know is lost.
      yield* Effect.logWarning(
        "Variables that a compensation has set are left out",
        Size.tooLarge(size, Size.back(limits))
      )
      const bare = { ...transition, set: {} }
      return yield* PassOn.passOn(item, bare, yield* PassOn.compose(means, envelope, activity.name, bare))
    }
    return yield* PassOn.passOn(item, transition, composed)
  })

  /** Undoes a step whose outcome is too large to be carried along, at once and here, and turns the slip back. */
  const undoHere = Effect.fnUntraced(function* (
    item: Work<R>,
    { at, step, undo }: Extract<Slip.Transition, { readonly type: "executed" }>,
    fault: Performance.Failing
  ): Effect.fn.Return<Settlement, Refused | Unable | Unavailable | Fenced, R> {
    const { claim, held, task } = item
    const { means } = task
    const turnBack = (uncertain: boolean) =>
      passOn(item, { type: "faulted", step, at, ...fault, ...(uncertain ? { uncertain } : {}) })
    if (undo === null) return yield* turnBack(false)
    const key: HopKey = { ...task.key, phase: "compensate" }
    const undone = yield* whileHeld(
      means,
      held,
      Performance.compensate({ ...task, key, hop: { ...task.hop, phase: "compensate", payload: undo } })
    )
    if (Result.isSuccess(undone)) return yield* turnBack(false)
    const detail = `${undone.failure.error}: ${undone.failure.message}`
    const incoming = incomingOf(item.delivery)
    const delay = Activity.delayAfter(task.activity.compensationRetry, claim.failures + 1)
    if (delay !== undefined) {
      const event = eventOf(item, "retrying", detail)
      // It is done: no deadline and no cancellation may have that forgotten, or hurry what undoes it.
      yield* means.store.postpone(held, {
        incoming,
        delay: Duration.toMillis(delay),
        event,
        uncertain: true,
        undoing: true
      })
      return ack
    }
    if (task.activity.onCompensationFailure === "continue") return yield* turnBack(true)
    yield* means.store.halt(held, { incoming, event: eventOf(item, "halted", detail), uncertain: true })
    return ack
  })

  const unhandled = (delivery: Delivery) => (failure: Refused | Unable | Unavailable | Fenced) => {
    switch (failure._tag) {
      case "Refused": {
        const { detail, reason } = failure
        return Effect.as(Effect.logWarning(`A message is refused: ${reason}`, detail), deadLetter(reason, detail))
      }
      case "Unable":
        return Effect.as(Effect.logWarning("A message is left to other workers", failure.message), putOff(handBack))
      case "Unavailable":
        return unavailable(failure)
      case "Fenced":
        return Effect.as(Effect.logWarning("A hop is left to another worker", failure.message), Outage.again(delivery))
    }
  }

  return (delivery: Delivery): Effect.Effect<Settlement, never, R | Transport | HopStore | Security> =>
    Effect.catch(
      Effect.flatMap(findMeans, (means) => handle(means, delivery)),
      unhandled(delivery)
    )
}

/** Gives a claim back at once, if the store answers. */
const letGo = ({ store }: Means, held: Held, digest: string, how: Release) =>
  Effect.ignore(store.release(held, digest, how))

/**
 * Says of a step that it may have been done, if it was begun, where what came of it could not be stored: the store may
 * have lost the claim with its last moments, and others would take the step for a new one. The message is kept in hand
 * until that is said, or for as long as a store may take to come back.
 */
const giveBack = ({ store }: Means, held: Held, digest: string, how: Release) =>
  store
    .release(held, digest, how)
    .pipe(Effect.retry({ schedule: Schedule.spaced("1 second"), times: 30 }), Effect.ignore)

/** Whether the time of an authority is over; one that is not limited is never. */
const isOver = (expires: number | undefined, at: number): boolean => expires !== undefined && at > expires

/** Whether a slip comes too late to be begun. One of which something may have been done turns back instead. */
const mayNotBegin = (slip: Envelope.RoutingSlip, expires: number | undefined, now: number): boolean =>
  slip.phase === "execute" && !Slip.isBegun(slip) && isOver(expires, now)

/** Says of a step that took longer than the slip's authority lasts that it was begun in time. */
const inTime = <R>({ expires }: Work<R>, transition: Slip.Transition, begunAt: number): Slip.Transition =>
  transition.type === "executed" && isOver(expires, transition.at) ? { ...transition, begun_at: begunAt } : transition

/** The message as it is published again. */
const incomingOf = ({ queue, id, body }: Delivery): Outgoing => ({ queue, id, body })

const uncertainty = ({ uncertain }: Pick<Work<never>["claim"], "uncertain">) => (uncertain ? { uncertain } : {})

/** The branch whose log the message carries; doing and undoing one branch are two. */
const branchOf = ({ headers }: Envelope.Envelope): string => {
  const { branch } = headers.routing_slip
  return branch === undefined ? "" : `${branch.branch}${branch.phase === "execute" ? "" : "/undo"}`
}

const spanOf = <R>({ attempt, envelope: { headers }, hop }: Performance.Task<R>, queue: string) => ({
  kind: "consumer" as const,
  // OpenTelemetry semantic conventions for messaging spans.
  attributes: {
    "messaging.operation.type": "process",
    "messaging.destination.name": queue,
    "messaging.message.id": headers.message_id,
    "messaging.message.conversation_id": headers.correlation_id,
    "tenon.tenant_id": headers.tenant_id,
    "tenon.step": hop.step,
    "tenon.attempt": attempt
  }
})
