/**
 * How a slip changes, as a pure function of its state and one transition. Workers, the verifier of the signed log and
 * the offline verifier all use this one function, so what a worker may do is what a verifier accepts.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Envelope from "./Envelope.ts"

const common = { step: Envelope.StepId, at: Envelope.Instant }

/** What happened to one step. */
export const Transition = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("executed"),
    ...common,
    /** What undoing needs; null where the activity cannot be undone. */
    undo: Schema.NullOr(Envelope.Sealed),
    set: Schema.Record(Schema.String, Schema.Json),
    /** Steps to do next, before those that are left. */
    insert: Schema.Array(Envelope.Step),
    /** Steps not to do any more. */
    drop: Schema.Array(Envelope.StepId),
    /** Whether the slip ends here, well. */
    terminate: Schema.Boolean
  }),
  Schema.Struct({ type: Schema.Literal("faulted"), ...common, error: Schema.String, message: Schema.String }),
  Schema.Struct({ type: Schema.Literal("cancelled"), ...common, by: Schema.String }),
  /** Who may begin slips has given this one a fresh token of its user, and more time. */
  Schema.Struct({
    type: Schema.Literal("reauthorised"),
    ...common,
    by: Schema.String,
    obo_sha256: Schema.String,
    expires_at: Envelope.Instant
  }),
  Schema.Struct({
    type: Schema.Literal("compensated"),
    ...common,
    set: Schema.Record(Schema.String, Schema.Json)
  }),
  /** An operator had the compensation skipped. */
  Schema.Struct({ type: Schema.Literal("skipped"), ...common, by: Schema.String }),
  /** The compensation was given up, as its activity declares. */
  Schema.Struct({ type: Schema.Literal("abandoned"), ...common, error: Schema.String, message: Schema.String })
])
export type Transition = typeof Transition.Type

/** Where a slip goes next. */
export interface Hop {
  readonly phase: "execute" | "compensate"
  readonly step: string
  readonly activity: string
  readonly queue: string
  readonly payload: Envelope.Sealed
  readonly timeoutMillis: number | undefined
}

/** The next hop, or undefined where the slip is at its end. */
export const next = (slip: Envelope.RoutingSlip): Hop | undefined => {
  if (slip.phase === "done") return undefined
  if (slip.phase === "execute") {
    const step = slip.itinerary[0]
    if (step === undefined) return undefined
    const { activity, queue, arguments: data, encrypted, timeout_ms } = step
    const payload = { data, encrypted }
    return { phase: "execute", step: step.step, activity, queue, payload, timeoutMillis: timeout_ms ?? undefined }
  }
  const entry = slip.compensation_log.at(-1)
  if (entry === undefined) return undefined
  const { step, activity, queue, data, encrypted } = entry
  return { phase: "compensate", step, activity, queue, payload: { data, encrypted }, timeoutMillis: undefined }
}

/** The slip as it is before anything was done. */
export const start = (options: {
  readonly itinerary: ReadonlyArray<Envelope.Step>
  readonly variables: { readonly [name: string]: Schema.Json }
  readonly revision: Envelope.Revision
  readonly deadline: number | null
}): Envelope.RoutingSlip =>
  settled({
    ...options,
    activity_log: [],
    compensation_log: [],
    phase: "execute",
    outcome: null,
    fault: null,
    not_undone: []
  })

/** Whether a state can be the first of a slip: nothing done, and every step named once. */
export const isStart = (slip: Envelope.RoutingSlip): boolean =>
  slip.activity_log.length === 0 &&
  slip.compensation_log.length === 0 &&
  slip.not_undone.length === 0 &&
  slip.fault === null &&
  slip.outcome === null &&
  slip.phase === "execute" &&
  slip.itinerary.length > 0 &&
  new Set(slip.itinerary.map(({ step }) => step)).size === slip.itinerary.length

/** Ends a slip that has nothing left to do. */
const settled = (slip: Envelope.RoutingSlip): Envelope.RoutingSlip => {
  if (slip.phase === "execute" && slip.itinerary.length === 0) {
    return { ...slip, phase: "done", outcome: slip.outcome ?? "completed" }
  }
  return slip.phase === "compensate" && slip.compensation_log.length === 0 ? { ...slip, phase: "done" } : slip
}

