/**
 * The unit of work over PostgreSQL, under row-level security.
 *
 * A flight is one round trip (`TenantSql`). A create, and a read without loads, take one; another write takes two: one
 * reads the row under its lock, the next saves and commits. Declared loads add one, and so do rows whose values only
 * the database knows: a position, or a conflict that keeps an earlier row.
 *
 * At the isolation level read committed every statement sees what was committed before it. Three things rest on that:
 * a receipt is looked for after the lock, so that a concurrent twin waits and then finds it; a position's counter is
 * locked by a statement of its own; and so is an object that has no row yet, by an advisory lock.
 */
import * as Failure from "@tenon/core/Failure"
import type { Executed } from "@tenon/core/Invocation"
import { defaultLimit, type Load } from "@tenon/core/Load"
import type { Registry } from "@tenon/core/Registry"
import {
  type Conclusion,
  type EncodedRow,
  type LoadAnswer,
  LoadedPage,
  type Plan,
  type ReceiptKey,
  type Standing,
  UnitOfWork,
  type Work
} from "@tenon/core/UnitOfWork"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as OutboxRows from "./OutboxRows.ts"
import * as RowSql from "./RowSql.ts"
import * as SaveSql from "./SaveSql.ts"
import type { SqlFailure } from "./SqlFailure.ts"
import * as SqlValue from "./SqlValue.ts"
import * as StoreTables from "./StoreTables.ts"
import { type Row, type Rows, type Statement, TenantSql, type TenantScope, type Transaction } from "./TenantSql.ts"

/** How often a work is run at most when transactions collide. */
const attempts = 6

/** Ends a transaction with a failure for the caller, and tells it from one of PostgreSQL. */
class Refused {
  readonly _tag = "Refused"
  readonly failure: Failure.ActionFailure
  constructor(failure: Failure.ActionFailure) {
    this.failure = failure
  }
}

/** Ends a transaction that only a new one can continue. */
class Collided {
  readonly _tag = "Collided"
}

/** What PostgreSQL said, and what it was given. */
class Failed {
  readonly _tag = "Failed"
  readonly failure: SqlFailure
  readonly plan: Plan | undefined
  constructor(failure: SqlFailure, plan: Plan | undefined) {
    this.failure = failure
    this.plan = plan
  }
}

type Stopped = Refused | Collided | Failed

