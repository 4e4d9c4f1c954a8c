/**
 * Writes what runs whose own journal is elsewhere have done. Many runs are recorded at the same moments, so what comes
 * together for a tenant is written together, in one transaction of two statements.
 */
import { Unavailable } from "@tenon/core/Failure"
import type { Recorded, RunJournal, RunKey } from "@tenon/core/RunJournal"
import * as Together from "@tenon/core/Together"
import * as Effect from "effect/Effect"
import * as RunJournalRows from "./RunJournalRows.ts"
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
      nameOf: ({ run }) => nameOf(run.workflow, run.key),
      most: 100,
      write: (some: ReadonlyArray<Recording>, tenantId) =>
        Effect.as(
          record(sql, tenantId, some),
          some.map(() => {})
        )
    }),
    (write) => (run, recorded) =>
      Effect.mapError(write({ ...recorded, run }), () => new Unavailable({ what: "The database" }))
  )

const nameOf = (workflow: unknown, key: unknown) => JSON.stringify([workflow, key])

const record = Effect.fnUntraced(function* (
  sql: TenantSql["Service"],
  tenantId: string,
  some: ReadonlyArray<Recording>
) {
  const told = some.filter(({ operations }) => operations.length > 0)
  const runs = upsertOf(tenantId, some)
  const [, written = []] = yield* sql.batch({ tenantId }, told.length === 0 ? [runs] : [runs, insertOf(tenantId, told)])
  if (written.length === told.length) return
  // An attempt in another process has told of some of it: what it has not is told one by one.
  const names = new Set(written.map((row) => nameOf(row["workflow"], row["key"])))
  const partly = told.filter(({ run }) => !names.has(nameOf(run.workflow, run.key)))
  yield* sql.batch({ tenantId }, [insertOf(tenantId, partly.flatMap(singly))])
})

const singly = ({ operations, ...told }: Recording): ReadonlyArray<Recording> =>
  operations.map((operation, index) => ({ ...told, offset: told.offset + index, operations: [operation] }))

const upsert =
  "insert into tenon.runs as r (tenant_id, workflow, key, status, problem, id, began_at, actor, mirrored, due_at) " +
  "select $1, j.*, true, 'infinity' from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], " +
  "$7::timestamptz[], $8::jsonb[]) as j " +
  "on conflict (tenant_id, workflow, key) do update set status = excluded.status, problem = excluded.problem " +
  // What is said late does not undo an end, nor a suspended attempt a pause.
  "where r.mirrored and (excluded.status not in ('waiting', 'running') or r.status in ('waiting', 'running') " +
  "or r.status = 'paused' and excluded.status = 'running')"

/** A row for each, where none holds any of its operations. */
const insert =
  "insert into tenon.run_journal (tenant_id, workflow, key, seq, length, operations) " +
  "select $1, j.* from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) " +
  "as j (workflow, key, seq, length, operations) where j.seq >= coalesce((" +
  "select r.seq + r.length from tenon.run_journal as r where r.tenant_id = $1 and r.workflow = j.workflow " +
  "and r.key = j.key and r.seq < j.seq + j.length order by r.seq desc limit 1), 0) " +
  "on conflict do nothing returning workflow, key"

const upsertOf = (tenantId: string, some: ReadonlyArray<Recording>): Statement => ({
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
})

const insertOf = (tenantId: string, some: ReadonlyArray<Recording>): Statement => ({
  sql: insert,
  params: [
    tenantId,
    some.map(({ run }) => run.workflow),
    some.map(({ run }) => run.key),
    some.map(({ offset }) => offset),
    some.map(({ operations }) => operations.length),
    some.map(({ operations }) => RunJournalRows.textOf(operations))
  ]
})