/** Applies a transition, or says why it is not allowed. */
export const apply = (
  slip: Envelope.RoutingSlip,
  transition: Transition
): Result.Result<Envelope.RoutingSlip, string> => {
  const hop = next(slip)
  if (hop === undefined) return Result.fail("the slip is at its end")
  if (hop.step !== transition.step) return Result.fail(`step ${hop.step} is at hand, not ${transition.step}`)
  const wants = ["executed", "faulted", "cancelled", "reauthorised"].includes(transition.type)
    ? "execute"
    : "compensate"
  if (hop.phase !== wants) return Result.fail(`a step cannot be ${transition.type} in phase ${hop.phase}`)
  switch (transition.type) {
    case "executed":
      return Result.map(revise(slip, hop, transition), (revised) => settled(executed(revised, hop, transition)))
    case "faulted": {
      const { step, error, message } = transition
      const fault = { step, activity: hop.activity, error, message }
      return Result.succeed(settled({ ...slip, phase: "compensate", outcome: "faulted", fault }))
    }
    case "cancelled": {
      const fault = {
        step: hop.step,
        activity: hop.activity,
        error: "Cancelled",
        message: `cancelled by ${transition.by}`
      }
      return Result.succeed(settled({ ...slip, phase: "compensate", outcome: "cancelled", fault }))
    }
    // Another authority to do the same with.
    case "reauthorised":
      return Result.succeed(slip)
    case "compensated":
      return Result.succeed(undone({ ...slip, variables: { ...slip.variables, ...transition.set } }))
    case "skipped":
    case "abandoned":
      return Result.succeed(undone({ ...slip, not_undone: [...slip.not_undone, hop.step] }))
  }
}

const undone = (slip: Envelope.RoutingSlip): Envelope.RoutingSlip =>
  settled({ ...slip, compensation_log: slip.compensation_log.slice(0, -1) })

type Executed = Extract<Transition, { readonly type: "executed" }>

const executed = (slip: Envelope.RoutingSlip, hop: Hop, transition: Executed): Envelope.RoutingSlip => {
  const { step, activity, queue } = hop
  const { at, undo, set, terminate } = transition
  return {
    ...slip,
    itinerary: terminate ? [] : slip.itinerary.slice(1),
    activity_log: [...slip.activity_log, { step, activity, at }],
    compensation_log:
      undo === null ? slip.compensation_log : [...slip.compensation_log, { step, activity, queue, ...undo }],
    variables: { ...slip.variables, ...set },
    outcome: terminate ? "terminated" : null
  }
}

/** Changes the itinerary as an executed step asks, if the slip's policy lets it. */
const revise = (
  slip: Envelope.RoutingSlip,
  hop: Hop,
  { insert, drop }: Executed
): Result.Result<Envelope.RoutingSlip, string> => {
  if (insert.length === 0 && drop.length === 0) return Result.succeed(slip)
  const { revision } = slip
  if (!revision.by.includes(hop.activity)) return Result.fail(`${hop.activity} may not revise the itinerary`)
  if (insert.length > revision.budget) {
    return Result.fail(`${insert.length} steps were inserted where ${revision.budget} are left`)
  }
  const foreign = insert.find(({ activity }) => !revision.activities.includes(activity))
  if (foreign !== undefined) return Result.fail(`${foreign.activity} may not be inserted`)
  const misnamed = insert.find(({ step }, index) => step !== `${hop.step}.${index + 1}`)
  if (misnamed !== undefined) return Result.fail(`an inserted step may not be named ${misnamed.step}`)
  const [current, ...rest] = slip.itinerary
  if (drop.length > 0 && !revision.drops) return Result.fail("no step may be dropped")
  const unknown = drop.find((step) => !rest.some((each) => each.step === step))
  if (unknown !== undefined) return Result.fail(`step ${unknown} is not left to do`)
  return Result.succeed({
    ...slip,
    itinerary: [
      ...(current === undefined ? [] : [current]),
      ...insert,
      ...rest.filter(({ step }) => !drop.includes(step))
    ],
    revision: { ...revision, budget: revision.budget - insert.length }
  })
}
