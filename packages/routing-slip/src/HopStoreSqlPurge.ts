/** How slips that have been over for long are removed, under the relay's role, which sees those of all tenants. */
import type { Row, SqlFailed, Statement, Transactions } from "@tenon/messaging/Transactions"
import * as Effect from "effect/Effect"
import * as Envelope from "./Envelope.ts"

/** Tables with rows that go with their slip's. */
const ofSlips = ["slip_hops", "slip_heads", "slip_events", "slip_arrivals", "slip_cancellations"]

/** Removes what these tables have of slips that are `gone`. */
const withGone = (tables: ReadonlyArray<string>): string =>
  tables
    .map(
      (table) => `gone_${table} as (delete from tenon.${table} as each using gone as g
    where each.tenant_id = g.tenant_id and each.correlation_id = g.correlation_id)`
    )
    .join(",\n  ")

const before = "statement_timestamp() - make_interval(secs => $1)"

/** What of a slip keeps it: a hop that may still move, and a branch that was begun and has not come to its gather. */
const kept = `select from tenon.slip_hops as h where h.tenant_id = s.tenant_id and h.correlation_id = s.correlation_id
  and (h.pending_at is not null or h.status = 'halted' or h.due_at > ${before}
    or h.phase = 'execute' and h.step like '%.0' and not exists (select from tenon.slip_hops as home
      where home.tenant_id = h.tenant_id and home.correlation_id = h.correlation_id and home.phase = 'execute'
        and home.step = left(h.step, -2) and home.status = 'done'))`

/**
 * The tenants are found one after the other in the index on tenant and time, and in each its oldest slips. Slips go by
 * the place of their rows: one that has moved since it was found is at another, and of two that purge at once one finds
 * nothing left.
 */
const purge = `with recursive tenants as (
    (select tenant_id from tenon.slips order by tenant_id limit 1)
    union all
    select (select s.tenant_id from tenon.slips as s where s.tenant_id > t.tenant_id order by s.tenant_id limit 1)
    from tenants as t where t.tenant_id is not null),
  old as (select s.place from tenants as t cross join lateral (
      select s.ctid as place from tenon.slips as s
      where s.tenant_id = t.tenant_id and s.updated_at <= (extract(epoch from ${before}) * 1000)::bigint
        and s.status = any($3::text[]) and not exists (${kept})
      order by s.updated_at limit $2) as s limit $2),
  gone as (delete from tenon.slips where ctid = any(array(select place from old)) returning tenant_id, correlation_id),
  remembered as (insert into tenon.purged_slips (tenant_id, correlation_id)
    select tenant_id, correlation_id from gone on conflict do nothing),
  ${withGone(ofSlips)}
  select tenant_id, correlation_id from gone`

/** A claim that was made during a purge may have stored its step where the purge had looked already. */
const sweep = `with gone as (select * from unnest($1::text[], $2::text[]) as each (tenant_id, correlation_id)),
  ${withGone(["slips", ...ofSlips])}
  select from gone`

const sweeping = (slips: ReadonlyArray<Row>): Statement => ({
  sql: sweep,
  params: [slips.map((row) => row["tenant_id"]), slips.map((row) => row["correlation_id"])]
})

/** Removes slips that have been over for so many seconds; a row for each of `limit` at most. */
export const purging = (seconds: number, limit: number): Statement => ({
  sql: purge,
  params: [seconds, limit, Envelope.Outcome.literals]
})

/** Which of these slips were purged. */
export const purgedAmong = (tenantId: string, correlationIds: ReadonlyArray<string>): Statement => ({
  sql: "select correlation_id from tenon.purged_slips where tenant_id = $1 and correlation_id = any($2::text[])",
  params: [tenantId, correlationIds]
})

/** Removes old slips, and looks once more after those that it removed the last time. */
export const make = (sql: Transactions["Service"], relayRole: string) => {
  let lately: ReadonlyArray<Row> = []
  return (seconds: number, limit: number): Effect.Effect<number, SqlFailed> =>
    Effect.suspend(() =>
      sql.batch({ tenantId: null, role: relayRole }, [sweeping(lately), purging(seconds, limit)]).pipe(
        Effect.map(([, gone = []]) => {
          lately = gone
          return gone.length
        })
      )
    )
}
