/**
 * Which deliveries of `tenon.outbox` a relay takes next, in one statement.
 *
 * A delivery is in two lanes, that of its object and that of its commit, each of a tenant and in the order of its ids.
 * It goes out once no earlier one to its object is left, and each earlier one of its commit was tried or waits itself.
 * Its `standing` says how it counts there:
 * - `line`: those behind it wait for it, be it due, claimed (then it is due when its lease ends) or failing; those of
 *   its commit only until it has failed for the first time.
 * - `later`: it was delayed, and no relay has come to it since it is due; nothing waits for it.
 * - `held`: a relay has found it waiting for another. It is out of the way until the end of that one wakes it, so that
 *   what waits is looked at once and not by every claim. Like a claimed one it has a lease, which is much longer: it is
 *   looked at again where nobody could wake it, because a row was deleted by hand, or by a relay of a release that
 *   knows of no waking.
 * - `aside`: it has failed for good.
 *
 * Several relays look beside each other: each locks what it looks at, and passes over what another has locked. Nobody
 * holds a row without a lock on the one that it waits for, and whoever ends that one wakes what waits in a statement
 * that comes after its removal; so an end comes before the look, or finds the row held.
 */
import type { Row, Statement } from "./TenantSql.ts"

/** A delivery that a claim has looked at. */
export interface Looked {
  readonly id: string
  readonly tenantId: string
  readonly object: string
  /** The beginning of the transaction that wrote it, to the microsecond. */
  readonly committed: string
  /** Whether no other than those of this look, or of this relay, comes before it. It is claimed then. */
  readonly free: boolean
  readonly row: Row
}

/** What a look came to. */
export interface Look {
  /** In the order in which they were added. */
  readonly rows: ReadonlyArray<Looked>
  /** How many were due, those of busy tenants included. */
  readonly seen: number
  /** In how many milliseconds the next one is due; infinite where there is none. */
  readonly nextMillis: number
  /** Whether one waits for what another relay has locked, so that it could be neither claimed nor held. */
  readonly undecided: boolean
}

/** What a look has to know. */
export interface Bounds {
  readonly leaseSeconds: number
  readonly limit: number
  /** The tenants of which none is to be claimed. */
  readonly busy: ReadonlyArray<string>
  /** The ids of deliveries behind which this relay keeps the order by itself. */
  readonly mine: ReadonlyArray<string>
}

/** An earlier one that holds up those behind it, whatever the time: one that was delayed counts once it is due. */
export const inLine = (e: string): string => `${e}.due_at < 'infinity' and (${e}.attempts > 0 or ${e}.due_at <= now())`
const before = "e.kind = 'delivery' and e.tenant_id = d.tenant_id and e.id < d.id"
const first = "e.id not in (select p.id from passed as p) order by e.id limit 1"

/** How long one is held that nobody wakes; longer where it waits for a held one, which is looked at before. */
export const heldFor = (behindHeld: string): string =>
  `make_interval(secs => (case when ${behindHeld} then 3600 else 60 end) * (1 + random() / 10))`

/** How many more of its object's lane are held with one that waits, so that they need not be looked at one by one. */
const lane = 1000

/** What becomes of the rows `due`, which are locked. The first three parameters are the lease, the busy and mine. */
const decide = `open as materialized (
  select * from due where tenant_id <> all ($2)
), passed as materialized (
  select id from open union all select unnest($3::bigint[])
), judged as materialized (
  select d.*,
    (select e.id from tenon.outbox as e where ${before} and e.object = d.object and e.standing = 'held' and ${first}) as held,
    (select e.id from tenon.outbox as e where ${before} and e.object = d.object and e.standing = 'line' and ${inLine("e")}
      and ${first}) as line,
    (select e.id from tenon.outbox as e where ${before} and e.created_at = d.created_at and e.standing = 'line'
      and e.last_failure is null and ${inLine("e")} and ${first}) as kin
  from open as d
), waiting as materialized (
  select j.tenant_id, j.id, j.held is not null as behind_held from judged as j, lateral (
    select from tenon.outbox as e
    where e.tenant_id = j.tenant_id and e.id = coalesce(j.held, j.line, j.kin) and e.due_at < 'infinity'
    for share skip locked
  ) as still
), rest as materialized (
  select o.tenant_id, o.id from (
    select j.tenant_id, j.object, min(j.id) as id from waiting as w join judged as j using (tenant_id, id)
    where coalesce(j.held, j.line) is not null group by j.tenant_id, j.object
  ) as l, lateral (
    select o.tenant_id, o.id from tenon.outbox as o
    where o.kind = 'delivery' and o.tenant_id = l.tenant_id and o.object = l.object and o.standing = 'line'
      and o.id > l.id and o.due_at <= now() and o.id not in (select of.id from open as of)
    order by o.id limit ${lane} for update skip locked
  ) as o limit ${lane}
), held as (
  update tenon.outbox as o set standing = 'held', attempts = o.attempts + (o.standing <> 'held')::int,
    due_at = clock_timestamp() + ${heldFor("w.behind_held")}
  from (table waiting union all select tenant_id, id, true from rest) as w
  where o.tenant_id = w.tenant_id and o.id = w.id
), claimed as (
  update tenon.outbox as o set standing = 'line', attempts = o.attempts + (o.standing <> 'held')::int,
    due_at = clock_timestamp() + make_interval(secs => $1)
  from judged as j
  where o.tenant_id = j.tenant_id and o.id = j.id and coalesce(j.held, j.line, j.kin) is null
  returning o.id, o.actor, o.body, o.attempts::int as attempts
), looked as (
  select j.tenant_id, j.id::text as id, j.object, j.created_at::text as committed, c.id is not null as free,
    c.id is null and w.id is null as undecided, c.actor, c.body, c.attempts
  from judged as j left join claimed as c on c.id = j.id left join waiting as w on w.id = j.id
)`

