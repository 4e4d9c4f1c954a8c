/**
 * The tenant transaction: the only way to a tenant's rows.
 *
 * Every transaction begins by taking on a role that row security binds and by
 * naming the tenant and the actor, for that transaction alone. Who the login
 * is does not matter; without a tenant there are no rows.
 *
 * What is known up front goes out with its context and its commit in one write
 * (`batch`: one round trip). Where a decision stands in between, BEGIN waits for
 * the first statements and COMMIT joins the last (`transaction`: two).
 */
import * as Setting from "@tenon/core/Setting"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import type { ConnectionOptions as TlsOptions } from "node:tls"
import * as PoolMetrics from "./PoolMetrics.ts"
import * as SqlFailure from "./SqlFailure.ts"
import * as SqlSpan from "./SqlSpan.ts"
import * as Connect from "./TenantSqlConnect.ts"
import { begin, commit, type Connection, type Rows, type Statement } from "./TenantSqlConnection.ts"
import { abandonGrace, Pool, type PoolStats } from "./TenantSqlPool.ts"

export type { Row, Rows, Statement } from "./TenantSqlConnection.ts"
export type { PoolStats } from "./TenantSqlPool.ts"

/** For whom a transaction runs. A null (or empty) tenant sees no rows and writes none. */
export interface TenantScope {
  readonly tenantId: string | null
  readonly actorId?: string
  /** Another role than the layer's, which the login must be a member of. */
  readonly role?: string
  /** Does not wait until the commit is on the disk, so that a crash of the server may undo it for up to a second. */
  readonly asynchronousCommit?: boolean
}

/** An open transaction. Its statements run in order, even if called for at once. */
export interface Transaction {
  /**
   * Runs statements in one round trip. After a failure the transaction is lost:
   * every further call fails with that same failure, and so does its end.
   */
  readonly run: (statements: ReadonlyArray<Statement>) => Effect.Effect<Rows, SqlFailure.SqlFailure>
  /**
   * Runs the last statements and commits, in one round trip. Nothing may
   * follow, and nothing the body does later undoes it.
   */
  readonly commit: (statements: ReadonlyArray<Statement>) => Effect.Effect<Rows, SqlFailure.SqlFailure>
}

export interface Options {
  /** `postgres://user:password@host:port/database?sslmode=…` */
  readonly url: Redacted.Redacted
  readonly tls?: TlsOptions
  /** Sessions at most. Default 10. */
  readonly maxConnections?: number
  /**
   * The role every transaction runs under. Default `tenon_app`. Null where the
   * login itself is such a role. A role that bypasses row security or owns
   * tables is refused when connecting.
   */
  readonly role?: string | null
  /** How long one statement may run. Default 15 seconds. */
  readonly statementTimeout?: Duration.Input
  /** How long a transaction may wait for its body between statements. Default 15 seconds. */
  readonly idleInTransactionTimeout?: Duration.Input
  /** How long to wait for a session. Default 5 seconds. */
  readonly acquireTimeout?: Duration.Input
  /** How long opening a session may take. Default 5 seconds. */
  readonly connectTimeout?: Duration.Input
  /** Unused sessions are closed after this. Default one minute. */
  readonly idleTimeout?: Duration.Input
  /** Sessions older than this are replaced when they come back. Default 30 minutes. */
  readonly maxLifetime?: Duration.Input
  /** How many transactions may wait for a session. Default 10,000. */
  readonly maxWaiting?: number
  /** Statements each session keeps prepared; 0 for poolers that cannot. Default 200. */
  readonly maxPrepared?: number
  /** Bytes of the largest row. Default 64 MiB. */
  readonly maxMessageSize?: number
  readonly applicationName?: string
}

// Time for an answer to travel, on top of what the server may take.
const answerGrace = 2_000

const contextOf = (...settings: ReadonlyArray<string>): string => {
  const context = settings.map((each, index) => `set_config('${each}', $${index + 1}, true)`).join(", ")
  return `select ${context}`
}
const ofTenant = ["app.tenant_id", "app.actor_id"]
const contexts = {
  underRole: contextOf("role", ...ofTenant),
  asLogin: contextOf(...ofTenant)
}
const asynchronously = ", set_config('synchronous_commit', 'off', true)"
const asynchronousContexts = {
  underRole: contexts.underRole + asynchronously,
  asLogin: contexts.asLogin + asynchronously
}

