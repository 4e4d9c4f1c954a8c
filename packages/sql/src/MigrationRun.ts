/**
 * Applies migration files, one process at a time.
 *
 * The run holds one connection with a session-level advisory lock on it, so a pooler in transaction mode must not stand
 * between. While it runs `row_security` is off, which makes PostgreSQL refuse a statement that a policy would
 * narrow down, where it would otherwise change no row and say nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import * as FrameworkTables from "./FrameworkTables.ts"
import { MigrationConflict, MigrationFailed, MigrationLocked } from "./MigrationFailure.ts"
import type { MigrationFile } from "./MigrationFiles.ts"
import * as SqlName from "./SqlName.ts"

/** How patient a run is. */
export interface Patience {
  /** How long to wait while another process migrates. Default one minute. */
  readonly waitForOthers?: Duration.Input
  /** How long a statement may wait for a table's lock, and others behind it. Default 3 seconds. */
  readonly lockTimeout?: Duration.Input
  /** How often a file is tried again after it waited in vain for a lock. Default 10. */
  readonly lockRetries?: number
}

/** Where a file stands: `changed` and `missing` are faults, `pending` is work. */
export interface FileStatus {
  readonly name: string
  readonly state: "applied" | "pending" | "changed" | "missing"
  /** ISO 8601. */
  readonly appliedAt: string | undefined
}

interface Applied {
  readonly name: string
  readonly checksum: string
  readonly applied_at: string
}

const migrations = { schema: DatabaseModel.frameworkSchema, name: "migrations" }
/** The row that says from what a database was set up without files: the checksum of its first migration to be. */
const ensured = "ensured"
const recorded = `select name, checksum, to_char(applied_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as applied_at from ${SqlName.qualified(
  migrations
)} where name <> '${ensured}' order by name`

/** The state of each file, and of what was applied and is no file any more. */
export const status = (files: ReadonlyArray<MigrationFile>) =>
  Effect.map(recordedApplied(), (applied) => compare(files, applied))

const recordedApplied = Effect.fnUntraced(function* () {
  const sql = yield* SqlClient.SqlClient
  const [there] = yield* sql.unsafe<{ found: boolean }>(`select to_regclass($1) is not null as found`, [
    SqlName.qualified(migrations)
  ])
  return there?.found === true ? yield* sql.unsafe<Applied>(recorded) : []
})

const compare = (files: ReadonlyArray<MigrationFile>, applied: ReadonlyArray<Applied>): ReadonlyArray<FileStatus> => {
  const byName = new Map(applied.map((each) => [each.name, each]))
  const known = new Set(files.map(({ name }) => name))
  return [
    ...files.map(({ name, checksum }): FileStatus => {
      const found = byName.get(name)
      const state = found === undefined ? "pending" : found.checksum === checksum ? "applied" : "changed"
      return { name, state, appliedAt: found?.applied_at }
    }),
    ...applied
      .filter(({ name }) => !known.has(name))
      .map(({ name, applied_at }): FileStatus => ({ name, state: "missing", appliedAt: applied_at }))
  ]
}

/** The names of what was applied. */
export const applied = Effect.fn("Migrations.applied")(function* () {
  return (yield* recordedApplied()).map(({ name }) => name)
})

/** What is wrong with what was applied, where something is: a file was changed since, or is there no more. */
export const fault = (all: ReadonlyArray<FileStatus>): MigrationConflict | undefined => {
  const changed = all.find(({ state }) => state === "changed")
  if (changed !== undefined) {
    return new MigrationConflict({
      file: changed.name,
      problem: "it was changed after it had been applied",
      mend: "Restore it from version control, and make the change in a new file"
    })
  }
  const missing = all.find(({ state }) => state === "missing")
  return missing === undefined
    ? undefined
    : new MigrationConflict({
        file: missing.name,
        problem: "it was applied to this database and is not among the files",
        mend: "Restore it from version control, or use the release that it belongs to"
      })
}

/**
 * What stands in the way of applying the pending files, where something does. A file without a statement may be applied
 * after those that come after it: it fills a number that nothing ever had.
 */
