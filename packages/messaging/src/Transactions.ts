/**
 * What stores and queues on PostgreSQL need of the foundation: transactions under a tenant, or under a role that sees
 * all tenants. `TenantSql` of `@tenon/sql` provides it as it is: `Layer.effect(Transactions, TenantSql)`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** One SQL command with its parameters, `$1` first. */
export interface Statement {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
}

/** One row of an answer, by column. */
export interface Row {
  readonly [column: string]: unknown
}

/** The rows of each statement, in order. */
export type Rows = ReadonlyArray<ReadonlyArray<Row>>

/** The bytes in the column `body` of a row; none where it is null. */
export const bodyOf = (row: Row): Uint8Array => (row["body"] instanceof Uint8Array ? row["body"] : new Uint8Array())

/** Why the database gave no answer. */
export interface SqlFailed {
  readonly _tag: string
  readonly message: string
}

/** For whom a transaction runs. */
export interface Scope {
  readonly tenantId: string | null
  readonly role?: string
  /**
   * For changes of which nothing is lost if they are lost with the database's last moments: no wait for the disk. What
   * a later transaction waits for takes these to the disk as well.
   */
  readonly asynchronousCommit?: boolean
}

/** An open transaction. */
export interface Transaction {
  readonly run: (statements: ReadonlyArray<Statement>) => Effect.Effect<Rows, SqlFailed>
  /** Runs the last statements and commits. */
  readonly commit: (statements: ReadonlyArray<Statement>) => Effect.Effect<Rows, SqlFailed>
}

/** Transactions under a tenant, or under a role that sees all tenants. */
export class Transactions extends Context.Service<
  Transactions,
  {
    /** Runs statements as one transaction in one round trip. */
    readonly batch: (scope: Scope, statements: ReadonlyArray<Statement>) => Effect.Effect<Rows, SqlFailed>
    /** Runs `body` in a transaction, which it commits where the body succeeds. */
    readonly transaction: <A, E, R>(
      scope: Scope,
      body: (tx: Transaction) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | SqlFailed, R>
  }
>()("@tenon/messaging/Transactions") {}