/** Runs works of the registry's resources. */
export const layer = (registry: Registry, options?: StoreTables.Options): Layer.Layer<UnitOfWork, never, TenantSql> =>
  Layer.effect(
    UnitOfWork,
    Effect.gen(function* () {
      const sql = yield* TenantSql
      const tables = StoreTables.make(registry, options)
      const added = OutboxRows.signalOf(sql)

      const run = (work: Work, attempt: number, foresee: boolean): Effect.Effect<Executed, Failure.ActionFailure> =>
        Effect.catch(runOnce(work, foresee), (stopped) => recover(work, attempt, foresee, stopped))

      const runOnce = (work: Work, foresee: boolean): Effect.Effect<Executed, Stopped> => {
        const { loads, self } = work
        const reads = self.read && RowSql.isStorable(self.key)
        if (!self.lock && reads && loads === undefined) return read(work)
        if (!reads && loads === undefined) return blind(work, foresee)
        return transact(work, (tx) => decideInside(work, tx, reads, foresee))
      }

      const transact = <A>(
        work: Work,
        body: (tx: Transaction) => Effect.Effect<A, Stopped>
      ): Effect.Effect<A, Stopped> =>
        Effect.catch(sql.transaction(scopeOf(work), body), (failure) => Effect.fail(asStopped(failure)))

      /** A read of one row. */
      const read = (work: Work) => {
        const { rows } = tables.of(work.self.resource)
        return Effect.flatMap(
          sqlOf(sql.batch(scopeOf(work), [rows.find(work.actor.tenantId, work.self.key)])),
          ([found]) => {
            const row = first(found)
            return concludeOnly(work.decide(row === undefined ? undefined : rows.decode(row), {}))
          }
        )
      }

      /** A work that looks at no row, such as a create: decided before anything is sent. */
      const blind = (work: Work, foresee: boolean): Effect.Effect<Executed, Stopped> => {
        const plan = work.decide(undefined, {})
        if (Result.isFailure(plan)) return Effect.fail(new Refused(plan.failure))
        const prepared = prepare(work, plan.success, foresee)
        const { final } = prepared
        if (final === undefined) return transact(work, (tx) => finish(tx, work, prepared))
        if (Result.isFailure(final)) return Effect.fail(new Refused(final.failure))
        const { adds, executed, statements } = final.success
        if (statements.length === 0) return Effect.succeed(executed)
        return Effect.map(sqlOf(sql.batch(scopeOf(work), statements), plan.success), () => committed(adds, executed))
      }

      const decideInside = Effect.fnUntraced(function* (
        work: Work,
        tx: Transaction,
        reads: boolean,
        foresee: boolean
      ): Effect.fn.Return<Executed, Stopped> {
        const { receipt, self } = work
        const { tenantId } = work.actor
        const { rows } = tables.of(self.resource)
        const opening: Array<Statement> = []
        if (reads) opening.push(self.lock ? rows.lock(tenantId, self.key) : rows.find(tenantId, self.key))
        if (receipt !== undefined) opening.push(receiptOf(tenantId, receipt))
        // Without a row to wait for, the loads are known already and go out with the rest.
        const early = reads ? undefined : yield* loadsOf(work, undefined)
        const loading = early === undefined ? [] : early.map(([, load]) => loadStatement(tenantId, load))
        const answers = yield* sqlOf(tx.run([...opening, ...loading]))
        const stored = receipt === undefined ? undefined : first(answers[opening.length - 1])
        if (receipt !== undefined && stored !== undefined) return yield* repeat(receipt, stored)
        const found = reads ? first(answers[0]) : undefined
        let row = found === undefined ? undefined : rows.decode(found)
        if (row === undefined && reads && self.lock) {
          const refused = refusalOf(work)
          if (refused !== undefined) return yield* Effect.fail(refused)
          const again = yield* sqlOf(tx.run([advisoryLock(work), ...opening]))
          const twin = receipt === undefined ? undefined : first(again[2])
          if (receipt !== undefined && twin !== undefined) return yield* repeat(receipt, twin)
          const appeared = first(again[1])
          row = appeared === undefined ? undefined : rows.decode(appeared)
        }
        const loads = early ?? (yield* loadsOf(work, row))
        const loaded =
          early !== undefined
            ? answers.slice(opening.length)
            : loads.length === 0
              ? []
              : yield* sqlOf(
                  // A read ends with its loads.
                  (self.lock ? tx.run : tx.commit)(loads.map(([, load]) => loadStatement(tenantId, load)))
                )
        const plan = work.decide(row, answersOf(loads, loaded))
        if (Result.isFailure(plan)) return yield* Effect.fail(new Refused(plan.failure))
        if (!self.lock && self.read) return yield* concludeOnly(plan)
        return yield* finish(tx, work, prepare(work, plan.success, foresee))
      })

      const loadStatement = (
        tenantId: string,
        { _tag, key = "", last, limit = defaultLimit, page, resource, where }: Load<unknown>
      ): Statement => {
        const { rows } = tables.of(resource)
        switch (_tag) {
          case "One":
          case "Optional":
            return RowSql.isStorable(key) ? rows.find(tenantId, key) : rows.findMany(tenantId, [])
          case "Many":
            return rows.where(tenantId, where, { limit, last, page })
          case "Count":
            return rows.where(tenantId, where, "count")
        }
      }

      const answersOf = (loads: ReadonlyArray<readonly [string, Load<unknown>]>, answers: Rows) => {
        const loaded: { [name: string]: LoadAnswer } = {}
        loads.forEach(([name, { _tag, last, limit = defaultLimit, page, resource }], index) => {
          const { decode } = tables.of(resource).rows
          const found = answers[index] ?? []
          const rows = last === undefined ? found : found.toReversed()
          if (page !== undefined) {
            const { more, rows } = RowSql.fitting(found, limit)
            loaded[name] = new LoadedPage(rows.map(decode), more)
          } else if (_tag === "Count") loaded[name] = Number(rows[0]?.["n"] ?? 0)
          else if (_tag === "Many") loaded[name] = rows.map(decode)
          else loaded[name] = rows[0] === undefined ? undefined : decode(rows[0])
        })
        return loaded
      }

      /** What is left to send. `final` where all of it is known now. */
      const prepare = (work: Work, plan: Plan, foresee: boolean): Prepared => {
        const { tenantId } = work.actor
        const savings = plan.changes.map((change) =>
          change._tag === "Save"
            ? tables.of(change.resource).saves.save(tenantId, change.row, { foresee, mode: change.mode })
            : tables.of(change.resource).rows.remove(tenantId, change.key)
        )
        if (work.rehearsal === true) return { plan, savings, final: undefined }
        const foreseen: Array<Standing | undefined> = []
        for (const saving of savings) {
          if ("sql" in saving) foreseen.push(undefined)
          else if (saving.foreseen === undefined) return { plan, savings, final: undefined }
          else foreseen.push(saving.foreseen)
        }
        const final = Result.map(plan.conclude(foreseen), (conclusion) => {
          const { adds, executed, receipt, outbox } = endOf(work, conclusion)
          // The receipt first, so that a twin waits for it and not for one of the rows.
          return { executed, adds, statements: [...receipt, ...statementsOf(savings), ...outbox] }
        })
        return { plan, savings, final }
      }

      const finish = (
        tx: Transaction,
        work: Work,
        { final, plan, savings }: Prepared
      ): Effect.Effect<Executed, Stopped> => {
        if (final !== undefined) {
          if (Result.isFailure(final)) return Effect.fail(new Refused(final.failure))
          const { adds, executed, statements } = final.success
          return Effect.map(sqlOf(tx.commit(statements), plan), () => committed(adds, executed))
        }
        return Effect.flatMap(
          sqlOf(tx.run(statementsOf(savings)), plan),
          (answers): Effect.Effect<Executed, Stopped> => {
            const standing = standingOf(plan, savings, answers)
            if (!Array.isArray(standing)) return Effect.fail(standing as Refused | Collided)
            const conclusion = plan.conclude(standing)
            if (Result.isFailure(conclusion)) return Effect.fail(new Refused(conclusion.failure))
            const { adds, executed, outbox, receipt } = endOf(work, conclusion.success)
            return Effect.map(sqlOf(tx.commit([...receipt, ...outbox]), plan), () => committed(adds, executed))
          }
        )
      }

      const committed = (adds: boolean, executed: Executed): Executed => {
        if (adds) added.openUnsafe()
        return executed
      }

      /** What an earlier execution with the same receipt came to. */
      const storedOutcome = (work: Work): Effect.Effect<Executed | undefined, Stopped> => {
        const { receipt } = work
        if (receipt === undefined) return Effect.succeed(undefined)
        return Effect.flatMap(
          sqlOf(sql.batch(scopeOf(work), [receiptOf(work.actor.tenantId, receipt)])),
          ([rows]): Effect.Effect<Executed | undefined, Stopped> => {
            const stored = first(rows)
            return stored === undefined ? Effect.succeed(undefined) : repeat(receipt, stored)
          }
        )
      }

      const recover = (
        work: Work,
        attempt: number,
        foresee: boolean,
        stopped: Stopped
      ): Effect.Effect<Executed, Failure.ActionFailure> => {
        if (stopped._tag === "Collided") return again(work, attempt, foresee)
        if (stopped._tag === "Refused") {
          if (work.receipt === undefined || work.self.read || stopped.failure instanceof Failure.IdempotencyKeyReused) {
            return Effect.fail(stopped.failure)
          }
          return orStored(work, stopped.failure, attempt, foresee)
        }
        const { failure, plan } = stopped
        switch (failure._tag) {
          case "InvalidValue":
            // Not as foreseen: a version that was given for new is there, or one that was expected is not.
            if (failure.sqlState === SaveSql.misjudged && foresee) return run(work, attempt, false)
            break
          case "SerializationFailure":
          case "Deadlock":
            return again(work, attempt, foresee)
          case "ConnectionLost": {
            const harmless = failure.outcome === "rolledBack" || !work.self.lock || work.receipt !== undefined
            if (harmless && attempt < 2) return again(work, attempt, foresee)
            break
          }
          case "UniqueViolation":
          case "ForeignKeyViolation": {
            const refused = tables.toFailure(failure, plan?.changes ?? [])
            if (work.receipt === undefined || refused === undefined) break
            return orStored(work, refused, attempt, foresee, failure.table === "receipts")
          }
        }
        const known = tables.toFailure(failure, plan?.changes ?? [])
        return known === undefined ? Effect.die(failure) : Effect.fail(known)
      }

      /** A receipt counts before any refusal. */
      const orStored = (
        work: Work,
        refused: Failure.ActionFailure,
        attempt: number,
        foresee: boolean,
        expected = false
      ): Effect.Effect<Executed, Failure.ActionFailure> =>
        Effect.matchEffect(storedOutcome(work), {
          onFailure: (stopped) => recover({ ...work, receipt: undefined }, attempts, foresee, stopped),
          onSuccess: (stored) => {
            if (stored !== undefined) return Effect.succeed(stored)
            return expected ? again(work, attempt, foresee) : Effect.fail(refused)
          }
        })

      const again = (work: Work, attempt: number, foresee: boolean): Effect.Effect<Executed, Failure.ActionFailure> =>
        attempt >= attempts
          ? Effect.fail(new Failure.Unavailable({ what: "The database" }))
          : Effect.delay(
              Effect.suspend(() => run(work, attempt + 1, foresee)),
              Math.random() * 5 * 2 ** attempt
            )

      return UnitOfWork.of({ run: (work) => Effect.suspend(() => run(work, 1, work.rehearsal !== true)) })
    })
  )

