/** What runs have done, in `tenon.runs` and `tenon.run_journal`, under the tenant's own row security. */
import { Unavailable } from "@tenon/core/Failure"
import type { Actor } from "@tenon/core/Actor"
import { type Beginning, RunJournal, type RunKey, type Standing, type Status } from "@tenon/core/RunJournal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RunJournalRows from "./RunJournalRows.ts"
import * as RunRecorder from "./RunRecorder.ts"
import { type Row, type Statement, TenantSql } from "./TenantSql.ts"

const { keyOf, where } = RunJournalRows

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
      operations: (run) =>
        Effect.map(batch(run, RunJournalRows.select(run)), ([rows = []]) => RunJournalRows.operationsOf(rows)),
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
