/**
 * Runs in `tenon.runs`, `tenon.run_journal` and `tenon.run_signals`.
 *
 * A claim is made under the relay's role, which sees the runs of all tenants and neither journals nor signals; all else
 * happens under the run's own tenant. Each write names the token of its claim and locks the run's row in the statement
 * that adds to the journal and to the outbox, so that a worker whose lease was taken over writes nothing. Leases and
 * due times are the database's; workers' clocks only ever give it durations.
 */
import type { Actor } from "@tenon/core/Actor"
import { Unavailable } from "@tenon/core/Failure"
import { type Fork, type RunKey, signalName } from "@tenon/core/RunJournal"
import {
  type Claim,
  type ClaimedRun,
  type Held,
  LeaseLost,
  type Mail,
  type NewRun,
  type Next,
  RunStore,
  textOf,
  type Write
} from "@tenon/core/RunStore"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import * as OutboxRows from "./OutboxRows.ts"
import * as RunJournalRows from "./RunJournalRows.ts"
import type { SqlFailure } from "./SqlFailure.ts"
import * as SqlValue from "./SqlValue.ts"
import type * as StoreTables from "./StoreTables.ts"
import { type Row, type Statement, TenantSql } from "./TenantSql.ts"

const { keyOf, where } = RunJournalRows
const now = "clock_timestamp()"
/** What an index can be asked for: runs that are over stay, and are not to be looked through for one that is due. */
const isDue = "due_at <= statement_timestamp()"
const alive = "status in ('waiting', 'running', 'paused') and not mirrored"

/** A start and a signal of one run wait for each other: else a signal could miss the run that misses it. */
const lock = (run: RunKey): Statement => ({
  sql: "select pg_advisory_xact_lock(hashtextextended($1, 1))",
  params: [textOf(run)]
})

const claimDue = `
with due as materialized (
  select tenant_id, workflow, key from tenon.runs
  where lost = 0 and ${isDue} and workflow = any($1) and not mirrored
  order by due_at limit $2 for update skip locked
), doubtful as materialized (
  select tenant_id, workflow, key from tenon.runs
  where lost > 0 and ${isDue} and workflow = any($1) and not mirrored
  order by lost, due_at limit $5 for update skip locked
)
update tenon.runs as r set status = 'running', token = r.token + 1, began_at = coalesce(r.began_at, $4),
  due_at = ${now} + make_interval(secs => $3 / 1000.0), lost = r.lost + (r.status = 'running')::int
from (table due union all table doubtful) as d
where r.tenant_id = d.tenant_id and r.workflow = d.workflow and r.key = d.key
returning r.tenant_id, r.workflow, r.key, r.token::int, r.id, r.actor, r.input, r.began_at, r.failures::int,
  r.lost::int, r.fork, r.trace`

const nextDue = `
select (extract(epoch from due_at - ${now}) * 1000)::double precision as millis from tenon.runs
where lost = 0 and due_at > ${now} and due_at < 'infinity' and workflow = any($1) and not mirrored
order by due_at limit 1`

const startOf = (run: NewRun): Statement => ({
  sql:
    "insert into tenon.runs (tenant_id, workflow, key, id, actor, input, due_at, fork, trace) values " +
    `($1, $2, $3, $4, $5, $6, ${now} + make_interval(secs => $7 / 1000.0), $8, $9) on conflict do nothing returning 1`,
  params: [
    ...keyOf(run),
    run.id,
    SqlValue.json(run.actor),
    JSON.stringify(run.input),
    run.delayMillis,
    run.fork === undefined ? null : JSON.stringify(run.fork),
    run.trace ?? null
  ]
})

const insertSignal = `
with fresh as (
  insert into tenon.run_signals (tenant_id, workflow, key, name, payload) values ($1, $2, $3, $4, $5)
  on conflict do nothing returning 1
)
update tenon.runs set mail = mail + 1,
  due_at = case when status = 'waiting' and began_at is not null then ${now} else due_at end
where ${where} and ${alive} and exists (select from fresh)`

