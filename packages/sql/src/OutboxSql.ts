/**
 * Deliveries in `tenon.outbox`, from the commit that wrote them until the runtime has accepted them.
 *
 * Each has an id that stays the same over redeliveries, and that no other ever has; it is removed only after its
 * delivery succeeded. Those to one object of a tenant go out in order, and so do those of one commit, by however many
 * relays: a claimed row is hidden from others (by a lease, which is renewed while the relay lives), and none goes out
 * while an earlier one of its lanes holds it up (`OutboxClaim`). One that fails waits longer each time and holds up
 * its own object only; one that keeps failing for a reason that time does not mend is set aside for an operator. A
 * delayed one is due when its time has come, and holds nothing up before. One that takes long holds up its own lanes
 * only, too, and no other tenant (`OutboxPlaces`): what has ended is removed meanwhile, and other drains may go on
 * beside it.
 */
import { Actor } from "@tenon/core/Actor"
import * as Failure from "@tenon/core/Failure"
import { Delivery } from "@tenon/core/Invocation"
import { Outbox, type Pending } from "@tenon/core/UnitOfWork"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as OutboxClaim from "./OutboxClaim.ts"
import * as OutboxLanes from "./OutboxLanes.ts"
import { Places } from "./OutboxPlaces.ts"
import * as OutboxRows from "./OutboxRows.ts"
import { type End, type Entry, Work } from "./OutboxWork.ts"
import type * as StoreTables from "./StoreTables.ts"
import { type Statement, TenantSql } from "./TenantSql.ts"

/** How often other processes' deliveries are looked for; sooner where one could not be judged for another's lock. */
const pollMillis = 1000
const undecidedMillis = 50

/** How many deliveries are carried out at once. */
const places = { tenant: 6, all: 24, most: 256 }

/** How long a claimed delivery is hidden from other relays after the last sign of life, and how often one is given. */
const leaseSeconds = 10
const renewalMillis = 3000

/** How often what has ended is removed while other deliveries of the same claim go on. */
const settleMillis = 100

/** How often a delivery is tried that fails for a reason other than unavailability. */
const maxAttempts = 10

const depth = "select count(*)::int as n from (select from tenon.outbox where kind = 'delivery' limit 10000) as o"

const decodePending = Schema.decodeUnknownEffect(Schema.Struct({ actor: Actor, delivery: Delivery }))

