/**
 * How a slip changes, as a pure function of its state and one transition. Workers, the verifier of the signed log and
 * the offline verifier all use this one function, so what a worker may do is what a verifier accepts.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Branches from "./Branches.ts"
import * as Envelope from "./Envelope.ts"

const common = { step: Envelope.StepId, at: Envelope.Instant }

/** Where an attempt before it ended in a way that nobody knows, so that what it did may stand. */
const uncertain = { uncertain: Schema.optionalKey(Schema.Boolean) }

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
    terminate: Schema.Boolean,
    /** When it was begun, where it was not done before the slip's authority had run out. */
    begun_at: Schema.optionalKey(Envelope.Instant)
  }),
  Schema.Struct({
    type: Schema.Literal("faulted"),
    ...common,
    error: Schema.String,
    message: Schema.String,
    ...uncertain
  }),
  Schema.Struct({ type: Schema.Literal("cancelled"), ...common, by: Schema.String, ...uncertain }),
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
  Schema.Struct({ type: Schema.Literal("abandoned"), ...common, error: Schema.String, message: Schema.String }),
  /** One of the step's branches was begun: of all these, one follows the same entry for each branch. */
  Schema.Struct({ type: Schema.Literal("scattered"), ...common, branch: Envelope.StepId }),
  /** Branches were joined, in the order in which they arrived, each named with the digest of its newest entry. */
  Schema.Struct({
    type: Schema.Literal("gathered"),
    ...common,
    joined: Schema.Array(Schema.Struct({ branch: Envelope.StepId, digest: Schema.String }))
  }),
  /** A branch came too late; it is undone, or what it did is kept. */
  Schema.Struct({ type: Schema.Literal("superseded"), ...common, keep: Schema.Boolean })
])
export type Transition = typeof Transition.Type

/** Where a slip goes next. */
export interface Hop {
  /** Whether a step is done or undone there, branches are begun, or a branch is gathered. */
  readonly kind: "step" | "scatter" | "gather"
  readonly phase: "execute" | "compensate"
  readonly step: string
  readonly activity: string
  readonly queue: string
  readonly payload: Envelope.Sealed
  readonly timeoutMillis: number | undefined
}

const nothing: Envelope.Sealed = { data: null, encrypted: false }

/** Where a branch goes at its end: to its gather, unless that went on without it. */
const home = ({ branch }: Envelope.RoutingSlip): Hop | undefined => {
  if (branch === undefined || branch.superseded) return undefined
  const { activity, branch: step, phase, queue } = branch
  return { kind: "gather", phase, step, activity, queue, payload: nothing, timeoutMillis: undefined }
}

