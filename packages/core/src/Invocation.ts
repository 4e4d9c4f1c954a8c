/**
 * A call of an action, as JSON: what a door hands to the interpreter and what a runtime carries, signed, to a handler.
 */
import * as Schema from "effect/Schema"
import { Actor, Principal } from "./Actor.ts"
import * as RowMark from "./RowMark.ts"
import { Fork } from "./RunJournal.ts"

/** What a door asks for. `input` is the JSON encoding of the action's input. */
export interface Request {
  readonly resource: string
  readonly action: string
  /** The object's key. A create may leave it out and gets a new one. */
  readonly key?: string | undefined
  readonly input: Schema.Json | undefined
  /** Given by the caller: the same key and request give the same answer, done once. */
  readonly idempotencyKey?: string | undefined
  /** Refuses with `VersionConflict` where the row is not so. */
  readonly expectedVersion?: RowMark.Expected | undefined
  /** True for a caller in this process, which gets sensitive fields too. */
  readonly reveal?: boolean
}

/** A request with all that its execution needs, wherever that happens. */
export const Invocation = Schema.Struct({
  resource: Schema.String,
  action: Schema.String,
  key: Schema.String,
  input: Schema.Json,
  actor: Actor,
  /** `internal` calls come from another action's outcome, which was itself allowed; the role check is made at doors. */
  origin: Schema.Literals(["door", "internal"]),
  idempotencyKey: Schema.optionalKey(Schema.String),
  /** SHA-256 of the request that first used the idempotency key, to tell a repetition from a reuse. */
  fingerprint: Schema.optionalKey(Schema.String),
  expectedVersion: Schema.optionalKey(RowMark.Expected)
}).annotate({ identifier: "Invocation" })
export interface Invocation extends Schema.Struct.Type<typeof Invocation.fields> {}

/** A directive whose input is built and encoded: ready to be journaled, kept in an outbox, or carried out. */
export const Delivery = Schema.Union([
  Schema.TaggedStruct("Send", {
    resource: Schema.String,
    action: Schema.String,
    key: Schema.String,
    input: Schema.Json,
    delayMillis: Schema.Int
  }),
  Schema.TaggedStruct("StartWorkflow", {
    workflow: Schema.String,
    key: Schema.String,
    input: Schema.Json,
    delayMillis: Schema.Int,
    fork: Schema.optionalKey(Fork),
    /** Whose run it is, where not the deliverer's. */
    as: Schema.optionalKey(Principal)
  }),
  Schema.TaggedStruct("Signal", {
    workflow: Schema.String,
    key: Schema.String,
    signal: Schema.String,
    /** Tells apart several signals of one name. */
    id: Schema.optionalKey(Schema.String),
    payload: Schema.Json,
    delayMillis: Schema.optionalKey(Schema.Int)
  })
])
export type Delivery = typeof Delivery.Type

/** On whose behalf what is delivered is done: the deliverer's, but for a run that is started for somebody else. */
export const actorOf = (deliverer: Actor, delivery: Delivery): Actor =>
  delivery._tag === "StartWorkflow" && delivery.as !== undefined
    ? { ...delivery.as, tenantId: deliverer.tenantId }
    : deliverer

/** How much later than at once a delivery is due, in milliseconds. */
export const delayOf = ({ delayMillis = 0 }: Delivery): number => delayMillis

/** What an execution came to: the JSON encoding of the action's output, and what is to be delivered after it. */
export const Executed = Schema.Struct({
  result: Schema.Json,
  /** Of the object's own row as it stands, where the resource is versioned: what `expectedVersion` may name. */
  mark: Schema.optionalKey(Schema.String),
  deliveries: Schema.Array(Delivery)
})
export interface Executed extends Schema.Struct.Type<typeof Executed.fields> {}