interface Prepared {
  readonly plan: Plan
  readonly savings: ReadonlyArray<SaveSql.Saving | Statement>
  /** What is left to send, or why the work is refused; `undefined` where only the rows as saved can tell. */
  readonly final: Result.Result<Final, Failure.ActionFailure> | undefined
}

interface Final {
  readonly executed: Executed
  readonly adds: boolean
  readonly statements: ReadonlyArray<Statement>
}

const concludeOnly = (plan: Result.Result<Plan, Failure.ActionFailure>): Effect.Effect<Executed, Refused> => {
  const concluded = Result.flatMap(plan, ({ conclude }) => conclude([]))
  return Result.isFailure(concluded)
    ? Effect.fail(new Refused(concluded.failure))
    : Effect.succeed(concluded.success.executed)
}

/** A refusal that needs no lock on the missing row, since it would be the same with it: most often, not found. */
const refusalOf = (work: Work): Refused | undefined => {
  if (work.loads !== undefined) {
    const loads = work.loads(undefined)
    return Result.isFailure(loads) ? new Refused(loads.failure) : undefined
  }
  const plan = work.decide(undefined, {})
  return Result.isFailure(plan) ? new Refused(plan.failure) : undefined
}

const loadsOf = (
  work: Work,
  row: EncodedRow | undefined
): Effect.Effect<ReadonlyArray<readonly [string, Load<unknown>]>, Refused> => {
  const loads = work.loads?.(row)
  if (loads === undefined) return Effect.succeed([])
  return Result.isFailure(loads)
    ? Effect.fail(new Refused(loads.failure))
    : Effect.succeed(Object.entries(loads.success))
}