const cancelRun = `
update tenon.runs set cancelled = true, mail = mail + 1,
  status = case when status = 'paused' then 'waiting' else status end,
  due_at = case when status = 'running' then due_at else ${now} end
where ${where} and ${alive} and not cancelled`

const resumeRun = `
update tenon.runs set status = 'waiting', due_at = ${now}, failures = 0, lost = 0
where ${where} and status = 'paused' and not mirrored`

const claims = "unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as c (tenant_id, workflow, key, token)"
const holds =
  "r.tenant_id = c.tenant_id and r.workflow = c.workflow and r.key = c.key and r.token = c.token and r.status = 'running'"
const holder = "r.tenant_id, r.workflow, r.key, r.token::int, r.mail::int"
const lookAt = `select ${holder} from tenon.runs as r, ${claims} where ${holds}`
const renewAll =
  `update tenon.runs as r set due_at = ${now} + make_interval(secs => $5 / 1000.0), lost = 0 from ${claims} ` +
  `where ${holds} returning ${holder}`

/** The run of a claim that holds, locked, changed to what it is to be next. */
const change = (next: Next): { readonly sql: string; readonly params: ReadonlyArray<unknown> } => {
  const by = (set: string) =>
    `update tenon.runs set ${set} where ${where} and token = $4 and status = 'running' returning actor`
  switch (next._tag) {
    case "Running":
      return {
        sql: `select actor from tenon.runs where ${where} and token = $4 and status = 'running' for no key update`,
        params: []
      }
    case "Waiting":
      return {
        sql: by(
          `status = 'waiting', problem = $5, lost = 0, failures = case when $5::text is null then failures else failures + 1 end, ` +
            `due_at = case when $5::text is null and mail > $6 then ${now} ` +
            `else coalesce(${now} + make_interval(secs => $7 / 1000.0), 'infinity') end`
        ),
        params: [next.problem === undefined ? null : printable(next.problem), next.mail, next.afterMillis ?? null]
      }
    case "Paused":
      return { sql: by("status = 'paused', problem = $5, due_at = 'infinity'"), params: [printable(next.problem)] }
    case "Ended":
      return {
        sql: by("status = $5, problem = $6, lost = 0, due_at = 'infinity'"),
        params: [next.status, next.problem === undefined ? null : printable(next.problem)]
      }
  }
}

/** As much of a problem's text as can be stored. */
const printable = (text: string): string => text.replaceAll("\0", "\uFFFD").toWellFormed().slice(0, 2000)

/** One statement: all of a write, or nothing where the claim no longer holds. */
const writeOf = (claim: Claim, offset: number, { deliveries, next, operations, trace }: Write): Statement => {
  const { params, sql } = change(next)
  const parts = [`held as materialized (${sql})`]
  const all = [...keyOf(claim), claim.token, ...params]
  const first = () => all.length + 1
  if (operations.length > 0) {
    const journal = RunJournalRows.insert(offset, operations, "held", first())
    parts.push(`journaled as (${journal.sql})`)
    all.push(...journal.params)
    if (next._tag === "Running") {
      parts.push(
        "reset as (update tenon.runs set failures = 0, lost = 0 " +
          `where ${where} and (failures > 0 or lost > 0) and exists (select from held))`
      )
    }
  }
  if (deliveries.length > 0) {
    const at = first()
    const rows = deliveries.map(({ delivery }) => OutboxRows.delivery(delivery, trace))
    parts.push(
      `sent as (insert into tenon.outbox (tenant_id, kind, object, actor, body, ${OutboxRows.timing}) ` +
        `select $1, 'delivery', r.object, held.actor, r.body, ${OutboxRows.timed} ` +
        `from unnest($${at}::text[], $${at + 1}::jsonb[], $${at + 2}::bigint[]) with ordinality as r (object, body, delay, n) ` +
        "cross join held order by r.n)"
    )
    all.push(
      rows.map(({ object }) => object),
      rows.map(({ body }) => SqlValue.json(body)),
      rows.map(({ delayMillis }) => delayMillis)
    )
  }
  return { sql: `with ${parts.join(", ")} select 1 from held`, params: all }
}

