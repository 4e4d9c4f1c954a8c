/**
 * Does or undoes one step: gives the activity its arguments and its context, and makes a transition of what came of it.
 */
import type { Unavailable } from "@tenon/core/Failure"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Activity from "./Activity.ts"
import { ActivityContext, type Planned, VariableMissing } from "./ActivityContext.ts"
import type * as Envelope from "./Envelope.ts"
import { isCarriable, uncarriable } from "./EnvelopeCheck.ts"
import * as FailureText from "./FailureText.ts"
import { type HopKey, keyText } from "./HopStore.ts"
import * as JsonForm from "./JsonForm.ts"
import type { Means } from "./Means.ts"
import type { Refused } from "./Refused.ts"
import type { Seal } from "./Security.ts"
import * as Slip from "./Slip.ts"
import { AuthorityExpired, ExchangeUnavailable } from "./TokenExchange.ts"

/** What went wrong, as the slip and its readers see it. */
export interface Failing {
  readonly error: string
  readonly message: string
  /** Nothing is wrong with the step itself: it waits for a fresh token of the user, or for the token endpoint. */
  readonly waitsFor?: "authority" | "exchange"
  /**
   * What the activity did may stand: it was cut off or died in the middle, or what it has answered cannot be carried
   * on.
   */
  readonly uncertain?: true
}

/** All about the step at hand. */
export interface Task<R> {
  readonly key: HopKey
  readonly hop: Slip.Hop
  readonly activity: Activity.Needing<R>
  readonly envelope: Envelope.Envelope
  readonly attempt: number
  readonly means: Means
}

interface Draft {
  readonly set: { [name: string]: Schema.Json }
  readonly insert: Array<Planned>
  readonly drop: Array<string>
  terminate: boolean
}

const maxMessage = 1_000

/** The step took longer than it may. */
class StepTimedOut extends Schema.TaggedError<StepTimedOut>()("StepTimedOut", { limit: Schema.String }) {
  override get message() {
    return `It took longer than ${this.limit}.`
  }
}

/** Of a defect it is said only that there was one, since nobody chose to show more. */
const died: Failing = { error: "Defect", message: "The activity died; its worker's log says why.", uncertain: true }

/** A declared failure by its tag and what it says. */
const failingOf = (cause: Cause.Cause<unknown>, hop: Slip.Hop): Failing => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "None") return died
  const { value } = failure
  const failing = { error: FailureText.nameOf(value), message: FailureText.of(value, hop.payload) }
  if (value instanceof StepTimedOut) return { ...failing, uncertain: true }
  if (value instanceof AuthorityExpired) return { ...failing, waitsFor: "authority" }
  return value instanceof ExchangeUnavailable ? { ...failing, waitsFor: "exchange" } : failing
}

const contextOf = <R>({ key, hop, envelope, attempt }: Task<R>, draft: Draft): ActivityContext["Service"] => {
  const { variables, itinerary } = envelope.headers.routing_slip
  const { obo_token } = envelope.headers.security_context
  const left = hop.phase === "execute" ? itinerary.slice(1) : []
  return {
    tenantId: key.tenantId,
    correlationId: key.correlationId,
    step: hop.step,
    phase: hop.phase,
    get idempotencyKey() {
      return keyText(key)
    },
    attempt,
    oboToken: hop.phase === "execute" && obo_token !== null ? Redacted.make(obo_token) : undefined,
    variable: (name, schema) => {
      const known = Object.hasOwn(draft.set, name) ? draft.set : variables
      return Object.hasOwn(known, name)
        ? JsonForm.decode(JsonForm.of(schema), known[name] ?? null).pipe(
            Effect.mapError(({ message }) => new VariableMissing({ name, reason: `is not as expected: ${message}` }))
          )
        : Effect.fail(new VariableMissing({ name, reason: "is not set" }))
    },
    setVariable: (name, value) =>
      Effect.sync(() => Object.defineProperty(draft.set, name, { value, enumerable: true, configurable: true })),
    insert: (...steps) => Effect.sync(() => void draft.insert.push(...steps)),
    drop: (...steps) => Effect.sync(() => void draft.drop.push(...steps)),
    terminate: Effect.sync(() => void (draft.terminate = true)),
    remaining: left.map(({ step, activity }) => ({ step, activity }))
  }
}

