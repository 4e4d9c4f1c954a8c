/**
 * Writes what runs whose own journal is elsewhere have done. Many runs are recorded at the same moments, so what comes
 * together for a tenant is written together, in one transaction of two statements.
 */
import { Unavailable } from "@tenon/core/Failure"
import type { Recorded, RunJournal, RunKey } from "@tenon/core/RunJournal"
import * as Together from "@tenon/core/Together"
import * as Effect from "effect/Effect"
import * as SqlValue from "./SqlValue.ts"
import type { Statement, TenantSql } from "./TenantSql.ts"

/** What one `record` writes. */
interface Recording extends Recorded {
  readonly run: RunKey
}

/** Records runs. */
export const make = (sql: TenantSql["Service"]): Effect.Effect<RunJournal["Service"]["record"]> =>
  Effect.map(
    Together.make({
      groupOf: ({ run }: Recording) => run.tenantId,
      // A statement may name a run once only.
      nameOf: ({ run }) => JSON.stringify([run.workflow, run.key]),
      most: 100,
      write: (some: ReadonlyArray<Recording>, tenantId) =>
        Effect.map(sql.batch({ tenantId }, statementsOf(tenantId, some)), () => some.map(() => undefined))
    }),
    (write) => (run, recorded) =>
      Effect.mapError(write({ ...recorded, run }), () => new Unavailable({ what: "The database" }))
  )

const upsert =
  "insert into tenon.runs as r (tenant_id, workflow, key, status, problem, id, began_at, actor, mirrored, due_at) " +
  "select $1, j.*, true, 'infinity' from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], " +
  "$7::timestamptz[], $8::jsonb[]) as j " +
  "on conflict (tenant_id, workflow, key) do update set status = excluded.status, problem = excluded.problem " +
  // What is said late does not undo an end, nor a suspended attempt a pause.
  "where r.mirrored and (excluded.status not in ('waiting', 'running') or r.status in ('waiting', 'running') " +
  "or r.status = 'paused' and excluded.status = 'running')"

const columns = "workflow, key, seq, operation, kind, name, started_at, ended_at, outcome"

const insert =
  `insert into tenon.run_journal (tenant_id, ${columns}) select $1, j.* from unnest($2::text[], $3::text[], ` +
  "$4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::text[]) as j " +
  "on conflict do nothing"

const statementsOf = (tenantId: string, some: ReadonlyArray<Recording>): ReadonlyArray<Statement> => {
  const rows = some.flatMap(({ offset, operations, run }) =>
    operations.map((each, index) => ({ ...each, run, seq: offset + index }))
  )
  const runs: Statement = {
    sql: upsert,
    params: [
      tenantId,
      some.map(({ run }) => run.workflow),
      some.map(({ run }) => run.key),
      some.map(({ standing }) => standing.status),
      some.map(({ standing }) => standing.problem),
      some.map(({ beginning }) => beginning?.seed),
      some.map(({ beginning }) => beginning && new Date(beginning.beganAt)),
      some.map(({ beginning }) => beginning && SqlValue.json(beginning.actor))
    ]
  }
  if (rows.length === 0) return [runs]
  const journal: Statement = {
    sql: insert,
    params: [
      tenantId,
      rows.map(({ run }) => run.workflow),
      rows.map(({ run }) => run.key),
      rows.map(({ seq }) => seq),
      rows.map(({ index }) => index),
      rows.map(({ kind }) => kind),
      rows.map(({ name }) => name),
      rows.map(({ startedAt }) => new Date(startedAt)),
      rows.map(({ endedAt }) => new Date(endedAt)),
      rows.map(({ outcome }) => JSON.stringify(outcome))
    ]
  }
  return [runs, journal]
}