/** Whether an earlier try of the same write was committed, where its answer was lost. */
const standsAs = (claim: Claim): Statement => ({
  sql:
    "select token::int, status, (select coalesce(sum(length), 0)::int from tenon.run_journal as j where j.tenant_id = r.tenant_id " +
    `and j.workflow = r.workflow and j.key = r.key) as length from tenon.runs as r where ${where}`,
  params: keyOf(claim)
})

const isWritten = (row: Row | undefined, claim: Claim, offset: number, { next, operations }: Write): boolean => {
  if (row === undefined || row["token"] !== claim.token) return false
  if (operations.length > 0 && Number(row["length"]) !== offset + operations.length) return false
  switch (next._tag) {
    case "Running":
      return operations.length > 0 && row["status"] === "running"
    case "Waiting":
      return row["status"] === "waiting"
    case "Paused":
      return row["status"] === "paused"
    case "Ended":
      return row["status"] === next.status
  }
}

const latches = new WeakMap<TenantSql["Service"], Latch.Latch>()

/** Opened by every change over this database that made a run due in this process. */
const latchOf = (sql: TenantSql["Service"]): Latch.Latch => {
  const found = latches.get(sql) ?? Latch.makeUnsafe(true)
  latches.set(sql, found)
  return found
}

/** What PostgreSQL says that time may mend; anything else is a bug. */
const sorted = (failure: SqlFailure): Effect.Effect<never, Unavailable> =>
  failure.retryable || failure._tag === "StatementTimeout"
    ? Effect.fail(new Unavailable({ what: "The database" }))
    : Effect.die(failure)