/** What a bug makes of a step: one of the activity, or of a value that it has answered and that cannot be looked at. */
const unlessItDies = <A, E, R>(effect: Effect.Effect<Result.Result<A, Failing>, E, R>) =>
  Effect.catchDefect(effect, (defect) =>
    Effect.as(Effect.logError("An activity died", Cause.die(defect)), Result.fail(died))
  )

/** Runs an activity's effect; a typed failure, a defect and a time-out become `Failing`. */
const attempting = <A, E, R>(
  run: () => Effect.Effect<A, E, R>,
  limit: Duration.Duration | undefined,
  hop: Slip.Hop
): Effect.Effect<Result.Result<A, Failing>, never, R> => {
  const effect = Effect.suspend(run)
  const limited: Effect.Effect<A, E | StepTimedOut, R> =
    limit === undefined
      ? effect
      : Effect.timeoutOrElse(effect, {
          duration: limit,
          orElse: () => Effect.fail(new StepTimedOut({ limit: Duration.format(limit) }))
        })
  return Effect.matchCauseEffect(limited, {
    onSuccess: (value): Effect.Effect<Result.Result<A, Failing>> => Effect.succeed(Result.succeed(value)),
    onFailure: (cause) => {
      // Who is interrupted by its worker does not come here: this one has interrupted itself.
      const died = Cause.hasDies(cause) || Cause.hasInterruptsOnly(cause)
      const log = died ? Effect.logError("An activity died", cause) : Effect.void
      return Effect.as(log, Result.fail(failingOf(cause, hop)))
    }
  })
}

const invalid = (what: string, message: string): Failing => ({ error: what, message: message.slice(0, maxMessage) })
/** After the execution. */
const tooLate = (what: string, message: string) => Result.fail<Failing>({ ...invalid(what, message), uncertain: true })

/** What the step at hand takes, decrypted and checked; a failure where it does not fit the activity. */
const decodePayload = Effect.fnUntracedEager(function* (
  { activity, hop, key, means }: Pick<Task<never>, "hop" | "key" | "means"> & { readonly activity: Activity.Any },
  codec: JsonForm.JsonCodec<unknown>,
  error: string
): Effect.fn.Return<Result.Result<unknown, Failing>, Refused | Unavailable> {
  const data = yield* means.security.reveal({ ...key, activity: activity.name }, hop.payload)
  return yield* JsonForm.decode(codec, data).pipe(
    Effect.matchEager({
      onSuccess: (value): Result.Result<unknown, Failing> => Result.succeed(value),
      onFailure: ({ message }) => Result.fail(invalid(error, message))
    })
  )
})

const newDraft = (): Draft => ({ set: {}, insert: [], drop: [], terminate: false })

/** The lesser of the step's own limit and the activity's. */
const limitOf = <R>({ activity, hop }: Task<R>): Duration.Duration | undefined => {
  const ofStep = hop.timeoutMillis === undefined ? undefined : Duration.millis(hop.timeoutMillis)
  if (ofStep === undefined || activity.timeout === undefined) return ofStep ?? activity.timeout
  return Duration.min(ofStep, activity.timeout)
}

const isTimeout = (millis: number | null) => millis === null || (Number.isSafeInteger(millis) && millis >= 0)

const unsealed: Seal = (_, data) => Effect.succeed({ data, encrypted: false })

/** How what is for an activity is written: encrypted where the step's own arguments are. */
const sealingFor = ({ hop, means }: Pick<Task<never>, "hop" | "means">, activity: string | undefined) =>
  hop.payload.encrypted && activity !== undefined ? means.security.sealing(activity) : Effect.succeed(unsealed)

