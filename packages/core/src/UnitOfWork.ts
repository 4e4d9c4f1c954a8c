/**
 * One tenant transaction around one action: find its receipt, load, decide, save, write receipt and outbox, commit.
 *
 * Implementations: `MemoryStore` (atomic because it is synchronous; loses everything with the process) and
 * `UnitOfWorkSql` of `@tenon/sql` (PostgreSQL under row-level security, in as few round trips as the work allows).
 * Rows cross this port in their JSON encoding, so no implementation needs a schema.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Actor } from "./Actor.ts"
import type { ActionFailure } from "./Failure.ts"
import type { Delivery, Executed } from "./Invocation.ts"
import type { Load } from "./Load.ts"
import type * as Resource from "./Resource.ts"

/** A row by field, each value in its JSON encoding; absent or null where the column is null. */
export type EncodedRow = { readonly [field: string]: Schema.Json | undefined }

/** A change to make. The store assigns versions and positions, and applies the resource's conflict rule. */
export type Change =
  | {
      readonly _tag: "Save"
      readonly resource: Resource.Any
      readonly row: EncodedRow
      /**
       * `insert`: refused with `AlreadyExists` where there is a row with its key. `checked`: its states are allowed
       * after those of the row that was read under its lock. Where absent, the store checks them against the row that
       * stands.
       */
      readonly mode?: "insert" | "checked"
    }
  | { readonly _tag: "Remove"; readonly resource: Resource.Any; readonly key: string }

/** A domain event for the outbox, written in the same transaction. */
export interface OutboxEvent {
  readonly name: string
  readonly payload: Schema.Json
  /** How long after the commit it is due, in milliseconds; absent where that is at once. */
  readonly delayMillis?: number
}

/** How an action ends: what the caller gets, and what follows. */
export interface Conclusion {
  readonly executed: Executed
  readonly events: ReadonlyArray<OutboxEvent>
}

/** A row as it stands after a save. `fresh` is false where the conflict rule kept an earlier row and saved nothing. */
export interface Standing {
  readonly row: EncodedRow
  readonly fresh: boolean
}

/** What an action decided to do. */
export interface Plan {
  readonly changes: ReadonlyArray<Change>
  /**
   * Called once with the rows as they stand after the save, in the order of `changes` (`undefined` for a removal).
   * Pure and synchronous. Fails where something follows that could never be carried out or kept: then nothing is saved.
   */
  readonly conclude: (standing: ReadonlyArray<Standing | undefined>) => Result.Result<Conclusion, ActionFailure>
  /** True where `conclude` does not look at the rows, so that it can be called before they are saved. */
  readonly fixed: boolean
}

/** Identifies an execution that must have an effect once. */
export interface ReceiptKey {
  readonly key: string
  /** Empty where the key is the runtime's own and cannot be reused by a caller. */
  readonly fingerprint: string
  /** The idempotency key as the caller gave it, where one did. */
  readonly given: string | undefined
}

/** The row an action is about. */
export interface Self {
  readonly resource: Resource.Any
  readonly key: string
  /** Hold it until the commit, so that write actions on one object run one at a time. */
  readonly lock: boolean
  /** False for a create, which has no row yet. */
  readonly read: boolean
}

/** Rows of a page, and whether others come behind them. */
export class LoadedPage {
  readonly rows: ReadonlyArray<EncodedRow>
  readonly more: boolean
  constructor(rows: ReadonlyArray<EncodedRow>, more: boolean) {
    this.rows = rows
    this.more = more
  }
}

/** An answer to a load, in the shape of its tag: a row, a row or nothing, rows or a page of them, or a number. */
export type LoadAnswer = EncodedRow | undefined | ReadonlyArray<EncodedRow> | LoadedPage | number

/** The work of one action. All functions are pure and synchronous; they may run again if a transaction is retried. */
export interface Work {
  readonly actor: Actor
  /** As in `Widget.deactivate`. */
  readonly action: string
  readonly self: Self
  readonly receipt: ReceiptKey | undefined
  /** Where true, deliveries go to the outbox with the rows; where false, the caller journals them. */
  readonly deliverByOutbox: boolean
  /** The span that the work is done in (`traceparent`), which what waits in the outbox goes on from. */
  readonly trace: string | undefined
  /**
   * Where true, `conclude` refuses: it is called with the rows as they were saved, and never with what can be foreseen.
   */
  readonly rehearsal?: boolean
  /** What else to read, given the row; `undefined` where the action declares no loads. */
  readonly loads:
    | ((self: EncodedRow | undefined) => Result.Result<{ readonly [name: string]: Load<unknown> }, ActionFailure>)
    | undefined
  readonly decide: (
    self: EncodedRow | undefined,
    loaded: { readonly [name: string]: LoadAnswer }
  ) => Result.Result<Plan, ActionFailure>
}

/** A delivery that waits in the outbox. `id` is stable over redeliveries, and no other's, even of a restored store. */
export interface Pending {
  readonly id: string
  readonly actor: Actor
  readonly delivery: Delivery
  /** The span that it comes from, as `traceparent`. */
  readonly trace: string | undefined
}

/** Runs the work of an action in one transaction. */
export class UnitOfWork extends Context.Service<
  UnitOfWork,
  {
    /**
     * Commits all of it or nothing. With a receipt that is already there, decides nothing and returns what it holds.
     * Fails with the action's failure, or with one of the store: `VersionConflict`, `AlreadyExists`,
     * `BrokenReference`, `IdempotencyKeyReused`, `Unavailable`.
     */
    readonly run: (work: Work) => Effect.Effect<Executed, ActionFailure>
  }
>()("@tenon/core/UnitOfWork") {}

/** The deliveries of actions that no durable object journals. */
export class Outbox extends Context.Service<
  Outbox,
  {
    /**
     * Hands up to `limit` due deliveries to `deliver`, each after earlier ones to its object and of its commit, and
     * removes each that succeeds. Returns how many.
     */
    readonly drain: (
      limit: number,
      deliver: (pending: Pending) => Effect.Effect<void, ActionFailure>
    ) => Effect.Effect<number, ActionFailure>
    /** Completes when there may be something to drain. */
    readonly awaitWork: Effect.Effect<void>
    /** How many deliveries there are, those that wait for a later time included; counted to 10,000 at most. */
    readonly depth: Effect.Effect<number, ActionFailure>
  }
>()("@tenon/core/Outbox") {}
