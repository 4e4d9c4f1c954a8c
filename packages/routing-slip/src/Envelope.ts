/**
 * The message that travels from worker to worker, in snake_case on the wire so that other languages read it too. The
 * slip in its headers says all about the workflow: what is left to do, what was done, how to undo it, what is known.
 */
import * as Schema from "effect/Schema"

/** How names on the wire are spelled. */
export const patterns = {
  activity: /^[a-z][a-z0-9-]{0,62}$/,
  queue: /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/,
  /** Also in logs and on terminals, in databases whose text holds neither, and in keys that are handed to others. */
  id: /^[^\p{Cc}\p{Cs}]+$/u,
  /** So deep, since a planner that inserts itself again and again goes down a level each time. */
  step: /^[1-9][0-9]{0,5}(\.[1-9][0-9]{0,5}){0,63}$/
} as const

/** The name of an activity: a name, never something that could be loaded or followed. */
export const ActivityName = Schema.String.check(Schema.isPattern(patterns.activity)).annotate({
  identifier: "ActivityName"
})

/** The name of a queue. */
export const QueueName = Schema.String.check(Schema.isPattern(patterns.queue)).annotate({
  identifier: "QueueName"
})

/** Names a step within its slip: `2` for the second of the itinerary, `2.1` for the first that step 2 inserted. */
export const StepId = Schema.String.check(Schema.isPattern(patterns.step)).annotate({
  identifier: "StepId"
})

/** Names a message, a slip or a tenant: up to 100 characters, none of them a control character or half of one. */
export const Id = Schema.NonEmptyString.check(Schema.isMaxLength(100), Schema.isPattern(patterns.id)).annotate({
  identifier: "Id"
})

/** Milliseconds since 1970. */
export const Instant = Schema.Natural.annotate({ identifier: "Instant" })

const Variables = Schema.Record(Schema.String, Schema.Json)

/** JSON as it is, or a compact JWE of it where `encrypted`. */
export const Sealed = Schema.Struct({ data: Schema.Json, encrypted: Schema.Boolean })
export interface Sealed extends Schema.Struct.Type<typeof Sealed.fields> {}

const stepFields = {
  step: StepId,
  activity: ActivityName,
  queue: QueueName,
  /** JSON that fits the activity's arguments, or a compact JWE of it where `encrypted`. */
  arguments: Schema.Json,
  encrypted: Schema.Boolean,
  /** How long one execution may take, or a scatter until it is gathered; null for as long as the activity allows. */
  timeout_ms: Schema.NullOr(Schema.Natural)
}

/** A step of a branch. */
export const BranchStep = Schema.Struct(stepFields).annotate({ identifier: "BranchStep" })
export interface BranchStep extends Schema.Struct.Type<typeof BranchStep.fields> {}

/** How what the branches have set becomes variables of the slip, in the order in which the branches are declared. */
export const Merge = Schema.Union([
  /** One object by the names of the branches, each holding what that branch has set. */
  Schema.Struct({ type: Schema.Literal("under"), into: Schema.String }),
  /** A list of what the branches have set as `from`, those that have. */
  Schema.Struct({ type: Schema.Literal("collect"), from: Schema.String, into: Schema.String }),
  /** All that they have set; where two have set the same, this one's counts. */
  Schema.Struct({ type: Schema.Literal("spread"), conflict: Schema.Literals(["first", "last"]) })
]).annotate({ identifier: "Merge" })
export type Merge = typeof Merge.Type

/** Branches that are done at the same time, and when they count as gathered. */
export const Scatter = Schema.Struct({
  branches: Schema.Array(
    Schema.Struct({ branch: StepId, name: Schema.NonEmptyString, itinerary: Schema.Array(BranchStep) })
  ),
  /** How many branches have to end well. */
  wanted: Schema.Natural,
  /** What becomes of a branch that ends well after that. */
  late: Schema.Literals(["compensate", "keep"]),
  /** Whether branches are undone one after the other, the last to arrive first, or all at once. */
  undo: Schema.Literals(["reverse", "parallel"]),
  merge: Schema.Array(Merge)
}).annotate({ identifier: "Scatter" })
export interface Scatter extends Schema.Struct.Type<typeof Scatter.fields> {}

/** A step to be done. */
export const Step = Schema.Struct({
  ...stepFields,
  /** Where the step is to do branches; its activity coordinates them. */
  scatter: Schema.optionalKey(Scatter)
}).annotate({ identifier: "Step" })
export interface Step extends Schema.Struct.Type<typeof Step.fields> {}

/** A step that was done. */
export const ActivityLog = Schema.Struct({
  step: StepId,
  activity: ActivityName,
  at: Instant
}).annotate({ identifier: "ActivityLog" })
export interface ActivityLog extends Schema.Struct.Type<typeof ActivityLog.fields> {}

const undoFields = {
  step: StepId,
  activity: ActivityName,
  queue: QueueName,
  data: Schema.Json,
  encrypted: Schema.Boolean
}