/** The steps that an activity has inserted, as the slip has them. */
const insertionsOf = Effect.fnUntracedEager(function* (
  task: Pick<Task<never>, "hop" | "key" | "means">,
  draft: Draft
): Effect.fn.Return<Result.Result<ReadonlyArray<Envelope.Step>, Failing>, Unavailable> {
  const { hop, key } = task
  const insert: Array<Envelope.Step> = []
  for (const { activity, arguments: given, timeoutMillis } of draft.insert) {
    const encoded = yield* Effect.result(JsonForm.encode(activity.arguments, given))
    if (Result.isFailure(encoded)) return tooLate("InvalidInsertion", encoded.failure.message)
    if (!isCarriable(encoded.success) || !isTimeout(timeoutMillis)) return tooLate("InvalidInsertion", uncarriable)
    const sealing = yield* Effect.result(sealingFor(task, activity.name))
    if (Result.isFailure(sealing)) {
      if (sealing.failure._tag === "Unavailable") return yield* sealing.failure
      return tooLate("InvalidInsertion", sealing.failure.detail)
    }
    const step = `${hop.step}.${insert.length + 1}`
    const { data, encrypted } = yield* sealing.success({ ...key, step }, encoded.success)
    const { name, queue } = activity
    insert.push({ step, activity: name, queue, arguments: data, encrypted, timeout_ms: timeoutMillis })
  }
  return Result.succeed(insert)
})

const executing = Effect.fnUntracedEager(function* <R>(
  task: Task<R>
): Effect.fn.Return<Result.Result<Slip.Transition, Failing>, Refused | Unavailable, R> {
  const { activity, envelope, hop } = task
  const args = yield* decodePayload(task, activity.arguments, "InvalidArguments")
  if (Result.isFailure(args)) return Result.fail(args.failure)
  // Before the step is done: without a key its outcome could not be passed on.
  const seal = yield* sealingFor(task, activity.compensate === undefined ? undefined : activity.name)
  const draft = newDraft()
  const answer = yield* attempting(
    () => Effect.provideService(activity.execute(args.success), ActivityContext, contextOf(task, draft)),
    limitOf(task),
    hop
  )
  if (Result.isFailure(answer)) return Result.fail(answer.failure)

  let undo: Envelope.Sealed | null = null
  if (activity.compensate !== undefined) {
    const encoded = yield* Effect.result(JsonForm.encode(activity.log, answer.success))
    if (Result.isFailure(encoded)) return tooLate("InvalidLog", encoded.failure.message)
    if (!isCarriable(encoded.success)) return tooLate("InvalidLog", uncarriable)
    undo = yield* seal({ ...task.key, phase: "compensate" }, encoded.success)
  }
  const inserted = yield* insertionsOf(task, draft)
  if (Result.isFailure(inserted)) return Result.fail(inserted.failure)
  const insert = inserted.success
  const { drop, set, terminate } = draft
  if (!Object.values(set).every((value) => isCarriable(value))) return tooLate("InvalidVariable", uncarriable)
  const at = task.means.now()
  const transition: Slip.Transition = { type: "executed", step: hop.step, at, undo, set, insert, drop, terminate }
  const applied = Slip.apply(envelope.headers.routing_slip, transition)
  return Result.isSuccess(applied) ? Result.succeed(transition) : tooLate("RevisionRefused", applied.failure)
})

/** Executes the step. */
export const execute = <R>(task: Task<R>) => unlessItDies(executing(task))

const compensating = Effect.fnUntracedEager(function* <R>(
  task: Task<R>
): Effect.fn.Return<Result.Result<Slip.Transition, Failing>, Refused | Unavailable, R> {
  const { activity, hop } = task
  const { compensate } = activity
  if (compensate === undefined) {
    return Result.fail(invalid("NotUndoable", `${activity.name} has no compensation here any more`))
  }
  const log = yield* decodePayload(task, activity.log, "InvalidLog")
  if (Result.isFailure(log)) return Result.fail(log.failure)
  const draft = newDraft()
  const answer = yield* attempting(
    () => Effect.provideService(compensate(log.success), ActivityContext, contextOf(task, draft)),
    activity.timeout,
    hop
  )
  if (Result.isFailure(answer)) return Result.fail(answer.failure)
  if (!Object.values(draft.set).every((value) => isCarriable(value))) {
    return Result.fail(invalid("InvalidVariable", uncarriable))
  }
  const at = task.means.now()
  return Result.succeed({ type: "compensated", step: hop.step, at, set: draft.set })
})

/** Undoes the step. */
export const compensate = <R>(task: Task<R>) => unlessItDies(compensating(task))