const scopeOf = ({ actor }: Work): TenantScope => ({ tenantId: actor.tenantId, actorId: actor.id })

const first = (rows: ReadonlyArray<Row> | undefined): Row | undefined => rows?.[0]

const sqlOf = <A>(effect: Effect.Effect<A, SqlFailure>, plan?: Plan): Effect.Effect<A, Failed> =>
  Effect.mapError(effect, (failure) => new Failed(failure, plan))

const asStopped = (failure: Stopped | SqlFailure): Stopped =>
  failure instanceof Refused || failure instanceof Collided || failure instanceof Failed
    ? failure
    : new Failed(failure, undefined)

const statementsOf = (savings: ReadonlyArray<SaveSql.Saving | Statement>): ReadonlyArray<Statement> => {
  const all: Array<Statement> = []
  for (const saving of savings) {
    if ("sql" in saving) all.push(saving)
    else all.push(...saving.statements)
  }
  return all
}

const standingOf = (
  plan: Plan,
  savings: ReadonlyArray<SaveSql.Saving | Statement>,
  answers: Rows
): ReadonlyArray<Standing | undefined> | Refused | Collided => {
  const standing: Array<Standing | undefined> = []
  let at = 0
  for (const [index, saving] of savings.entries()) {
    const count = "sql" in saving ? 1 : saving.statements.length
    const stands = "sql" in saving ? undefined : saving.read(answers.slice(at, at + count))
    at += count
    if (stands === "collided") return new Collided()
    if (stands instanceof Failure.InvalidTransition || stands instanceof Failure.InvalidOutcome)
      return new Refused(stands)
    const change = plan.changes[index]
    if (stands === "taken" && change !== undefined) {
      const { key, name } = change.resource
      return new Refused(new Failure.AlreadyExists({ resource: name, fields: [key] }))
    }
    if (stands === "stale" || stands === "taken") {
      const key = change?._tag === "Save" ? String(change.row[change.resource.key]) : ""
      const expected = "sql" in saving ? 0 : saving.expected
      return new Refused(new Failure.VersionConflict({ resource: change?.resource.name ?? "", key, expected }))
    }
    standing.push(stands)
  }
  return standing
}