/** Runs transactions under a tenant, with row-level security always in force. */
export class TenantSql extends Context.Service<
  TenantSql,
  {
    /**
     * Runs statements that are all known now as one transaction in one round
     * trip: all are applied or none. Answers each statement's rows, in order.
     */
    readonly batch: (
      scope: TenantScope,
      statements: ReadonlyArray<Statement>
    ) => Effect.Effect<Rows, SqlFailure.SqlFailure>
    /**
     * Runs `body` in a transaction. It commits when the body succeeds and rolls
     * back when it fails, dies or is interrupted; `tx.commit` commits sooner and
     * saves a round trip. A body that never runs a statement costs nothing.
     */
    readonly transaction: <A, E, R>(
      scope: TenantScope,
      body: (tx: Transaction) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | SqlFailure.SqlFailure, R>
    /** What the pool holds now. */
    readonly stats: Effect.Effect<PoolStats>
  }
>()("@tenon/sql/TenantSql") {}

type Resume = (effect: Effect.Effect<Rows, SqlFailure.SqlFailure>) => void

/** One transaction with decisions in it. Sends nothing until its first statement. */
class OpenTransaction implements Transaction {
  private readonly sql: Wire
  private readonly scope: TenantScope
  private readonly turn = Semaphore.makeUnsafe(1)
  private connection: Connection | undefined
  private failure: SqlFailure.SqlFailure | undefined
  private finished = false

  constructor(sql: Wire, scope: TenantScope) {
    this.sql = sql
    this.scope = scope
  }

  readonly run = (statements: ReadonlyArray<Statement>) => this.turn.withPermit(this.flight(statements, false))

  // Not interruptible once sent: whoever asked for the commit learns what came of it.
  readonly commit = (statements: ReadonlyArray<Statement>) =>
    this.turn.withPermit(
      Effect.suspend(() => {
        const flight = this.flight(statements, true)
        return this.connection === undefined ? flight : Effect.uninterruptible(flight)
      })
    )

  private readonly flight = (statements: ReadonlyArray<Statement>, last: boolean) =>
    Effect.callback<Rows, SqlFailure.SqlFailure>((resume) => {
      if (this.failure !== undefined) return resume(Effect.fail(this.failure))
      if (this.finished) return resume(Effect.die(new Error("the transaction is over: nothing may follow its commit")))
      if (last) this.finished = true
      if (this.connection !== undefined) return this.sendNext(this.connection, statements, last, resume)
      if (last) {
        // Nothing ran before: all of it is known, so all of it is one flight.
        return this.sql.batch(this.scope, statements, (effect, failure) => {
          this.failure = failure
          resume(effect)
        })
      }
      const giveUp = this.sql.pool.acquire((result) => {
        if ("_tag" in result) return this.fail(result, resume)
        this.connection = result
        this.send(result, statements, last, resume)
      })
      return Effect.sync(giveUp)
    })

  private fail(failure: SqlFailure.SqlFailure, resume: Resume): void {
    this.failure = failure
    resume(Effect.fail(failure))
  }

  /** Sends once a flight that was cut short has landed: what came of it is a part of the transaction. */
  private sendNext(
    connection: Connection,
    statements: ReadonlyArray<Statement>,
    last: boolean,
    resume: Resume
  ): Effect.Effect<void> {
    let waits = true
    const next = (): void => {
      if (!waits) return
      if (connection.busy) return connection.onIdle(next)
      waits = false
      if (this.failure !== undefined) return resume(Effect.fail(this.failure))
      this.send(connection, statements, last, resume)
    }
    next()
    return Effect.sync(() => {
      waits = false
    })
  }

  private send(
    connection: Connection,
    statements: ReadonlyArray<Statement>,
    last: boolean,
    resume: Resume,
    retry = true
  ): void {
    const first = connection.status === "I"
    const flight = [...(first ? [begin, this.sql.context(this.scope)] : []), ...statements, ...(last ? [commit] : [])]
    const options = { hidden: first ? 2 : 0, commits: last, deadline: this.sql.deadline(flight.length) }
    try {
      const sent = connection.send(flight, options, (answer) => {
        if (answer._tag === "Rows") return resume(Effect.succeed(answer.rows))
        if (!answer.stale) return this.fail(answer.failure, resume)
        if (first && retry && connection.dead === undefined) {
          // Only the context came before, so undoing it and starting over changes nothing.
          return this.sql.pool.rollback(connection, () => this.send(connection, statements, last, resume, false))
        }
        this.fail(changed(), resume)
      })
      if (!sent) {
        this.fail(
          new SqlFailure.ConnectionLost({
            outcome: "rolledBack",
            message: connection.dead ?? "the connection is gone"
          }),
          resume
        )
      }
    } catch (error) {
      this.refuse(error, resume)
    }
  }

  private refuse(error: unknown, resume: Resume): void {
    if (isFailure(error)) return this.fail(error, resume)
    resume(Effect.die(error))
  }

  /** Ends the transaction as its body ended, and gives its session back clean. */
  readonly end = <A, E>(exit: Exit.Exit<A, E>): Effect.Effect<A, E | SqlFailure.SqlFailure> => {
    // Committed, or never begun.
    if (this.finished && this.failure === undefined && Exit.isSuccess(exit)) return Effect.andThen(this.giveBack, exit)
    if (Exit.isFailure(exit)) return Effect.andThen(this.giveBack, exit)
    // The body made nothing of a failure that the database does not forget.
    if (this.failure !== undefined) return Effect.andThen(this.giveBack, Effect.fail(this.failure))
    if (this.connection === undefined) return exit
    return Effect.ensuring(Effect.andThen(this.commit([]), exit), this.giveBack)
  }

  private readonly giveBack = Effect.callback<void>((resume) => {
    const connection = this.connection
    this.connection = undefined
    if (connection === undefined) return resume(Effect.void)
    this.sql.pool.release(connection, () => resume(Effect.void))
  })
}

const isFailure = (error: unknown): error is SqlFailure.SqlFailure =>
  typeof error === "object" && error !== null && "_tag" in error && "retryable" in error

// Our prepared statements are out of date: the schema changed under the transaction.
const changed = (): SqlFailure.SqlFailure =>
  new SqlFailure.SerializationFailure({
    sqlState: "0A000",
    message: "the schema changed while the transaction was open"
  })

/** The pool and what every flight over it has in common. */
class Wire {
  readonly pool: Pool
  private readonly role: string | null
  private readonly statementTimeout: number

  constructor(pool: Pool, role: string | null, statementTimeout: number) {
    this.pool = pool
    this.role = role
    this.statementTimeout = statementTimeout
  }

  context(scope: TenantScope): Statement {
    const tenant = scope.tenantId ?? ""
    const actor = scope.actorId ?? ""
    const role = scope.role ?? this.role
    const { asLogin, underRole } = scope.asynchronousCommit === true ? asynchronousContexts : contexts
    return role === null ? { sql: asLogin, params: [tenant, actor] } : { sql: underRole, params: [role, tenant, actor] }
  }

  /** Milliseconds after which an answer to so many statements will not come. */
  deadline(statements: number): number {
    return this.statementTimeout * statements + answerGrace
  }

  /** Returns what takes the request back: before it is sent it never happens, after it nobody waits. */
  batch(
    scope: TenantScope,
    statements: ReadonlyArray<Statement>,
    resume: (effect: Effect.Effect<Rows, SqlFailure.SqlFailure>, failure?: SqlFailure.SqlFailure) => void
  ): Effect.Effect<void> {
    let lent: Connection | undefined
    const fail = (failure: SqlFailure.SqlFailure) => resume(Effect.fail(failure), failure)
    const flight = [this.context(scope), ...statements]
    const options = { hidden: 1, commits: true, deadline: this.deadline(flight.length) }
    const send = (connection: Connection, retry: boolean): void => {
      try {
        const sent = connection.send(flight, options, (answer) => {
          if (answer._tag === "Failed" && answer.stale && retry && connection.dead === undefined) {
            // The server undid the whole flight, so sending it again is sound.
            return send(connection, false)
          }
          lent = undefined
          // First the session, so that whoever waits for it is on the wire before we compute.
          this.pool.release(connection)
          if (answer._tag === "Rows") resume(Effect.succeed(answer.rows))
          else fail(answer.stale ? changed() : answer.failure)
        })
        if (!sent) {
          lent = undefined
          fail(new SqlFailure.Unavailable({ message: connection.dead ?? "the connection is gone" }))
        }
      } catch (error) {
        lent = undefined
        this.pool.release(connection)
        if (isFailure(error)) fail(error)
        else resume(Effect.die(error))
      }
    }
    const giveUp = this.pool.acquire((result) => {
      if ("_tag" in result) return fail(result)
      lent = result
      send(result, true)
    })
    return Effect.sync(() => {
      giveUp()
      // Its answer still brings the session home.
      lent?.abandon(abandonGrace)
    })
  }
}

const maxMillis = 2 ** 31 - 1

// No wait is endless: PostgreSQL takes 0 for no limit, and a timer takes Infinity for none.
const millis = (input: Duration.Input | undefined, otherwise: number): number => {
  if (input === undefined) return otherwise
  const value = Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(input)))
  if (value >= 1 && value <= maxMillis) return value
  throw new Error(`a timeout of the database must be between 1 and ${maxMillis} ms`)
}