/** The next hop, or undefined where the slip is at its end. */
export const next = (slip: Envelope.RoutingSlip): Hop | undefined => {
  if (slip.phase === "done") return home(slip)
  if (slip.phase === "execute") {
    const found = slip.itinerary[0]
    if (found === undefined) return undefined
    const { activity, queue, arguments: data, encrypted, step, timeout_ms } = found
    const kind = found.scatter === undefined ? "step" : "scatter"
    const payload = { data, encrypted }
    return { kind, phase: "execute", step, activity, queue, payload, timeoutMillis: timeout_ms ?? undefined }
  }
  const entry = slip.compensation_log.at(-1)
  if (entry === undefined) return undefined
  const { step, activity, queue, data, encrypted } = entry
  const kind = entry.branches === undefined ? "step" : "scatter"
  return { kind, phase: "compensate", step, activity, queue, payload: { data, encrypted }, timeoutMillis: undefined }
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
  slip.branch === undefined &&
  slip.itinerary.length > 0 &&
  slip.itinerary.every(Branches.isScatter) &&
  new Set(slip.itinerary.map(({ step }) => step)).size === slip.itinerary.length

/** Whether something of a slip may have been done. A branch cannot know of the others. */
export const isBegun = ({ activity_log, branch }: Envelope.RoutingSlip): boolean =>
  activity_log.length > 0 || branch !== undefined

/** Ends a slip that has nothing left to do. */
const settled = (slip: Envelope.RoutingSlip): Envelope.RoutingSlip => {
  if (slip.phase === "execute" && slip.itinerary.length === 0) {
    return { ...slip, phase: "done", outcome: slip.outcome ?? "completed" }
  }
  return slip.phase === "compensate" && slip.compensation_log.length === 0 ? { ...slip, phase: "done" } : slip
}

const kinds: { readonly [type in Transition["type"]]: ReadonlyArray<`${Hop["phase"]} ${Hop["kind"]}`> } = {
  executed: ["execute step"],
  faulted: ["execute step", "execute scatter"],
  cancelled: ["execute step", "execute scatter"],
  reauthorised: ["execute step"],
  compensated: ["compensate step"],
  skipped: ["compensate step", "compensate scatter"],
  abandoned: ["compensate step", "compensate scatter"],
  scattered: ["execute scatter", "compensate scatter"],
  gathered: ["execute scatter", "compensate scatter"],
  superseded: ["execute gather", "compensate gather"]
}

/** Applies a transition, or says why it is not allowed. `joined` are the branches that a `gathered` names. */
export const apply = (
  slip: Envelope.RoutingSlip,
  transition: Transition,
  joined: ReadonlyArray<Envelope.RoutingSlip> = []
): Result.Result<Envelope.RoutingSlip, string> => {
  const hop = next(slip)
  if (hop === undefined) return Result.fail("the slip is at its end")
  if (hop.step !== transition.step) return Result.fail(`step ${hop.step} is at hand, not ${transition.step}`)
  if (!kinds[transition.type].includes(`${hop.phase} ${hop.kind}`)) {
    return Result.fail(`a ${hop.kind} cannot be ${transition.type} in phase ${hop.phase}`)
  }
  switch (transition.type) {
    case "executed":
      return Result.map(revise(slip, hop, transition), (revised) => settled(executed(revised, hop, transition)))
    case "faulted": {
      const { step, error, message } = transition
      const fault = { step, activity: hop.activity, error, message }
      return Result.succeed(turned(slip, transition, "faulted", fault))
    }
    case "cancelled": {
      const fault = {
        step: hop.step,
        activity: hop.activity,
        error: "Cancelled",
        message: `cancelled by ${transition.by}`
      }
      return Result.succeed(turned(slip, transition, "cancelled", fault))
    }
    // Another authority to do the same with.
    case "reauthorised":
      return Result.succeed(slip)
    case "compensated":
      return Result.succeed(undone(setting(slip, transition.set)))
    case "skipped":
    case "abandoned":
      return Result.succeed(undone({ ...slip, not_undone: [...slip.not_undone, hop.step] }))
    case "scattered":
      return Result.map(Branches.split(slip, transition.branch, transition.at), settled)
    case "gathered":
      return Result.map(Branches.join(slip, hop.step, joined), settled)
    case "superseded":
      return Result.map(Branches.supersede(slip, transition.keep), settled)
  }
}

/** Sets variables; a branch keeps account of them for its gather. */
const setting = (slip: Envelope.RoutingSlip, set: { readonly [name: string]: Schema.Json }): Envelope.RoutingSlip => ({
  ...slip,
  variables: { ...slip.variables, ...set },
  ...(slip.branch === undefined ? {} : { branch: { ...slip.branch, set: { ...slip.branch.set, ...set } } })
})

/** Has a slip turn back, with the step at hand among what is not undone where it may have been done. */
const turned = (
  slip: Envelope.RoutingSlip,
  { step, uncertain }: { readonly step: string; readonly uncertain?: boolean },
  outcome: Envelope.Outcome,
  fault: Envelope.Fault
): Envelope.RoutingSlip => {
  const not_undone = uncertain === true ? [...slip.not_undone, step] : slip.not_undone
  return settled({ ...slip, phase: "compensate", outcome, fault, not_undone })
}

const undone = (slip: Envelope.RoutingSlip): Envelope.RoutingSlip =>
  settled({ ...slip, compensation_log: slip.compensation_log.slice(0, -1) })

type Executed = Extract<Transition, { readonly type: "executed" }>

const executed = (slip: Envelope.RoutingSlip, hop: Hop, transition: Executed): Envelope.RoutingSlip => {
  const { step, activity, queue } = hop
  const { at, undo, set, terminate } = transition
  return {
    ...setting(slip, set),
    itinerary: terminate ? [] : slip.itinerary.slice(1),
    activity_log: [...slip.activity_log, { step, activity, at }],
    compensation_log:
      undo === null ? slip.compensation_log : [...slip.compensation_log, { step, activity, queue, ...undo }],
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
  if (insert.some(({ scatter }) => scatter !== undefined)) return Result.fail("branches may not be inserted")
  const misnamed = insert.find(({ step }, index) => step !== `${hop.step}.${index + 1}`)
  if (misnamed !== undefined) return Result.fail(`an inserted step may not be named ${misnamed.step}`)
  // Its name would be refused by the next worker, and the slip be stuck.
  const tooDeep = insert.find(({ step }) => !Envelope.patterns.step.test(step))
  if (tooDeep !== undefined) return Result.fail(`a step may not be inserted as deep as ${tooDeep.step}`)
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
