/**
 * What becomes of claimed deliveries in `tenon.outbox`. What a claim has ended in is written only where the claim still
 * counts, which its number of attempts says: one whose lease ended may be another relay's by now.
 */
import type { Looked } from "./OutboxClaim.ts"
import * as OutboxClaim from "./OutboxClaim.ts"
import type { Statement } from "./TenantSql.ts"

/** A delivery that is hidden from other relays until its lease ends. */
export interface Claimed extends Looked {
  readonly attempts: number
}

/** A claimed delivery that goes back, behind another where one is named. */
export interface GivenBack {
  readonly of: Claimed
  readonly by: string | undefined
}

/** A lane in which one has ended, up to another that is still at work there. */
export interface Ended {
  readonly of: Claimed
  readonly upTo: string | undefined
}

/** What a claimed row may be known by. */
const claims = "unnest($1::text[], $2::bigint[], $3::bigint[]) as c (tenant_id, id, attempts)"
const stillClaimed = "o.tenant_id = c.tenant_id and o.id = c.id and o.attempts = c.attempts"

const claimsOf = (rows: ReadonlyArray<Claimed>) => [
  rows.map(({ tenantId }) => tenantId),
  rows.map(({ id }) => id),
  rows.map(({ attempts }) => attempts)
]

/** Removes what was delivered, whoever has claimed it meanwhile. */
export const remove = (rows: ReadonlyArray<Claimed>): Statement => ({
  sql:
    "delete from tenon.outbox as o using unnest($1::text[], $2::bigint[]) as c (tenant_id, id) " +
    "where o.tenant_id = c.tenant_id and o.id = c.id",
  params: claimsOf(rows).slice(0, 2)
})

/** Hides claimed rows for longer. */
export const renew = (rows: ReadonlyArray<Claimed>, leaseSeconds: number): Statement => ({
  sql:
    "update tenon.outbox as o set due_at = clock_timestamp() + make_interval(secs => $4) " +
    `from ${claims} where ${stillClaimed}`,
  params: [...claimsOf(rows), leaseSeconds]
})

/**
 * Puts claimed rows back. One that waits for another is held behind it, if that is still there; any other is due, and
 * was since it was written: to no look is it one that is due later.
 */
export const giveBack = (rows: ReadonlyArray<GivenBack>): Statement => ({
  sql: `
with given as materialized (
  select c.tenant_id, c.id, c.attempts, (
    select e.id from tenon.outbox as e where e.tenant_id = c.tenant_id and e.id = c.by and e.due_at < 'infinity'
    for share skip locked
  ) is not null as behind
  from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) as c (tenant_id, id, attempts, by)
)
update tenon.outbox as o set
  standing = case when c.behind then 'held' else 'line' end,
  attempts = o.attempts - (not c.behind)::int,
  due_at = case when c.behind then clock_timestamp() + ${OutboxClaim.heldFor("false")} else o.created_at end
from given as c where ${stillClaimed}`,
  params: [...claimsOf(rows.map(({ of }) => of)), rows.map(({ by }) => by ?? null)]
})

/** Doubles the wait from a fifth of a second to five minutes. */
export const postpone = (row: Claimed, why: string): Statement => ({
  sql:
    "update tenon.outbox as o set last_failure = $4, " +
    "due_at = clock_timestamp() + make_interval(secs => least(300, 0.1 * 2 ^ least(o.attempts, 20))) " +
    `from ${claims} where ${stillClaimed}`,
  params: [...claimsOf([row]), why]
})

/** Leaves it to an operator. */
export const setAside = (row: Claimed, why: string): Statement => ({
  sql:
    "update tenon.outbox as o set last_failure = $4, due_at = 'infinity', standing = 'aside' " +
    `from ${claims} where ${stillClaimed}`,
  params: [...claimsOf([row]), why]
})

/** How many of a lane are woken at once: those that one claim can take one behind the other. */
const woken = 80

/**
 * None of a commit's that waits in its object's lane, too: it would be held there again, and where there are more such
 * than are woken, those behind them would not be. The end of what it waits for there wakes it.
 */
const before = (standing: "line" | "held", also = "") => `(
    select p.id from tenon.outbox as p where p.kind = 'delivery' and p.tenant_id = e.tenant_id and p.object = e.object
      and p.standing = '${standing}' and p.id < e.id ${also} order by p.id limit 1
  )`
const inNoOther = `coalesce(${before("held")}, ${before("line", `and ${OutboxClaim.inLine("p")}`)}) is null`

const heldIn = (lane: string) => `
  select e.tenant_id, e.id from tenon.outbox as e
  where e.kind = 'delivery' and e.tenant_id = l.tenant_id and ${lane} and e.standing = 'held'
    and (l.up_to is null or e.id < l.up_to) order by e.id limit ${woken}`

/**
 * Wakes the first of those that are held in lanes in which one has ended. It must come after the statements that ended
 * those, in the same transaction. It waits for whoever looks at one of them, so that none is missed, and locks them in
 * one order, so that two who wake wait for each other in no circle. Answers with a row for each that it has woken.
 */
export const wake = (objects: ReadonlyArray<Ended>, commits: ReadonlyArray<Ended>): Statement => ({
  sql: `
with found as materialized (
  select e.* from unnest($1::text[], $2::text[], $3::bigint[]) as l (tenant_id, object, up_to), lateral (${heldIn("e.object = l.object")}) as e
  union
  select e.* from unnest($4::text[], $5::timestamptz[], $6::bigint[]) as l (tenant_id, created_at, up_to),
    lateral (${heldIn(`e.created_at = l.created_at and ${inNoOther}`)}) as e
), held as materialized (
  select o.tenant_id, o.id from found as f join tenon.outbox as o on o.tenant_id = f.tenant_id and o.id = f.id
  where o.standing = 'held' order by o.id for update of o
)
update tenon.outbox as o set standing = 'line', attempts = greatest(o.attempts - 1, 0), due_at = o.created_at
from held as e where o.tenant_id = e.tenant_id and o.id = e.id returning 1`,
  params: [
    objects.map(({ of }) => of.tenantId),
    objects.map(({ of }) => of.object),
    objects.map(({ upTo }) => upTo ?? null),
    commits.map(({ of }) => of.tenantId),
    commits.map(({ of }) => of.committed),
    commits.map(({ upTo }) => upTo ?? null)
  ]
})