/** What goes with the rows. */
const endOf = (work: Work, { events, executed }: Conclusion) => {
  const { actor, deliverByOutbox, receipt } = work
  const answered = deliverByOutbox && executed.deliveries.length > 0 ? { ...executed, deliveries: [] } : executed
  const rows = [
    ...(deliverByOutbox ? executed.deliveries.map((each) => OutboxRows.delivery(each, work.trace)) : []),
    ...events.map((event) => OutboxRows.event(work, event))
  ]
  return {
    executed: answered,
    adds: deliverByOutbox && executed.deliveries.length > 0,
    receipt: receipt === undefined ? [] : [keep(work, receipt, answered)],
    outbox: rows.length === 0 ? [] : [OutboxRows.add(actor, rows)]
  }
}

const keep = ({ action, actor }: Work, { fingerprint, key }: ReceiptKey, executed: Executed): Statement => ({
  sql: "insert into tenon.receipts (tenant_id, key, action, fingerprint, outcome) values ($1, $2, $3, $4, $5)",
  params: [actor.tenantId, key, action, fingerprint, SqlValue.json(executed)]
})

const receiptOf = (tenantId: string, { key }: ReceiptKey): Statement => ({
  sql: "select fingerprint, outcome from tenon.receipts where tenant_id = $1 and key = $2",
  params: [tenantId, key]
})

const repeat = ({ fingerprint, given, key }: ReceiptKey, stored: Row): Effect.Effect<Executed, Refused> =>
  stored["fingerprint"] === fingerprint
    ? Effect.succeed(stored["outcome"] as Executed)
    : Effect.fail(new Refused(new Failure.IdempotencyKeyReused({ key: given ?? key })))

const advisoryLock = ({ actor, self }: Work): Statement => ({
  sql: "select pg_advisory_xact_lock(hashtextextended($1, 0))",
  params: [JSON.stringify([self.resource.tenantScoped ? actor.tenantId : null, self.resource.name, self.key])]
})
