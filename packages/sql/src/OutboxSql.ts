/**
 * Deliveries in `tenon.outbox`, from the commit that wrote them until the runtime has accepted them.
 *
 * Each has an id that stays the same over redeliveries; it is removed only after its delivery succeeded. Those to one
 * object of a tenant go out in order, by however many relays: a claimed row is hidden from others (by a lease, which is
 * renewed while the relay lives), and none is claimed while an earlier one to the same object is left. One that fails
 * waits longer each time and holds up its own object only; one that keeps failing for a reason that time does not mend
 * is set aside for an operator. A delayed one is due when its time has come, and holds nothing up before.
 */
import { Actor } from "@tenon/core/Actor"
import * as Failure from "@tenon/core/Failure"
import { Delivery, delayOf } from "@tenon/core/Invocation"
import { Outbox, type OutboxEvent, type Pending, type Work } from "@tenon/core/UnitOfWork"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SqlValue from "./SqlValue.ts"
import type * as StoreTables from "./StoreTables.ts"
import { type Row, type Statement, TenantSql } from "./TenantSql.ts"

/** A row to add. */
export interface Added {
  readonly kind: "delivery" | "event"
  /** What its order is kept for. */
  readonly object: string
  readonly body: Schema.Json
  readonly delayMillis: number
}

/** A delivery as a row; in order among those to the same object. The outbox keeps its delay, and where it comes from. */
export const delivery = (of: Delivery, trace: string | undefined): Added => ({
  kind: "delivery",
  object: `${of._tag === "Send" ? of.resource : of.workflow}/${of.key}`,
  body: { ...of, delayMillis: 0, ...(trace === undefined ? {} : { trace }) },
  delayMillis: delayOf(of)
})

/** An event as a row; in order among those of the same object. */
export const event = ({ self }: Work, { delayMillis = 0, name, payload }: OutboxEvent): Added => ({
  kind: "event",
  object: `${self.resource.name}/${self.key}`,
  body: { name, payload },
  delayMillis
})

/** When a row of `r` is due. */
export const dueAt = "clock_timestamp() + make_interval(secs => r.delay / 1000.0)"

/** Adds rows in order. The clock's time and not the transaction's, which began before it had its lock. */
export const add = (actor: Actor, rows: ReadonlyArray<Added>): Statement => ({
  sql:
    "insert into tenon.outbox (tenant_id, kind, object, actor, body, due_at) " +
    `select $1, r.kind, r.object, $2::jsonb, r.body, ${dueAt} ` +
    "from unnest($3::text[], $4::text[], $5::jsonb[], $6::bigint[]) " +
    "with ordinality as r (kind, object, body, delay, n) order by r.n",
  params: [
    actor.tenantId,
    SqlValue.json(actor),
    rows.map(({ kind }) => kind),
    rows.map(({ object }) => object),
    rows.map(({ body }) => SqlValue.json(body)),
    rows.map(({ delayMillis }) => delayMillis)
  ]
})

/** Adds one delivery, once for its id. */
export const accept = (actor: Actor, of: Delivery, id: string, trace: string | undefined): Statement => {
  const { body, delayMillis, kind, object } = delivery(of, trace)
  return {
    sql:
      "with fresh as (insert into tenon.receipts (tenant_id, key, action, fingerprint, outcome) " +
      "values ($1, $2, 'accept', '', 'null') on conflict do nothing returning 1) " +
      "insert into tenon.outbox (tenant_id, kind, object, actor, body, due_at) " +
      `select $1, $3, $4, $5::jsonb, $6::jsonb, ${dueAt} from (select $7::bigint as delay) as r, fresh`,
    params: [actor.tenantId, `accept:${id}`, kind, object, SqlValue.json(actor), SqlValue.json(body), delayMillis]
  }
}

const signals = new WeakMap<TenantSql["Service"], Latch.Latch>()

/** Opened by every commit over this database that added deliveries in this process. */
export const signalOf = (sql: TenantSql["Service"]): Latch.Latch => {
  const found = signals.get(sql) ?? Latch.makeUnsafe(true)
  signals.set(sql, found)
  return found
}

/** How often other processes' deliveries are looked for. */
const pollMillis = 1000

/** How many deliveries that have nothing to do with each other are carried out at once. */
const concurrency = 8

/** How long a claimed delivery is hidden from other relays after the last sign of life, and how often one is given. */
const leaseSeconds = 10
const renewal = "3 seconds"

