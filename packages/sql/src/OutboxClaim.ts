/**
 * Which deliveries of `tenon.outbox` a relay takes next. First the oldest that are due. Where those fill the window,
 * more may wait behind them: then a walk goes from tenant to tenant and, in each, from object to object, some steps at
 * a time, and looks at the head of each. So it costs the same however many rows wait behind a head that fails, and no
 * tenant waits until another's backlog is gone.
 */
import type { Row, Statement } from "./TenantSql.ts"

/** A delivery that is hidden from other relays until its lease ends. */
export interface Claimed {
  readonly id: string
  readonly tenantId: string
  readonly object: string
  readonly attempts: number
  /** The beginning of the transaction that wrote it, to the microsecond. */
  readonly committed: string
  readonly row: Row
}

/** What a claim comes to. */
export interface Claim {
  /** In the order in which they were added. */
  readonly rows: ReadonlyArray<Claimed>
  /** Whether there may be more that can be delivered now. */
  readonly more: boolean
}

const hide = `update tenon.outbox as o set due_at = clock_timestamp() + make_interval(secs => $1), attempts = o.attempts + 1
  from ready as r where o.tenant_id = r.tenant_id and o.id = r.id
  returning o.id::text as id, o.tenant_id, o.object, o.actor, o.body, o.attempts::int as attempts,
    o.created_at::text as committed`

const oldest = `
with due as materialized (
  select o.tenant_id, o.id, o.object from tenon.outbox as o
  where o.kind = 'delivery' and o.due_at <= now()
  order by o.due_at, o.id limit $2 for update skip locked
), ready as (
  select d.tenant_id, d.id from due as d where d.tenant_id <> all ($3) and not exists (
    select from tenon.outbox as e
    where e.tenant_id = d.tenant_id and e.object = d.object and e.kind = 'delivery' and e.id < d.id
      and e.due_at < 'infinity' and (e.attempts > 0 or e.due_at <= now())
      and not exists (select from due as x where x.id = e.id)
  )
), claimed as (${hide})
select seen.n as seen, c.* from (select count(*)::int as n from due) as seen left join claimed as c on true`

/** How far a walk goes at once: tenants, objects of each, and rows of an object. */
const stride = { tenants: 20, objects: 200, rows: 10 }

/** Each step is one look into the index by tenant, object and id. */
const walk = `
with recursive tenants (tenant_id, n) as (
  (select o.tenant_id, 1 from tenon.outbox as o where o.kind = 'delivery' and o.tenant_id > $3
    order by o.tenant_id, o.object, o.id limit 1)
  union all
  select next.tenant_id, t.n + 1 from tenants as t, lateral (
    select o.tenant_id from tenon.outbox as o where o.kind = 'delivery' and o.tenant_id > t.tenant_id
    order by o.tenant_id, o.object, o.id limit 1
  ) as next where t.n < $6
), objects (tenant_id, object, n) as (
  select t.tenant_id, next.object, 1 from tenants as t, lateral (
    select o.object from tenon.outbox as o
    where o.kind = 'delivery' and o.tenant_id = t.tenant_id and o.object > coalesce($4::jsonb ->> t.tenant_id, '')
    order by o.object, o.id limit 1
  ) as next where t.tenant_id <> all ($5)
  union all
  select w.tenant_id, next.object, w.n + 1 from objects as w, lateral (
    select o.object from tenon.outbox as o
    where o.kind = 'delivery' and o.tenant_id = w.tenant_id and o.object > w.object
    order by o.object, o.id limit 1
  ) as next where w.n < ${stride.objects}
), heads as (
  select w.tenant_id, w.object, e.id, bool_and(e.due) over same as due,
    row_number() over same as n from objects as w, lateral (
      select o.id, o.due_at <= now() as due from tenon.outbox as o
      where o.kind = 'delivery' and o.tenant_id = w.tenant_id and o.object = w.object
        and o.due_at < 'infinity' and (o.attempts > 0 or o.due_at <= now())
      order by o.id limit ${stride.rows}
    ) as e
  window same as (partition by w.tenant_id, w.object order by e.id)
), wanted as materialized (
  select * from (
    select h.*, row_number() over (partition by h.tenant_id order by h.object, h.n) as place
    from heads as h where h.due
  ) as h where h.place <= $2
), locked as materialized (
  select o.tenant_id, o.id from tenon.outbox as o join wanted as h on h.tenant_id = o.tenant_id and h.id = o.id
  where o.due_at <= now() for update of o skip locked
), ready as (
  select h.tenant_id, h.id from wanted as h where not exists (
    select from wanted as e where e.tenant_id = h.tenant_id and e.object = h.object and e.n <= h.n
      and not exists (select from locked as l where l.tenant_id = e.tenant_id and l.id = e.id)
  )
), claimed as (${hide}), walked as (
  select t.tenant_id, coalesce(cut.object, w.object) as last, cut.object is not null or w.n = ${stride.objects} as more
  from tenants as t
  left join lateral (
    select o.object, o.n from objects as o where o.tenant_id = t.tenant_id order by o.n desc limit 1
  ) as w on true
  left join wanted as cut on cut.tenant_id = t.tenant_id and cut.place = $2
)
select w.tenant_id as walked, w.last, w.more,
  (select case when count(*) = $6 then max(tenant_id) else '' end from tenants) as next, c.*
from walked as w left join claimed as c on c.tenant_id = w.tenant_id`