const conflict = (
  all: ReadonlyArray<FileStatus>,
  files: ReadonlyArray<MigrationFile>
): MigrationConflict | undefined => {
  const idle = new Set(files.filter(({ statements }) => statements.length === 0).map(({ name }) => name))
  const last = all.findLastIndex(({ state }) => state === "applied")
  const early = all.find(({ name, state }, index) => state === "pending" && index < last && !idle.has(name))
  return (
    fault(all) ??
    (early === undefined
      ? undefined
      : new MigrationConflict({
          file: early.name,
          problem: `${all[last]?.name} was applied, which comes after it`,
          mend: "Give it the next free number"
        }))
  )
}

/** Applies the pending files in order; the names of those it applied. */
export const up = Effect.fn("Migrations.up")(function* (files: ReadonlyArray<MigrationFile>, patience: Patience = {}) {
  const sql = yield* SqlClient.SqlClient
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* sql.reserve
      yield* lock(connection, Duration.toMillis(patience.waitForOthers ?? "1 minute"))
      yield* Effect.acquireRelease(run(connection, "set row_security = off"), () =>
        Effect.ignore(run(connection, "reset row_security"))
      )
      yield* bootstrap(connection)
      const all = compare(files, (yield* run(connection, recorded)) as ReadonlyArray<Applied>)
      const contradiction = conflict(all, files)
      if (contradiction !== undefined) return yield* contradiction
      const pending = files.filter(({ name }) => all.some((each) => each.name === name && each.state === "pending"))
      for (const file of pending) yield* apply(connection, file, patience)
      return pending.map(({ name }) => name)
    })
  )
})

/** Remembers from what a database is set up without files, within the transaction that does it. */
export const noteEnsured = Effect.fnUntraced(function* (checksum: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe(`insert into ${SqlName.qualified(migrations)} (name, checksum) values ($1, $2)`, [
    ensured,
    checksum
  ])
})

/**
 * Records files as applied where nothing was ever applied; the names of those it recorded. `choose` is given the
 * checksum of what the database was set up from, where that is known.
 */
export const record = Effect.fn("Migrations.record")(function* <E, R>(
  files: ReadonlyArray<MigrationFile>,
  choose: (ensuredFrom: string | undefined) => Effect.Effect<ReadonlyArray<MigrationFile>, E, R>,
  patience: Patience = {}
) {
  const sql = yield* SqlClient.SqlClient
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* sql.reserve
      yield* lock(connection, Duration.toMillis(patience.waitForOthers ?? "1 minute"))
      if ((yield* status(files)).some(({ state }) => state !== "pending")) return []
      const chosen = yield* choose(yield* ensuredFrom(connection))
      if (chosen.length === 0) return []
      yield* bootstrap(connection)
      yield* run(connection, "begin")
      yield* Effect.forEach(chosen, (file) => note(connection, file), { discard: true }).pipe(
        Effect.andThen(run(connection, `delete from ${SqlName.qualified(migrations)} where name = $1`, [ensured])),
        Effect.andThen(run(connection, "commit")),
        Effect.onError(() => Effect.ignore(run(connection, "rollback")))
      )
      return chosen.map(({ name }) => name)
    })
  )
})

const ensuredFrom = Effect.fnUntraced(function* (connection: Connection) {
  const table = SqlName.qualified(migrations)
  const [there] = yield* run(connection, "select to_regclass($1) is not null as found", [table])
  if (there?.found !== true) return undefined
  const [row] = yield* run(connection, `select checksum from ${table} where name = $1`, [ensured])
  return row === undefined ? undefined : String(row.checksum)
})

const run = (connection: Connection, sql: string, params: ReadonlyArray<unknown> = []) =>
  connection.executeUnprepared(sql, params, undefined)

/** "tenon migrations", as a number that is unlikely to be another application's. */
export const lockKey = 7_308_332_140_215_296n

const lockPollMillis = 100