/** How often a delivery is tried that fails for a reason other than unavailability. */
const maxAttempts = 10

const claim = `
with due as materialized (
  select o.tenant_id, o.id, o.object from tenon.outbox as o
  where o.kind = 'delivery' and o.due_at <= now()
  order by o.due_at, o.id limit $1 for update skip locked
), ready as (
  select d.tenant_id, d.id from due as d where not exists (
    select from tenon.outbox as e
    where e.tenant_id = d.tenant_id and e.object = d.object and e.kind = 'delivery' and e.id < d.id
      and e.due_at < 'infinity' and (e.attempts > 0 or e.due_at <= now())
      and not exists (select from due as x where x.id = e.id)
  )
)
update tenon.outbox as o set due_at = clock_timestamp() + make_interval(secs => $2), attempts = o.attempts + 1
from ready as r where o.tenant_id = r.tenant_id and o.id = r.id
returning o.id::text as id, o.tenant_id, o.object, o.actor, o.body, o.attempts::int as attempts, o.created_at::text as committed`

/** In how many milliseconds the next one is due. */
const nextDue =
  "select (extract(epoch from due_at - clock_timestamp()) * 1000)::double precision as millis from tenon.outbox " +
  "where kind = 'delivery' and due_at > now() and due_at < 'infinity' order by due_at limit 1"

const remove = "delete from tenon.outbox where tenant_id = any($1) and id = any($2)"

/** Hides claimed rows for longer. */
const renew =
  "update tenon.outbox set due_at = clock_timestamp() + make_interval(secs => $3) where tenant_id = any($1) and id = any($2)"

/** Puts claimed rows back as they were. */
const release =
  "update tenon.outbox set due_at = clock_timestamp(), attempts = attempts - 1 where tenant_id = any($1) and id = any($2)"

/** Doubles the wait from a fifth of a second to five minutes. */
const postpone =
  "update tenon.outbox set due_at = clock_timestamp() + make_interval(secs => least(300, 0.1 * 2 ^ least(attempts, 20))), " +
  "last_failure = $3 where tenant_id = $1 and id = $2"

const setAside = "update tenon.outbox set due_at = 'infinity', last_failure = $3 where tenant_id = $1 and id = $2"

const depth = "select count(*)::int as n from (select from tenon.outbox where kind = 'delivery' limit 10000) as o"

const decodePending = Schema.decodeUnknownEffect(Schema.Struct({ actor: Actor, delivery: Delivery }))

interface Claimed {
  readonly id: string
  readonly tenantId: string
  readonly object: string
  readonly attempts: number
  /** The beginning of the transaction that wrote it, to the microsecond. */
  readonly committed: string
  readonly row: Row
}