/** In how many milliseconds the next one is due. */
const nextDue =
  "select (extract(epoch from due_at - clock_timestamp()) * 1000)::double precision as millis from tenon.outbox " +
  "where kind = 'delivery' and due_at > now() and due_at < 'infinity' order by due_at limit 1"

/** How many of the oldest are looked at; the rest of a claim is kept for the walk, so that all tenants get on. */
export const windowOf = (limit: number): number => Math.ceil(limit * 0.8)

/** The oldest deliveries that are due, `limit` at most, and when the next one is; none of the `busy` tenants'. */
export const ofOldest = (
  leaseSeconds: number,
  limit: number,
  busy: ReadonlyArray<string>
): ReadonlyArray<Statement> => [
  { sql: oldest, params: [leaseSeconds, limit, busy] },
  { sql: nextDue, params: [] }
]

/** How many rows the window held. */
export const seenBy = (rows: ReadonlyArray<Row>): number => Number(rows[0]?.["seen"] ?? 0)

/** Where a relay's walk is. */
export class Walk {
  /** The tenant that it has come to. */
  #tenant = ""
  /** The object that it has come to in each tenant in which it has not come to the end. */
  readonly #objects = new Map<string, string>()

  /** The next steps. A tenant gets its share of `limit`; none of the `busy` ones does. */
  statement(leaseSeconds: number, limit: number, busy: ReadonlyArray<string>): Statement {
    const tenants = Math.min(stride.tenants, limit)
    const objects = JSON.stringify(Object.fromEntries(this.#objects))
    return { sql: walk, params: [leaseSeconds, Math.floor(limit / tenants), this.#tenant, objects, busy, tenants] }
  }

  /** Takes note of how far it came. Returns whether there is more to walk before it is everywhere again. */
  advance(rows: ReadonlyArray<Row>): boolean {
    let more = false
    for (const row of rows) {
      const tenant = String(row["walked"])
      if (row["more"] === true) this.#objects.set(tenant, String(row["last"]))
      else this.#objects.delete(tenant)
      more ||= row["more"] === true
    }
    this.#tenant = String(rows[0]?.["next"] ?? "")
    return more || this.#tenant !== ""
  }
}

/** The rows of a claim that are deliveries, in the order in which they were added. */
export const claimedOf = (rows: ReadonlyArray<Row>): ReadonlyArray<Claimed> =>
  rows
    .filter(({ id }) => id !== null)
    .map((row): Claimed => ({
      id: String(row["id"]),
      tenantId: String(row["tenant_id"]),
      object: String(row["object"]),
      attempts: Number(row["attempts"]),
      committed: String(row["committed"]),
      row
    }))
    .toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1))

const objectOf = ({ object, tenantId }: Claimed) => JSON.stringify([tenantId, object])

const commitOf = ({ committed, tenantId }: Claimed) => JSON.stringify([tenantId, "", committed])

/** Deliveries of a tenant that go out one after the other. */
export interface Group {
  readonly tenantId: string
  readonly rows: ReadonlyArray<Claimed>
}

/**
 * Deliveries that must stay in order, together: those to one object, and those of one commit, as the first may be what
 * the second's receiver builds on.
 */
export const related = (rows: ReadonlyArray<Claimed>): ReadonlyArray<Group> => {
  // A union-find: each row leads to an earlier one of its group, and so in the end to the first.
  const leads = new Map(rows.map((row) => [row, row]))
  const firstOf = (row: Claimed): Claimed => {
    for (;;) {
      const next = leads.get(row) ?? row
      if (next === row) return row
      leads.set(row, leads.get(next) ?? next)
      row = next
    }
  }
  const named = new Map<string, Claimed>()
  for (const row of rows) {
    for (const name of [objectOf(row), commitOf(row)]) {
      const [one, other] = [firstOf(named.get(name) ?? row), firstOf(row)]
      if (BigInt(one.id) < BigInt(other.id)) leads.set(other, one)
      else leads.set(one, other)
      named.set(name, row)
    }
  }
  return Array.from(Map.groupBy(rows, firstOf), ([{ tenantId }, rows]) => ({ tenantId, rows }))
}