/** Keeps runs in PostgreSQL. */
export const layer = (options: StoreTables.Options = {}): Layer.Layer<RunStore, never, TenantSql> =>
  Layer.effect(
    RunStore,
    Effect.gen(function* () {
      const sql = yield* TenantSql
      const due = latchOf(sql)
      const sent = OutboxRows.signalOf(sql)
      const relay = { tenantId: null, role: options.relayRole ?? "tenon_relay" }

      const batch = (run: RunKey, ...statements: ReadonlyArray<Statement>) =>
        Effect.catch(sql.batch({ tenantId: run.tenantId }, statements), sorted)

      const wakes = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.map(effect, () => due.openUnsafe()) as Effect.Effect<void, E>

      const holders = (text: string, claims: ReadonlyArray<Claim>, ...rest: ReadonlyArray<unknown>) =>
        sql
          .batch(relay, [
            {
              sql: text,
              params: [
                claims.map(({ tenantId }) => tenantId),
                claims.map(({ workflow }) => workflow),
                claims.map(({ key }) => key),
                claims.map(({ token }) => token),
                ...rest
              ]
            }
          ])
          .pipe(
            Effect.catch(sorted),
            Effect.map(([rows = []]) =>
              rows.map((row): Held => ({ run: runOf(row), token: Number(row["token"]), mail: Number(row["mail"]) }))
            )
          )

      const written = (claim: Claim, offset: number, write: Write) =>
        Effect.flatMap(batch(claim, standsAs(claim)), ([rows = []]) =>
          isWritten(rows[0], claim, offset, write) ? Effect.void : Effect.fail(new LeaseLost({ run: textOf(claim) }))
        )

      return RunStore.of({
        start: (run) =>
          Effect.map(batch(run, lock(run), startOf(run)), ([, started = []]) => {
            // One that was there before makes nothing due.
            if (started.length > 0) due.openUnsafe()
          }),
        signal: (run, { id, name, payload }) =>
          wakes(
            batch(run, lock(run), {
              sql: insertSignal,
              params: [...keyOf(run), signalName(name, id), JSON.stringify(payload)]
            })
          ),
        cancel: (run) => wakes(batch(run, { sql: cancelRun, params: keyOf(run) })),
        resume: (run) => wakes(batch(run, { sql: resumeRun, params: keyOf(run) })),
        claim: (asked) => {
          due.closeUnsafe()
          return sql
            .batch(relay, [
              {
                sql: claimDue,
                params: [asked.workflows, asked.limit, asked.leaseMillis, new Date(asked.now), asked.doubtful]
              },
              { sql: nextDue, params: [asked.workflows] }
            ])
            .pipe(
              Effect.catch(sorted),
              Effect.tapError(() => Effect.sync(() => due.openUnsafe())),
              Effect.map(([rows = [], next = []]) => ({
                runs: rows.map(claimedOf),
                nextMillis: next[0] === undefined ? undefined : Math.max(0, Number(next[0]["millis"]))
              }))
            )
        },
        read: (claim) =>
          Effect.map(
            batch(claim, RunJournalRows.select(claim), ...mailOf(claim)),
            ([journal = [], runs = [], signals = []]) => ({
              operations: RunJournalRows.operationsOf(journal),
              mail: toMail(signals, runs)
            })
          ),
        mail: (claim) =>
          Effect.map(batch(claim, ...mailOf(claim)), ([runs = [], signals = []]) => toMail(signals, runs)),
        write: (claim, offset, write) =>
          Effect.matchEffect(sql.batch({ tenantId: claim.tenantId }, [writeOf(claim, offset, write)]), {
            onFailure: (failure) =>
              failure._tag === "UniqueViolation" ? written(claim, offset, write) : sorted(failure),
            onSuccess: ([rows = []]): Effect.Effect<void, LeaseLost | Unavailable> => {
              if (rows.length === 0) return written(claim, offset, write)
              if (write.deliveries.length > 0) sent.openUnsafe()
              if (write.next._tag === "Waiting") due.openUnsafe()
              return Effect.void
            }
          }),
        look: (claims) => holders(lookAt, claims),
        renew: (claims, leaseMillis) => holders(renewAll, claims, leaseMillis),
        awaitWork: due.await
      })
    })
  )

const runOf = (row: Row): RunKey => ({
  tenantId: String(row["tenant_id"]),
  workflow: String(row["workflow"]),
  key: String(row["key"])
})

const claimedOf = (row: Row): ClaimedRun => ({
  claim: { ...runOf(row), token: Number(row["token"]) },
  id: String(row["id"]),
  actor: row["actor"] as Actor,
  input: JSON.parse(String(row["input"])) as Schema.Json,
  beganAt: row["began_at"] instanceof Date ? row["began_at"].getTime() : 0,
  failures: Number(row["failures"]),
  lost: Number(row["lost"]),
  fork: row["fork"] === null ? undefined : (JSON.parse(String(row["fork"])) as Fork),
  trace: row["trace"] === null ? undefined : String(row["trace"])
})

/** The count first: a signal that comes in between is then read again, and not missed. */
const mailOf = (run: RunKey): ReadonlyArray<Statement> => [
  { sql: `select mail::int, cancelled from tenon.runs where ${where}`, params: keyOf(run) },
  { sql: `select name, payload from tenon.run_signals where ${where}`, params: keyOf(run) }
]

const toMail = (signals: ReadonlyArray<Row>, [run]: ReadonlyArray<Row>): Mail => ({
  count: Number(run?.["mail"] ?? 0),
  cancelled: run?.["cancelled"] === true,
  signals: signals.map((row) => {
    const [name = "", ...id] = String(row["name"]).split("/")
    return {
      name,
      id: id.length === 0 ? undefined : id.join("/"),
      payload: JSON.parse(String(row["payload"])) as Schema.Json
    }
  })
})