/** Drains under the relay's role, which sees the outbox of every tenant and nothing else. */
export const layer = (options: StoreTables.Options = {}): Layer.Layer<Outbox, never, TenantSql> =>
  Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* TenantSql
      const added = OutboxRows.signalOf(sql)
      const scope = { tenantId: null, role: options.relayRole ?? "tenon_relay" }
      const atWork = new Places(places)
      const work = new Work(atWork)
      const claiming = Semaphore.makeUnsafe(1)
      const settling = Semaphore.makeUnsafe(1)
      // The tenant that the walk has come to.
      let walked = ""
      // By a clock that nobody sets.
      let renewed = performance.now()
      let nextMillis = pollMillis
      // Whether the last claim has left something that could go out once something else has ended.
      let isWaiting = false

      const batch = (statements: ReadonlyArray<Statement>) =>
        Effect.mapBoth(sql.batch(scope, [OutboxClaim.inOrder, ...statements]), {
          onFailure: unavailable,
          onSuccess: (answers) => answers.slice(1)
        })

      /** Takes on what a look has claimed; at once, so that nothing of it can be forgotten. */
      const join = ({ rows }: OutboxClaim.Look, entries: Array<Entry>) => {
        const { behind, going } = OutboxLanes.part(rows)
        for (const { by, of } of behind) work.refuse({ of: claimedOf(of), by })
        for (const row of going) entries.push(work.join(claimedOf(row)))
      }

      const look = (statement: Statement) => Effect.map(batch([statement]), ([rows = []]) => rows)

      /** Whether there were as many as it looks at, so that there may be more. */
      const claimOldest = (limit: number, entries: Array<Entry>) => {
        const known = work.begin(limit)
        if (known.limit <= 0) return Effect.succeed(false)
        const window = OutboxClaim.windowOf(known.limit)
        return Effect.map(look(OutboxClaim.ofOldest({ ...known, leaseSeconds, limit: window })), (rows) => {
          const found = OutboxClaim.lookOf(rows)
          nextMillis = Math.max(1, Math.min(found.undecided ? undecidedMillis : pollMillis, found.nextMillis))
          const isFull = found.seen === window
          isWaiting = isFull || found.undecided || found.rows.length < found.seen
          join(found, entries)
          return isFull
        })
      }

      /** The share of the next tenants, where there is more than the oldest. */
      const claimNext = (limit: number, entries: Array<Entry>) => {
        const known = work.begin(limit)
        if (known.limit <= 0) return Effect.void
        const share = work.isCrowded ? 1 : Math.ceil(limit / 10)
        return Effect.map(look(OutboxClaim.ofTenants({ ...known, leaseSeconds }, walked, share)), (rows) => {
          walked = OutboxClaim.lastOf(rows)
          join(OutboxClaim.lookOf(rows), entries)
        })
      }

      /** Claims up to `limit`. Answers with whether there may be more that can be delivered now. */
      const claim = Effect.fnUntraced(
        function* (limit: number, entries: Array<Entry>): Effect.fn.Return<boolean, Failure.Unavailable> {
          // Closed before looking: a commit from here on opens it again.
          added.closeUnsafe()
          if (!work.has) renewed = performance.now()
          isWaiting ||= work.isCrowded
          const isFull = work.isCrowded || (yield* claimOldest(limit, entries))
          const room = limit - entries.length
          if (!isFull || room === 0) return isFull
          // What is claimed already is to be delivered all the same.
          yield* Effect.catch(claimNext(room, entries), (failure) =>
            entries.length > 0 ? Effect.void : Effect.fail(failure)
          )
          return entries.length > 0 || walked !== ""
        },
        Effect.tapError(() => Effect.sync(() => added.openUnsafe())),
        (claimed) => claiming.withPermits(1)(claimed)
      )

      /** Tells the database what has ended. One after the other: a renewal must not come after the end of its row. */
      const settle = (renewal: () => ReadonlyArray<Statement> = () => []) =>
        Effect.suspend(() => {
          const written = work.take()
          const ends = written.statements
          const statements = [...ends, ...renewal()]
          if (statements.length === 0) return Effect.void
          return Effect.matchEffect(batch(statements), {
            onFailure: (failure) => {
              work.untake(written)
              return Effect.fail(failure)
            },
            onSuccess: (answers) => {
              work.wrote(written)
              if (written.hasWoken(answers) || (isWaiting && ends.length > 0)) added.openUnsafe()
              return Effect.void
            }
          })
        }).pipe(settling.withPermits(1), Effect.uninterruptible)

      const keep = Effect.suspend(() => {
        if (performance.now() - renewed < renewalMillis) return settle()
        renewed = performance.now()
        return settle(() => work.renewal(leaseSeconds))
      })
      yield* work.some.await.pipe(
        Effect.andThen(Effect.sleep(settleMillis)),
        Effect.andThen(Effect.ignoreCause(keep)),
        Effect.forever,
        Effect.forkScoped
      )

      const attempt = ({ row: { body, actor }, committed, id }: OutboxClaim.Looked, deliver: Deliver) =>
        Effect.orDie(decodePending({ actor, delivery: body })).pipe(
          // A database that is restored from a backup, or made anew, counts from where it was. What is delivered may
          // be remembered elsewhere, so the number alone would pass for one that has long been delivered.
          Effect.flatMap((pending) => deliver({ id: `${id}@${committed}`, trace: traceOf(body), ...pending })),
          Effect.exit
        )

      /** How one ends, once it was its turn. */
      const carryOut = Effect.fnUntraced(function* (
        { row, turn }: Entry,
        deliver: Deliver
      ): Effect.fn.Return<{ readonly end: End; readonly failure?: Failure.ActionFailure }> {
        const by = yield* turn.comes
        if (by !== undefined) return { end: { _tag: "GivenBack", by } }
        const exit = yield* atWork.within(row.tenantId, attempt(row, deliver))
        if (Exit.isSuccess(exit)) return { end: { _tag: "Delivered" } }
        // One that interrupts itself has failed like any other. Where the relay is interrupted, it does not come here.
        const cause = Cause.squash(exit.cause)
        const failure = asFailure(cause)
        const forGood = !(cause instanceof Failure.Unavailable) && row.attempts >= maxAttempts
        yield* (forGood ? Effect.logError : Effect.logWarning)(
          forGood ? "A delivery is set aside" : "A delivery failed and waits",
          failure.message
        ).pipe(Effect.annotateLogs({ outbox: row.id, object: row.object, attempts: row.attempts }))
        return { end: { _tag: forGood ? "SetAside" : "Postponed", why: wordsFor(failure) }, failure }
      })

      const drain = Effect.fnUntraced(function* (limit: number, deliver: Deliver) {
        const entries: Array<Entry> = []
        let count = 0
        let failure: Failure.ActionFailure | undefined
        const one = (entry: Entry) =>
          Effect.map(carryOut(entry, deliver), (ended) => {
            work.end(entry, ended.end)
            if (ended.end._tag === "Delivered") count++
            failure = ended.failure ?? failure
          })
        yield* claim(limit, entries).pipe(
          Effect.tap((more) => Effect.sync(() => more && added.openUnsafe())),
          Effect.andThen(
            Effect.suspend(() => Effect.forEach(entries, one, { concurrency: "unbounded", discard: true }))
          ),
          Effect.ensuring(Effect.sync(() => entries.forEach((each) => work.end(each, { _tag: "GivenBack" })))),
          Effect.onInterrupt(() => Effect.ignore(settle()))
        )
        yield* settle()
        if (count === 0 && failure instanceof Failure.Unavailable) return yield* Effect.fail(failure)
        return count
      })

      return Outbox.of({
        drain,
        awaitWork: work.room.await.pipe(
          Effect.andThen(Effect.suspend(() => Effect.raceFirst(added.await, Effect.sleep(nextMillis))))
        ),
        depth: Effect.map(batch([{ sql: depth, params: [] }]), ([rows = []]) => Number(rows[0]?.["n"] ?? 0))
      })
    })
  )

type Deliver = (pending: Pending) => Effect.Effect<void, Failure.ActionFailure>

const claimedOf = (looked: OutboxClaim.Looked) => ({ ...looked, attempts: Number(looked.row["attempts"]) })

const traceOf = (body: unknown): string | undefined =>
  Predicate.hasProperty(body, "trace") && typeof body.trace === "string" ? body.trace : undefined

const unavailable = (): Failure.Unavailable => new Failure.Unavailable({ what: "The database" })

const asFailure = (cause: unknown): Failure.ActionFailure =>
  typeof cause === "object" && cause !== null && "_tag" in cause && "message" in cause
    ? (cause as Failure.ActionFailure)
    : { _tag: "Unexpected", message: cause instanceof Error ? cause.message : "a defect" }

const wordsFor = ({ _tag, message }: Failure.ActionFailure): string =>
  `${_tag}: ${message}`.slice(0, 500).replaceAll("\0", "").toWellFormed()