/** A step of a branch that was done and can be undone, with what undoing needs. */
export const BranchCompensation = Schema.Struct(undoFields).annotate({ identifier: "BranchCompensation" })
export interface BranchCompensation extends Schema.Struct.Type<typeof BranchCompensation.fields> {}

/** A step that was done and can be undone, with what undoing needs. */
export const CompensationLog = Schema.Struct({
  ...undoFields,
  /** Where branches are to be undone at the same time. */
  branches: Schema.optionalKey(
    Schema.Array(Schema.Struct({ branch: StepId, compensation_log: Schema.Array(BranchCompensation) }))
  )
}).annotate({ identifier: "CompensationLog" })
export interface CompensationLog extends Schema.Struct.Type<typeof CompensationLog.fields> {}

/** Why a slip turned back. */
export const Fault = Schema.Struct({
  step: StepId,
  activity: ActivityName,
  error: Schema.String,
  message: Schema.String
}).annotate({ identifier: "Fault" })
export interface Fault extends Schema.Struct.Type<typeof Fault.fields> {}

/** What activities may change about the itinerary while it runs. */
export const Revision = Schema.Struct({
  /** The activities that may insert or drop steps. */
  by: Schema.Array(ActivityName),
  /** The activities that may be inserted. */
  activities: Schema.Array(ActivityName),
  /** How many steps may still be inserted. */
  budget: Schema.Natural,
  /** Whether steps that are left to do may be dropped. */
  drops: Schema.Boolean
}).annotate({ identifier: "Revision" })
export interface Revision extends Schema.Struct.Type<typeof Revision.fields> {}

/** How a slip ended, or will end once it is undone. */
export const Outcome = Schema.Literals(["completed", "terminated", "faulted", "cancelled"])
export type Outcome = typeof Outcome.Type

const slipFields = {
  itinerary: Schema.Array(Step),
  activity_log: Schema.Array(ActivityLog),
  compensation_log: Schema.Array(CompensationLog),
  variables: Variables,
  phase: Schema.Literals(["execute", "compensate", "done"]),
  outcome: Schema.NullOr(Outcome),
  fault: Schema.NullOr(Fault),
  /**
   * Steps whose compensation was given up or skipped, or whose worker died over them: what they did may still stand.
   */
  not_undone: Schema.Array(StepId),
  revision: Revision,
  /** After this instant no step is begun any more: the slip turns back. */
  deadline: Schema.NullOr(Instant)
}

/** The slip as it was when it branched. */
export const Trunk = Schema.Struct(slipFields).annotate({ identifier: "Trunk" })
export interface Trunk extends Schema.Struct.Type<typeof Trunk.fields> {}

/** Which branch a slip is, and where it goes at its end. */
export const Branch = Schema.Struct({
  branch: StepId,
  /** The step that scattered, its activity and its queue. */
  of: StepId,
  activity: ActivityName,
  queue: QueueName,
  /** Whether branches are done or undone. */
  phase: Schema.Literals(["execute", "compensate"]),
  /** What the steps of this branch have set. */
  set: Variables,
  /** Whether the gather went on without it: at its end it goes nowhere. */
  superseded: Schema.Boolean,
  trunk: Trunk
}).annotate({ identifier: "Branch" })
export interface Branch extends Schema.Struct.Type<typeof Branch.fields> {}

/** The state of a workflow, or of one of its branches. */
export const RoutingSlip = Schema.Struct({ ...slipFields, branch: Schema.optionalKey(Branch) }).annotate({
  identifier: "RoutingSlip"
})
export interface RoutingSlip extends Schema.Struct.Type<typeof RoutingSlip.fields> {}

/** On whose authority the message travels, and its proofs. */
export const SecurityContext = Schema.Struct({
  /** The user's delegated authority (OAuth 2.0 on-behalf-of), or null. */
  obo_token: Schema.NullOr(Schema.String),
  /** The newest entry of the signed log: it binds this message to its queue. Null where nothing is signed. */
  jws_signature: Schema.NullOr(Schema.String),
  /** The entries before it, the manifest first. */
  jws_log: Schema.Array(Schema.String)
}).annotate({ identifier: "SecurityContext" })
export interface SecurityContext extends Schema.Struct.Type<typeof SecurityContext.fields> {}

/** All about the message but the payload. */
export const Headers = Schema.Struct({
  message_id: Id,
  correlation_id: Id,
  tenant_id: Id,
  routing_slip: RoutingSlip,
  security_context: SecurityContext,
  /** W3C Trace Context: `traceparent`, `tracestate`. Not signed: it is for observers and decides nothing. */
  trace_context: Schema.Record(Schema.String, Schema.String)
}).annotate({ identifier: "Headers" })
export interface Headers extends Schema.Struct.Type<typeof Headers.fields> {}

/** The message: the payload of the step at hand, and the headers. */
export const Envelope = Schema.Struct({ payload: Schema.Json, headers: Headers }).annotate({
  identifier: "Envelope",
  description: "A hop of a routing slip"
})
export interface Envelope extends Schema.Struct.Type<typeof Envelope.fields> {}