/** Makes the service; sessions are opened when first needed and closed with the scope. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const address = Connect.parseUrl(options.url)
  if (address === null)
    return yield* new SqlFailure.Unavailable({ message: "the database URL is not a postgres:// URL" })
  const statementTimeout = millis(options.statementTimeout, 15_000)
  const observer = PoolMetrics.make(yield* Effect.context<never>())
  const pool = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Pool({
          connect: {
            address,
            tls: options.tls,
            role: options.role === undefined ? "tenon_app" : options.role,
            settings: {
              application_name: options.applicationName ?? "tenon",
              statement_timeout: String(statementTimeout),
              idle_in_transaction_session_timeout: String(millis(options.idleInTransactionTimeout, 15_000))
            },
            timeout: millis(options.connectTimeout, 5_000),
            maxPrepared: options.maxPrepared ?? 200,
            maxMessageSize: options.maxMessageSize ?? 64 * 1024 * 1024
          },
          maxConnections: options.maxConnections ?? 10,
          maxWaiting: options.maxWaiting ?? 10_000,
          acquireTimeout: millis(options.acquireTimeout, 5_000),
          idleTimeout: millis(options.idleTimeout, 60_000),
          maxLifetime: millis(options.maxLifetime, 30 * 60_000),
          rollbackTimeout: answerGrace,
          observer
        })
    ),
    (pool) => Effect.sync(() => pool.close())
  )
  const wire = new Wire(pool, options.role === undefined ? "tenon_app" : options.role, statementTimeout)

  const attributes = SqlSpan.attributesOf(address)

  return TenantSql.of({
    batch: (scope, statements) =>
      SqlSpan.ofBatch(
        attributes,
        statements,
        Effect.callback<Rows, SqlFailure.SqlFailure>((resume) => wire.batch(scope, statements, resume))
      ),
    transaction: (scope, body) =>
      SqlSpan.ofTransaction(attributes, (seen) =>
        Effect.uninterruptibleMask((restore) => {
          const tx = new OpenTransaction(wire, scope)
          return Effect.flatMap(Effect.exit(restore(Effect.suspend(() => body(seen(tx))))), tx.end)
        })
      ),
    stats: Effect.sync(() => pool.stats)
  })
})

/** A layer over one database. It connects when first used, so it builds while the database is down. */
export const layer = (options: Options): Layer.Layer<TenantSql, SqlFailure.Unavailable> =>
  Layer.effect(TenantSql, make(options))