/** Drains under the relay's role, which sees the outbox of every tenant and nothing else. */
export const layer = (options: StoreTables.Options = {}): Layer.Layer<Outbox, never, TenantSql> =>
  Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* TenantSql
      const added = signalOf(sql)
      const scope = { tenantId: null, role: options.relayRole ?? "tenon_relay" }

      const batch = (statements: ReadonlyArray<Statement>) => Effect.mapError(sql.batch(scope, statements), unavailable)

      let nextMillis = pollMillis

      const claimed = (limit: number) =>
        Effect.map(
          batch([
            { sql: claim, params: [limit, leaseSeconds] },
            { sql: nextDue, params: [] }
          ]),
          ([rows = [], due = []]) => {
            nextMillis = Math.max(1, Math.min(pollMillis, Number(due[0]?.["millis"] ?? pollMillis)))
            return rows
              .map((row): Claimed => ({
                id: String(row["id"]),
                tenantId: String(row["tenant_id"]),
                object: String(row["object"]),
                attempts: Number(row["attempts"]),
                committed: String(row["committed"]),
                row
              }))
              .toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1))
          }
        )

      const drain = Effect.fnUntraced(function* (
        limit: number,
        deliver: (pending: Pending) => Effect.Effect<void, Failure.ActionFailure>
      ) {
        // Closed before looking: a commit from here on opens it again.
        added.closeUnsafe()
        const rows = yield* Effect.tapError(claimed(limit), () => Effect.sync(() => added.openUnsafe()))
        const delivered: Array<Claimed> = []
        const ends: Array<Statement> = []
        const left = new Set(rows)
        let failure: Failure.ActionFailure | undefined
        const one = (each: Claimed) =>
          Effect.exit(
            Effect.flatMap(
              Effect.orDie(decodePending({ actor: each.row["actor"], delivery: each.row["body"] })),
              (pending) => deliver({ id: each.id, trace: traceOf(each.row["body"]), ...pending })
            )
          )
        const settle = Effect.suspend(() =>
          rows.length === 0
            ? Effect.void
            : batch([
                ...(delivered.length > 0 ? [over(remove, delivered)] : []),
                ...ends,
                ...(left.size > 0 ? [over(release, [...left])] : [])
              ])
        )
        const deliverSome = Effect.fnUntraced(function* (some: ReadonlyArray<Claimed>) {
          const failedObjects = new Set<string>()
          for (const each of some) {
            if (failedObjects.has(objectOf(each))) continue
            const exit = yield* one(each)
            if (Exit.isSuccess(exit)) delivered.push(each)
            else {
              if (Cause.hasInterrupts(exit.cause)) return yield* Effect.interrupt
              failedObjects.add(objectOf(each))
              const cause = Cause.squash(exit.cause)
              const why = asFailure(cause)
              failure = why
              const forGood = !(cause instanceof Failure.Unavailable) && each.attempts >= maxAttempts
              ends.push({ sql: forGood ? setAside : postpone, params: [each.tenantId, each.id, wordsFor(why)] })
              yield* (forGood ? Effect.logError : Effect.logWarning)(
                forGood ? "A delivery is set aside" : "A delivery failed and waits",
                why.message
              ).pipe(Effect.annotateLogs({ outbox: each.id, object: each.object, attempts: each.attempts }))
            }
            left.delete(each)
          }
        })
        const deliverAll = Effect.forEach(related(rows), deliverSome, { concurrency, discard: true })
        // Not to be interrupted half-way: a renewal must not come after the end of what it renews.
        const renewing = Effect.suspend(() => batch([over(renew, [...left], leaseSeconds)])).pipe(
          Effect.ignore,
          Effect.uninterruptible,
          Effect.delay(renewal),
          Effect.forever
        )
        if (rows.length > 0) {
          yield* Effect.onInterrupt(Effect.raceFirst(deliverAll, renewing), () => Effect.ignore(settle))
        }
        yield* settle
        if (rows.length === limit) added.openUnsafe()
        if (delivered.length === 0 && failure instanceof Failure.Unavailable) return yield* Effect.fail(failure)
        return delivered.length
      })

      return Outbox.of({
        drain,
        awaitWork: Effect.suspend(() => Effect.raceFirst(added.await, Effect.sleep(nextMillis))),
        depth: Effect.map(batch([{ sql: depth, params: [] }]), ([rows = []]) => Number(rows[0]?.["n"] ?? 0))
      })
    })
  )

const objectOf = ({ object, tenantId }: Claimed) => JSON.stringify([tenantId, object])

const commitOf = ({ committed, tenantId }: Claimed) => JSON.stringify([tenantId, "", committed])

/**
 * Deliveries that must stay in order, together: those to one object, and those of one commit, as the first may be what
 * the second's receiver builds on.
 */
const related = (rows: ReadonlyArray<Claimed>): ReadonlyArray<ReadonlyArray<Claimed>> => {
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
  return [...Map.groupBy(rows, firstOf).values()]
}

const traceOf = (body: unknown): string | undefined =>
  Predicate.hasProperty(body, "trace") && typeof body.trace === "string" ? body.trace : undefined

// Both keys: ids are unique by themselves, and the tenant comes first in the index.
const over = (sql: string, rows: ReadonlyArray<Claimed>, ...more: ReadonlyArray<unknown>): Statement => ({
  sql,
  params: [[...new Set(rows.map(({ tenantId }) => tenantId))], rows.map(({ id }) => id), ...more]
})

const unavailable = (): Failure.Unavailable => new Failure.Unavailable({ what: "The database" })

const asFailure = (cause: unknown): Failure.ActionFailure =>
  typeof cause === "object" && cause !== null && "_tag" in cause && "message" in cause
    ? (cause as Failure.ActionFailure)
    : { _tag: "Unexpected", message: cause instanceof Error ? cause.message : "a defect" }

const wordsFor = ({ _tag, message }: Failure.ActionFailure): string =>
  `${_tag}: ${message}`.slice(0, 500).replaceAll("\0", "").toWellFormed()
