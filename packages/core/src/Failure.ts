/**
 * What the framework itself may refuse, each with its HTTP status and whether a retry can help. Together with an
 * action's declared errors these are all the failures that reach a caller; everything else is a defect.
 */
import * as Schema from "effect/Schema"

/** One fault in an input: where, as a dotted path, and what. */
export const Issue = Schema.Struct({ path: Schema.String, message: Schema.String })
export interface Issue extends Schema.Struct.Type<typeof Issue.fields> {}

const listed = (issues: ReadonlyArray<Issue>) =>
  issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ")

/** The input does not fit the action's schema; `issues` lists the faults, the first 50 of them. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()(
  "InvalidInput",
  { issues: Schema.Array(Issue) },
  { httpStatus: 400, description: "The input does not fit the schema; the faults are listed, 50 at most." }
) {
  override get message() {
    return `Invalid input. ${listed(this.issues)}`
  }
}

/** The action's rules led to a row that does not fit the resource's schema. */
export class InvalidOutcome extends Schema.TaggedError<InvalidOutcome>()(
  "InvalidOutcome",
  { resource: Schema.String, issues: Schema.Array(Issue) },
  { httpStatus: 422, description: "The request leads to a row that the resource does not allow." }
) {
  override get message() {
    return `This would make an invalid ${this.resource}. ${listed(this.issues)}`
  }
}

/** No valid token or API key came with the request. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()(
  "Unauthenticated",
  { reason: Schema.String },
  { httpStatus: 401, description: "A valid token or API key is needed." }
) {
  override get message() {
    return `Not authenticated: ${this.reason}.`
  }
}

/** The actor may not do this; `reason` says what is missing. */
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  { action: Schema.String, reason: Schema.String },
  { httpStatus: 403, description: "The actor may not do this." }
) {
  override get message() {
    return `${this.action} is not allowed: ${this.reason}.`
  }
}

/** There is no such row in the actor's tenant. */
export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { resource: Schema.String, key: Schema.String },
  { httpStatus: 404, description: "There is no such row in the caller's tenant." }
) {
  override get message() {
    return `There is no ${this.resource} with the key ${JSON.stringify(this.key)}.`
  }
}

/** There is no such resource, action or workflow. */
export class UnknownAction extends Schema.TaggedError<UnknownAction>()(
  "UnknownAction",
  { action: Schema.String },
  { httpStatus: 404, description: "There is no such action." }
) {
  override get message() {
    return `There is no action ${this.action}.`
  }
}

/** The row has changed since the version that the caller named. */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()(
  "VersionConflict",
  { resource: Schema.String, key: Schema.String, expected: Schema.Int },
  { httpStatus: 412, description: "The row has changed since the version that was named." }
) {
  override get message() {
    return `${this.resource} ${JSON.stringify(this.key)} is no longer as it was at version ${this.expected}; read it again.`
  }
}

/** Another row of the tenant already has these values. */
export class AlreadyExists extends Schema.TaggedError<AlreadyExists>()(
  "AlreadyExists",
  { resource: Schema.String, fields: Schema.Array(Schema.String) },
  { httpStatus: 409, description: "Another row already has the values of a unique key." }
) {
  override get message() {
    return `Another ${this.resource} already has this ${this.fields.join(", ")}.`
  }
}

/** A row that is pointed to does not exist, or a row that is pointed at cannot be removed. */
export class BrokenReference extends Schema.TaggedError<BrokenReference>()(
  "BrokenReference",
  { resource: Schema.String, relation: Schema.String },
  { httpStatus: 409, description: "A relationship would point to nothing." }
) {
  override get message() {
    return `The relationship ${this.relation} of ${this.resource} would point to nothing.`
  }
}

/** The idempotency key was used before with another request. */
export class IdempotencyKeyReused extends Schema.TaggedError<IdempotencyKeyReused>()(
  "IdempotencyKeyReused",
  { key: Schema.String },
  { httpStatus: 422, description: "The idempotency key was used before with another request." }
) {
  override get message() {
    return `The idempotency key ${JSON.stringify(this.key)} was used before with another request.`
  }
}

/** The resource's state machine does not allow this change; `from` is empty where the row would be new. */
export class InvalidTransition extends Schema.TaggedError<InvalidTransition>()(
  "InvalidTransition",
  { resource: Schema.String, field: Schema.String, from: Schema.String, to: Schema.String },
  { httpStatus: 409, description: "The state machine does not allow this change." }
) {
  override get message() {
    return this.from === ""
      ? `${this.resource}.${this.field} cannot begin as ${this.to}.`
      : `${this.resource}.${this.field} cannot go from ${this.from} to ${this.to}.`
  }
}

/** The database holds another version of the resource than this process was built for. */
export class SchemaMismatch extends Schema.TaggedError<SchemaMismatch>()(
  "SchemaMismatch",
  { resource: Schema.String, expected: Schema.Int, actual: Schema.Int },
  { httpStatus: 503, retryable: true, description: "The database is at another version than this release." }
) {
  override get message() {
    const found = `${this.resource} is at version ${this.actual} in the database and ${this.expected} here`
    return this.actual > this.expected
      ? `${found}: the database was migrated for a newer release; deploy that one.`
      : `${found}; run \`tenon migrate up\`.`
  }
}

/** Something that the request needs does not answer; the same request may succeed later. */
export class Unavailable extends Schema.TaggedError<Unavailable>()(
  "Unavailable",
  { what: Schema.String },
  { httpStatus: 503, retryable: true, description: "A service behind this one does not answer; try again." }
) {
  override get message() {
    return `${this.what} is not available; try again.`
  }
}

/** Every failure of the framework itself. */
export type Failure = InstanceType<(typeof classes)[number]>

/** The classes of the framework's failures. */
export const classes = [
  InvalidInput,
  InvalidOutcome,
  Unauthenticated,
  Forbidden,
  NotFound,
  UnknownAction,
  VersionConflict,
  AlreadyExists,
  BrokenReference,
  IdempotencyKeyReused,
  InvalidTransition,
  SchemaMismatch,
  Unavailable
] as const

/** Any failure of an action: the framework's or a declared one. */
export interface ActionFailure {
  readonly _tag: string
  readonly message: string
}