const locked = "select o.tenant_id, o.id, o.object, o.created_at from tenon.outbox as o"

const oldest = `
with due as materialized (
  ${locked} where o.kind = 'delivery' and o.due_at <= now() order by o.due_at, o.id limit $4 for update skip locked
), ${decide}
select all_of.seen, all_of.millis, l.* from (
  select (select count(*)::int from due) as seen, (
    select (extract(epoch from o.due_at - clock_timestamp()) * 1000)::double precision from tenon.outbox as o
    where o.kind = 'delivery' and o.due_at > now() and o.due_at < 'infinity' order by o.due_at limit 1
  ) as millis
) as all_of left join looked as l on true`

/** How many tenants a walk visits at once: one look into an index to find each, and one for what is due of it. */
const stride = 200

/** Of each tenant after one, in order, the oldest that are due. */
const walk = `
with recursive tenants (tenant_id, n) as (
  (select o.tenant_id, 1 from tenon.outbox as o where o.kind = 'delivery' and o.tenant_id > $5
    order by o.tenant_id, o.due_at, o.id limit 1)
  union all
  select next.tenant_id, t.n + 1 from tenants as t, lateral (
    select o.tenant_id from tenon.outbox as o where o.kind = 'delivery' and o.tenant_id > t.tenant_id
    order by o.tenant_id, o.due_at, o.id limit 1
  ) as next where t.n < ${stride}
), visited as materialized (
  select * from tenants
), due as materialized (
  select t.n, of.* from (select * from visited where tenant_id <> all ($2) order by n) as t, lateral (
    ${locked} where o.kind = 'delivery' and o.tenant_id = t.tenant_id and o.due_at <= now()
    order by o.due_at, o.id limit $6 for update skip locked
  ) as of limit $4
), ${decide}
select w.seen, w.last, l.* from (
  select count(*)::int as seen, case
    when count(*) = $4 then (select tenant_id from due order by n desc limit 1)
    when (select max(n) from visited) = ${stride} then (select max(tenant_id) from visited)
    else '' end as last
  from due
) as w left join looked as l on true`

/** How many of the oldest are looked at; the rest of a claim is kept for the walk, so that all tenants get on. */
export const windowOf = (limit: number): number => Math.ceil(limit * 0.8)

/** A look at the oldest deliveries that are due. */
export const ofOldest = ({ busy, leaseSeconds, limit, mine }: Bounds): Statement => ({
  sql: oldest,
  params: [leaseSeconds, busy, mine, limit]
})

/** A look at the next tenants after one, at so many deliveries of each. */
export const ofTenants = ({ busy, leaseSeconds, limit, mine }: Bounds, after: string, share: number): Statement => ({
  sql: walk,
  params: [leaseSeconds, busy, mine, limit, after, share]
})

/** The tenant up to which a walk came; empty where it was the last. */
export const lastOf = (rows: ReadonlyArray<Row>): string => String(rows[0]?.["last"] ?? "")

/**
 * Comes before statements on the outbox, in their transaction: each part of them reads an index in its order. To a
 * planner that has never seen more than an empty table (which an outbox is, until a backlog comes) others look as good,
 * that read all of a tenant for each delivery; and no plan is worth compiling.
 */
export const inOrder: Statement = {
  sql: `select from (values ${["('enable_sort')", "('enable_bitmapscan')", "('enable_seqscan')", "('jit')"].join(
    ", "
  )}) as s (name) where set_config(s.name, 'off', true) is null`,
  params: []
}

/** The answer to either look. */
export const lookOf = (rows: ReadonlyArray<Row>): Look => {
  const millis = rows[0]?.["millis"]
  return {
    seen: Number(rows[0]?.["seen"] ?? 0),
    nextMillis: typeof millis === "number" ? millis : Infinity,
    undecided: rows.some(({ undecided }) => undecided === true),
    rows: rows
      .filter(({ id }) => typeof id === "string")
      .map((row) => ({
        id: String(row["id"]),
        tenantId: String(row["tenant_id"]),
        object: String(row["object"]),
        committed: String(row["committed"]),
        free: row["free"] === true,
        row
      }))
      .toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1))
  }
}
