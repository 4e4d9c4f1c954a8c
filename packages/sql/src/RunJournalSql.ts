/** What runs have done, in `tenon.runs` and `tenon.run_journal`, under the tenant's own row security. */
import { Unavailable } from "@tenon/core/Failure"
import type { Actor } from "@tenon/core/Actor"
import {
  type Beginning,
  type Kind,
  type Operation,
  RunJournal,
  type RunKey,
  type Standing,
  type Status
} from "@tenon/core/RunJournal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import * as RunRecorder from "./RunRecorder.ts"
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

const unavailable = () => new Unavailable({ what: "The database" })

/** Reads and records runs in PostgreSQL. */
export const layer: Layer.Layer<RunJournal, never, TenantSql> = Layer.effect(
  RunJournal,
  Effect.gen(function* () {
    const sql = yield* TenantSql
    const batch = (run: RunKey, ...statements: ReadonlyArray<Statement>) =>
      Effect.mapError(sql.batch({ tenantId: run.tenantId }, statements), unavailable)

    return RunJournal.of({
      standing: (run) =>
        Effect.map(
          batch(run, { sql: `select status, problem from tenon.runs where ${where}`, params: keyOf(run) }),
          ([rows = []]) => rows.map(standingOf)[0]
        ),
      operations: (run) => Effect.map(batch(run, select(run)), ([rows = []]) => rows.map(operationOf)),
      beginning: (run) =>
        Effect.map(
          batch(run, { sql: `select id, actor, began_at from tenon.runs where ${where}`, params: keyOf(run) }),
          ([rows = []]) => rows.flatMap(beginningOf)[0]
        ),
      record: yield* RunRecorder.make(sql)
    })
  })
)

const beginningOf = (row: Row): ReadonlyArray<Beginning> =>
  typeof row["id"] === "string" && row["began_at"] instanceof Date
    ? [{ seed: row["id"], beganAt: row["began_at"].getTime(), actor: row["actor"] as Actor }]
    : []

const standingOf = (row: Row): Standing => ({
  status: row["status"] as Status,
  problem: typeof row["problem"] === "string" ? row["problem"] : undefined
})
