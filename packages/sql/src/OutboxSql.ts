/**
 * Deliveries in `tenon.outbox`, from the commit that wrote them until the runtime has accepted them.
 *
 * Each has an id that stays the same over redeliveries; it is removed only after its delivery succeeded. Those to one
 * object of a tenant go out in order, by however many relays: a claimed row is hidden from others (by a lease, which is
 * renewed while the relay lives), and none is claimed while an earlier one to the same object is left. One that fails
 * waits longer each time and holds up its own object only; one that keeps failing for a reason that time does not mend
 * is set aside for an operator. A delayed one is due when its time has come, and holds nothing up before. One that
 * takes long holds up its own object only, too: what has ended is removed meanwhile, and other drains may go on beside
 * it.
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
import * as OutboxClaim from "./OutboxClaim.ts"
import * as OutboxTurns from "./OutboxTurns.ts"
import * as SqlValue from "./SqlValue.ts"
import type * as StoreTables from "./StoreTables.ts"
import { type Statement, TenantSql } from "./TenantSql.ts"

/** A row to add. */
export interface Added {
  readonly kind: "delivery" | "event"
  /** What its order is kept for. */
  readonly object: string
  readonly body: Schema.Json
  readonly delayMillis: number
}

/**
 * A delivery as a row; in order among those to the same object. The outbox keeps its delay, and where it comes from.
 */
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

/** How many deliveries that have nothing to do with each other are carried out at once: in all, and for one tenant. */
const concurrency = { all: 8, tenant: 6 }

/** How long a claimed delivery is hidden from other relays after the last sign of life, and how often one is given. */
const leaseSeconds = 10
const renewalMillis = 3000

/** How often what has ended is removed while other deliveries of the same claim go on. */
const settleMillis = 100

/** How often a delivery is tried that fails for a reason other than unavailability. */
const maxAttempts = 10

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

/** Drains under the relay's role, which sees the outbox of every tenant and nothing else. */
export const layer = (options: StoreTables.Options = {}): Layer.Layer<Outbox, never, TenantSql> =>
  Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* TenantSql
      const added = signalOf(sql)
      const scope = { tenantId: null, role: options.relayRole ?? "tenon_relay" }
      const walk = new OutboxClaim.Walk()
      const turns = new OutboxTurns.Turns(concurrency)
      let claims = 0
      let nextMillis = pollMillis

      const batch = (statements: ReadonlyArray<Statement>) => Effect.mapError(sql.batch(scope, statements), unavailable)

      const claim = Effect.fnUntraced(function* (
        limit: number
      ): Effect.fn.Return<OutboxClaim.Claim, Failure.Unavailable> {
        const { busy } = turns
        const window = OutboxClaim.windowOf(limit)
        const [oldest = [], due = []] = yield* batch(OutboxClaim.ofOldest(leaseSeconds, window, busy))
        nextMillis = Math.max(1, Math.min(pollMillis, Number(due[0]?.["millis"] ?? pollMillis)))
        const rows = OutboxClaim.claimedOf(oldest)
        if (OutboxClaim.seenBy(oldest) < window) return { rows, more: false }
        const room = limit - rows.length
        if (room === 0) return { rows, more: true }
        const [steps = []] = yield* batch([walk.statement(leaseSeconds, room, busy)]).pipe(
          // What is claimed already is to be delivered all the same.
          Effect.catch((failure) => (rows.length > 0 ? Effect.succeed([]) : Effect.fail(failure)))
        )
        const more = walk.advance(steps)
        const all = [...rows, ...OutboxClaim.claimedOf(steps)]
        return { rows: all, more: more || all.length > 0 }
      })

      const drain = Effect.fnUntraced(function* (
        limit: number,
        deliver: (pending: Pending) => Effect.Effect<void, Failure.ActionFailure>
      ) {
        // Closed before looking: a commit from here on opens it again.
        added.closeUnsafe()
        const mine = ++claims
        const { more, rows } = yield* Effect.tapError(claim(limit), () => Effect.sync(() => added.openUnsafe()))
        if (more) added.openUnsafe()
        if (rows.length === 0) return 0
        const delivered: Array<OutboxClaim.Claimed> = []
        const ends: Array<Statement> = []
        const left = new Set(rows)
        let count = 0
        let failure: Failure.ActionFailure | undefined
        const one = (each: OutboxClaim.Claimed) =>
          Effect.exit(
            Effect.flatMap(
              Effect.orDie(decodePending({ actor: each.row["actor"], delivery: each.row["body"] })),
              (pending) => deliver({ id: each.id, trace: traceOf(each.row["body"]), ...pending })
            )
          )
        const settle = (more: ReadonlyArray<Statement> = []) =>
          Effect.suspend(() => {
            const [gone, later] = [delivered.splice(0), ends.splice(0)]
            const all = [...(gone.length > 0 ? [over(remove, gone)] : []), ...later, ...more]
            if (all.length === 0) return Effect.void
            return Effect.matchEffect(batch(all), {
              onFailure: (unavailable) => {
                delivered.push(...gone)
                ends.push(...later)
                return Effect.fail(unavailable)
              },
              onSuccess: () => {
                // A claim in between has found what comes after these waiting for them.
                if (claims !== mine) added.openUnsafe()
                return Effect.void
              }
            })
          })
        const giveBack = Effect.suspend(() => settle(left.size > 0 ? [over(release, [...left])] : []))
        const deliverSome = Effect.fnUntraced(function* (some: OutboxClaim.Group) {
          const failedObjects = new Set<string>()
          for (const each of some.rows) {
            if (failedObjects.has(each.object)) {
              // At once, and not with the end of the drain: others of the drain may take long.
              ends.push(over(release, [each]))
              left.delete(each)
              continue
            }
            const exit = yield* one(each)
            if (Exit.isSuccess(exit)) {
              delivered.push(each)
              count++
            } else {
              if (Cause.hasInterrupts(exit.cause)) return yield* Effect.interrupt
              failedObjects.add(each.object)
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
        const deliverAll = turns.each(OutboxClaim.related(rows), deliverSome)
        let renewed = Date.now()
        // One after the other, and none interrupted half-way: a renewal must not come after the end of what it renews.
        const keeping = Effect.suspend(() => {
          if (Date.now() - renewed < renewalMillis) return settle()
          renewed = Date.now()
          return settle([over(renew, [...left], leaseSeconds)])
        }).pipe(Effect.ignore, Effect.uninterruptible, Effect.delay(settleMillis), Effect.forever)
        yield* Effect.onInterrupt(Effect.raceFirst(deliverAll, keeping), () => Effect.ignore(giveBack))
        yield* giveBack
        if (count === 0 && failure instanceof Failure.Unavailable) return yield* Effect.fail(failure)
        return count
      })

      return Outbox.of({
        drain,
        awaitWork: Effect.suspend(() => Effect.raceFirst(added.await, Effect.sleep(nextMillis))),
        depth: Effect.map(batch([{ sql: depth, params: [] }]), ([rows = []]) => Number(rows[0]?.["n"] ?? 0))
      })
    })
  )

const traceOf = (body: unknown): string | undefined =>
  Predicate.hasProperty(body, "trace") && typeof body.trace === "string" ? body.trace : undefined

// Both keys: ids are unique by themselves, and the tenant comes first in the index.
const over = (sql: string, rows: ReadonlyArray<OutboxClaim.Claimed>, ...more: ReadonlyArray<unknown>): Statement => ({
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
