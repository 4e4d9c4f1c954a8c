/** What runs have done, in `tenon.runs` and `tenon.run_journal`, under the tenant's own row security. */
import { Unavailable } from "@tenon/core/Failure"
import { type Kind, type Operation, RunJournal, type RunKey, type Standing, type Status } from "@tenon/core/RunJournal"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import { type Row, type Statement, TenantSql } from "./TenantSql.ts"

const where = "tenant_id = $1 and workflow = $2 and key = $3"
const keyOf = ({ key, tenantId, workflow }: RunKey) => [tenantId, workflow, key]
const columns = "operation, kind, name, started_at, ended_at, outcome"

/** The journal of a run, in its order. */
export const select = (run: RunKey): Statement => ({
  sql: `select operation::int, kind, name, started_at, ended_at, outcome from tenon.run_journal where ${where} order by seq`,
  params: keyOf(run)
})

/** The beginning of an insert of operations whose parameters start at `$first`: what follows it is `from source`. */
export const insert = (offset: number, operations: ReadonlyArray<Operation>, first: number) => {
  const types = ["bigint", "text", "text", "timestamptz", "timestamptz", "text"]
  const arrays = types.map((type, index) => `$${first + index}::${type}[]`).join(", ")
  const seq = `$${first + types.length}::bigint + j.n - 1`
  return {
    sql:
      `insert into tenon.run_journal (tenant_id, workflow, key, seq, ${columns}) ` +
      `select $1, $2, $3, ${seq}, j.operation, j.kind, j.name, j.started_at, j.ended_at, j.outcome`,
    source: `unnest(${arrays}) with ordinality as j (${columns}, n)`,
    params: [
      operations.map(({ index }) => index),
      operations.map(({ kind }) => kind),
      operations.map(({ name }) => name),
      operations.map(({ startedAt }) => new Date(startedAt)),
      operations.map(({ endedAt }) => new Date(endedAt)),
      operations.map(({ outcome }) => JSON.stringify(outcome)),
      offset
    ]
  }
}

/** An operation, from its row. */
export const operationOf = (row: Row): Operation => ({
  index: Number(row["operation"]),
  kind: row["kind"] as Kind,
  name: String(row["name"]),
  startedAt: millis(row["started_at"]),
  endedAt: millis(row["ended_at"]),
  outcome: JSON.parse(String(row["outcome"])) as Schema.Json
})

const millis = (value: unknown) => (value instanceof Date ? value.getTime() : 0)

const upsertMirrored =
  "insert into tenon.runs as r (tenant_id, workflow, key, status, problem, mirrored, due_at) " +
  "values ($1, $2, $3, $4, $5, true, 'infinity') on conflict (tenant_id, workflow, key) do update " +
  // What a suspended attempt says late does not undo an end.
  "set status = excluded.status, problem = excluded.problem " +
  "where r.mirrored and (excluded.status <> 'waiting' or r.status in ('waiting', 'running'))"

/** The most records in one transaction. */
const together = 50

/** What one `record` writes, and whoever waits for it. */
interface Recording {
  readonly statements: ReadonlyArray<Statement>
  readonly done: Deferred.Deferred<void, Unavailable>
}

const unavailable = () => new Unavailable({ what: "The database" })

/** Reads and records runs in PostgreSQL. */
export const layer: Layer.Layer<RunJournal, never, TenantSql> = Layer.effect(
  RunJournal,
  Effect.gen(function* () {
    const sql = yield* TenantSql
    const batch = (run: RunKey, ...statements: ReadonlyArray<Statement>) =>
      Effect.mapError(sql.batch({ tenantId: run.tenantId }, statements), unavailable)

    const waiting = new Map<string, Array<Recording>>()

    /** Writes what waits for a tenant, many records in a transaction; where that fails, each in one of its own. */
    const writeAll = (tenantId: string): Effect.Effect<void> =>
      Effect.suspend(() => {
        const recordings = waiting.get(tenantId)?.splice(0, together) ?? []
        if (recordings.length === 0) return Effect.sync(() => void waiting.delete(tenantId))
        const write = (some: ReadonlyArray<Recording>) =>
          Effect.mapError(
            sql.batch(
              { tenantId },
              some.flatMap(({ statements }) => statements)
            ),
            unavailable
          )
        const answer = ({ done }: Recording, exit: Exit.Exit<unknown, Unavailable>) =>
          Deferred.doneUnsafe(done, Exit.asVoid(exit))
        return Effect.exit(write(recordings)).pipe(
          Effect.flatMap((exit) =>
            Exit.isSuccess(exit) || recordings.length === 1
              ? Effect.sync(() => recordings.forEach((each) => answer(each, exit)))
              : Effect.forEach(
                  recordings,
                  (each) => Effect.map(Effect.exit(write([each])), (exit) => answer(each, exit)),
                  { discard: true }
                )
          ),
          Effect.andThen(Effect.suspend(() => writeAll(tenantId)))
        )
      })

    /** Adds to what waits for a tenant; the first to come has all of it written that came in the same moment. */
    const recorded = (tenantId: string, statements: ReadonlyArray<Statement>) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<void, Unavailable>()
        const queue = waiting.get(tenantId)
        if (queue !== undefined) {
          queue.push({ statements, done })
          return Deferred.await(done)
        }
        waiting.set(tenantId, [{ statements, done }])
        const writing = Effect.andThen(Effect.yieldNow, writeAll(tenantId))
        return Effect.andThen(Effect.uninterruptible(writing), Deferred.await(done))
      })

    return RunJournal.of({
      standing: (run) =>
        Effect.map(
          batch(run, { sql: `select status, problem from tenon.runs where ${where}`, params: keyOf(run) }),
          ([rows = []]) => rows.map(standingOf)[0]
        ),
      operations: (run) => Effect.map(batch(run, select(run)), ([rows = []]) => rows.map(operationOf)),
      record: (run, offset, operations, { problem, status }) => {
        const { params, source, sql: inserting } = insert(offset, operations, 4)
        const journal = {
          sql: `${inserting} from ${source} on conflict do nothing`,
          params: [...keyOf(run), ...params]
        }
        return recorded(run.tenantId, [
          { sql: upsertMirrored, params: [...keyOf(run), status, problem ?? null] },
          ...(operations.length === 0 ? [] : [journal])
        ])
      }
    })
  })
)

const standingOf = (row: Row): Standing => ({
  status: row["status"] as Status,
  problem: typeof row["problem"] === "string" ? row["problem"] : undefined
})