const lock = Effect.fnUntraced(function* (connection: Connection, waitMillis: number) {
  const attempt = run(connection, `select pg_try_advisory_lock(${lockKey}) as locked`).pipe(
    Effect.flatMap(([row]) =>
      row.locked === true ? Effect.void : Effect.fail(new MigrationLocked({ waitedMillis: waitMillis }))
    )
  )
  yield* Effect.acquireRelease(
    attempt.pipe(
      Effect.retry({
        while: (error) => error._tag === "MigrationLocked",
        times: Math.ceil(waitMillis / lockPollMillis),
        schedule: Schedule.spaced(Duration.millis(lockPollMillis))
      })
    ),
    () => Effect.ignore(run(connection, `select pg_advisory_unlock(${lockKey})`)),
    { interruptible: true }
  )
})

/** The table that records what was applied must be there before the first file is. */
const bootstrap = Effect.fnUntraced(function* (connection: Connection) {
  const table = FrameworkTables.tables.find(DdlRender.isBootstrap)
  const [there] = yield* run(connection, "select to_regclass($1) is not null as found", [SqlName.qualified(migrations)])
  if (there?.found === true || table === undefined) return
  yield* run(connection, `create schema if not exists ${SqlName.quote(DatabaseModel.frameworkSchema)}`)
  yield* run(connection, DdlRender.createTable(table))
})

const note = (connection: Connection, file: MigrationFile) =>
  run(connection, `insert into ${SqlName.qualified(migrations)} (name, checksum) values ($1, $2)`, [
    file.name,
    file.checksum
  ])

const apply = (connection: Connection, file: MigrationFile, patience: Patience) => {
  const millis = Math.round(Duration.toMillis(patience.lockTimeout ?? "3 seconds"))
  const statements = Effect.forEach(
    file.statements,
    ({ sql, line }) => run(connection, sql).pipe(Effect.mapError((error) => failed(file, line, sql, error))),
    { discard: true }
  )
  const whole = file.transaction
    ? Effect.gen(function* () {
        yield* run(connection, "begin")
        yield* run(connection, "select set_config('lock_timeout', $1, true)", [`${millis}ms`])
        yield* statements
        yield* note(connection, file)
        yield* run(connection, "commit")
      }).pipe(Effect.onError(() => Effect.ignore(run(connection, "rollback"))))
    : // An index that is built concurrently stands in nobody's way while it waits, so there is no lock timeout here.
      Effect.andThen(statements, note(connection, file))
  return whole.pipe(
    Effect.catchTag("SqlError", (error) => Effect.fail(failed(file, 1, "", error))),
    Effect.retry({
      while: ({ sqlState }) => sqlState === "55P03",
      times: patience.lockRetries ?? 10,
      schedule: Schedule.jittered(Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]))
    }),
    Effect.withSpan("Migrations.apply", { attributes: { file: file.name } })
  )
}

const failed = (file: MigrationFile, line: number, statement: string, error: SqlError): MigrationFailed => {
  const cause: unknown = error.reason.cause
  const read = (key: string): string => {
    const value =
      typeof cause === "object" && cause !== null ? (cause as { readonly [key: string]: unknown })[key] : undefined
    return typeof value === "string" ? value : ""
  }
  const sqlState = read("code")
  return new MigrationFailed({
    file: file.name,
    line,
    statement,
    reason: read("message") || error.message,
    sqlState,
    mend: mendOf(sqlState, file.transaction)
  })
}

const mendOf = (sqlState: string, transaction: boolean): string => {
  if (sqlState === "55P03")
    return "Something else holds a lock on the table for long; end it, or try when there is less to do"
  if (sqlState === "42501") {
    return "Run migrations as the owner of the tables. If row security is in the way, put `alter table … no force row level security` before the statement and `force` after it"
  }
  if (sqlState === "42P07") {
    return "The database holds it already, and not from these migrations, as where `tenon dev` set it up before there were any. Begin with an empty database, or take away what is there"
  }
  return transaction
    ? "Nothing of this file was applied; mend it and run again"
    : "What came before it in this file stays; mend it and run again"
}