/**
 * A layer configured by the environment: `DATABASE_URL`, and optionally
 * `DATABASE_ROLE` (`none` where the login needs no other), `DATABASE_POOL_SIZE`,
 * `DATABASE_STATEMENT_TIMEOUT` and `DATABASE_ACQUIRE_TIMEOUT` (as "15 seconds").
 */
export const layerConfig: Layer.Layer<TenantSql, SqlFailure.Unavailable | Config.ConfigError> = Layer.effect(
  TenantSql,
  Effect.gen(function* () {
    const role = yield* Config.option(Config.NonEmptyString("DATABASE_ROLE"))
    const maxConnections = yield* Config.option(Setting.count("DATABASE_POOL_SIZE"))
    const statementTimeout = yield* Config.option(Config.Duration("DATABASE_STATEMENT_TIMEOUT"))
    const acquireTimeout = yield* Config.option(Config.Duration("DATABASE_ACQUIRE_TIMEOUT"))
    return yield* make({
      url: yield* Config.Redacted("DATABASE_URL"),
      ...(Option.isSome(role) ? { role: role.value === "none" ? null : role.value } : {}),
      ...(Option.isSome(maxConnections) ? { maxConnections: maxConnections.value } : {}),
      ...(Option.isSome(statementTimeout) ? { statementTimeout: statementTimeout.value } : {}),
      ...(Option.isSome(acquireTimeout) ? { acquireTimeout: acquireTimeout.value } : {})
    })
  })
)
