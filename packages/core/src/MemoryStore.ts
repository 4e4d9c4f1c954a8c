/**
 * The store in memory: the ports that keep rows, receipts and events of runs, over maps. For tests and for trying a
 * domain out: it keeps nothing when the process ends, and everything until then, receipts too unless they are purged. A
 * transaction is atomic because all of it runs synchronously, and what it keeps apart, conflicts on and numbers is what
 * PostgreSQL would, as the repository laws check.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { Actor } from "./Actor.ts"
import type { ActionFailure } from "./Failure.ts"
import { IdempotencyKeyReused } from "./Failure.ts"
import type { Delivery, Executed } from "./Invocation.ts"
import { defaultLimit, type Load } from "./Load.ts"
import * as MemoryTables from "./MemoryTables.ts"
import * as Query from "./Query.ts"
import type * as Registry from "./Registry.ts"
import { Receipts } from "./Receipts.ts"
import type * as Resource from "./Resource.ts"
import { RowStore } from "./RowStore.ts"
import { following, Tenants } from "./Tenants.ts"
import type { RunEvents } from "./RunEvents.ts"
import * as RunEventsMemory from "./RunEventsMemory.ts"
import {
  type EncodedRow,
  type LoadAnswer,
  LoadedPage,
  Outbox,
  type OutboxEvent,
  type Pending,
  UnitOfWork,
  type Work
} from "./UnitOfWork.ts"

/** What a memory store holds, for tests that look behind the ports. */
export class MemoryStore extends Context.Service<
  MemoryStore,
  {
    readonly tables: MemoryTables.Tables
    readonly events: ReadonlyArray<OutboxEvent & { readonly tenantId: string }>
  }
>()("@tenon/core/MemoryStore") {}

interface Receipt {
  readonly fingerprint: string
  readonly executed: Executed
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A store with nothing in it, for the resources of a registry. */
export const layer = (
  registry: Registry.Registry
): Layer.Layer<MemoryStore | UnitOfWork | RowStore | Outbox | Receipts | RunEvents | Tenants> =>
  Layer.merge(rowsLayer(registry), RunEventsMemory.layer)

const rowsLayer = (registry: Registry.Registry) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const tables = new MemoryTables.Tables(registry.resources)
      const receipts = new Map<string, Receipt>()
      const events: Array<OutboxEvent & { readonly tenantId: string }> = []
      const pending: Array<Pending> = []
      const added = yield* Latch.make(false)
      const draining = yield* Semaphore.make(1)
      let deliveries = 0

      const enqueue = ({ actor, trace }: Work, delivery: Delivery) => {
        pending.push({ id: `memory-${++deliveries}`, actor, delivery, trace })
        added.openUnsafe()
      }

      const run = (work: Work, now: number): Result.Result<Executed, ActionFailure> => {
        const { actor, receipt, self } = work
        const receiptId = receipt === undefined ? undefined : JSON.stringify([actor.tenantId, receipt.key])
        const existing = receiptId === undefined ? undefined : receipts.get(receiptId)
        if (existing !== undefined && receipt !== undefined) {
          return existing.fingerprint === receipt.fingerprint
            ? Result.succeed(existing.executed)
            : Result.fail(new IdempotencyKeyReused({ key: receipt.given ?? receipt.key }))
        }
        const row = self.read ? tables.find(actor.tenantId, self.resource, self.key) : undefined
        const loads = work.loads?.(row) ?? Result.succeed({})
        if (Result.isFailure(loads)) return Result.fail(loads.failure)
        const plan = work.decide(row, answer(tables, actor.tenantId, loads.success))
        if (Result.isFailure(plan)) return Result.fail(plan.failure)
        const standing = tables.apply(actor.tenantId, plan.success.changes)
        if (Result.isFailure(standing)) return Result.fail(standing.failure)
        const conclusion = plan.success.conclude(standing.success)
        if (Result.isFailure(conclusion)) return Result.fail(conclusion.failure)
        const { executed, events: emitted } = conclusion.success
        events.push(...emitted.map((event) => ({ ...event, tenantId: actor.tenantId })))
        if (work.deliverByOutbox) for (const delivery of executed.deliveries) enqueue(work, delivery)
        const answered = work.deliverByOutbox ? { ...executed, deliveries: [] } : executed
        if (receiptId !== undefined && receipt !== undefined) {
          receipts.set(receiptId, { fingerprint: receipt.fingerprint, executed: answered, at: now })
        }
        return Result.succeed(answered)
      }

      /** A defect in an action or in `conclude` must leave nothing behind, as a rolled back transaction would not. */
      const runAtomically = (work: Work, now: number) => {
        const before = tables.snapshot()
        const count = events.length
        try {
          const result = run(work, now)
          if (Result.isFailure(result)) tables.restore(before)
          return result
        } catch (defect) {
          tables.restore(before)
          events.length = count
          throw defect
        }
      }

      const page = (actor: Actor, resource: Resource.Any, query: Query.Query) =>
        Effect.map(
          Query.place(query, (key) => Effect.sync(() => tables.find(actor.tenantId, resource, key))),
          (placed) => {
            const rows = tables.query(actor.tenantId, resource, placed)
            const items = fitting(placed, rows)
            return Query.pageOf(resource, query, items, rows.length > items.length)
          }
        )

      return Context.make(MemoryStore, { tables, events }).pipe(
        Context.add(UnitOfWork, {
          run: (work) =>
            Effect.clockWith((clock) => Effect.fromResult(runAtomically(work, clock.currentTimeMillisUnsafe())))
        }),
        // None is entered, so that none is kept out.
        Context.add(Tenants, {
          status: () => Effect.undefined,
          atWork: (after, limit) => Effect.sync(() => following(tables.tenants(), after, limit))
        }),
        Context.add(Receipts, {
          purge: (age, limit) =>
            Effect.clockWith((clock) =>
              Effect.sync(() => {
                const before = clock.currentTimeMillisUnsafe() - Duration.toMillis(age)
                // In the order in which they were kept, so the oldest first.
                const old = [...receipts].filter(([, { at }]) => at < before).slice(0, limit)
                for (const [id] of old) receipts.delete(id)
                return old.length
              })
            )
        }),
        Context.add(RowStore, {
          find: (actor, resource, key) => Effect.sync(() => tables.find(actor.tenantId, resource, key)),
          findMany: (actor, resource, keys) =>
            Effect.sync(() =>
              [...new Set(keys)]
                .map((key) => tables.find(actor.tenantId, resource, key))
                .filter((row) => row !== undefined)
            ),
          page: (actor, resource, query) => Effect.suspend(() => page(actor, resource, query)),
          count: (actor, resource, { filters }) => Effect.sync(() => tables.count(actor.tenantId, resource, filters)),
          save: (actor, resource, row) =>
            Effect.suspend(() =>
              Effect.fromResult(
                Result.map(
                  tables.apply(actor.tenantId, [{ _tag: "Save", resource, row }]),
                  ([standing]) => standing?.row ?? row
                )
              )
            ),
          remove: (actor, resource, key) =>
            Effect.suspend(() => {
              const found = tables.find(actor.tenantId, resource, key) !== undefined
              return Effect.fromResult(
                Result.map(tables.apply(actor.tenantId, [{ _tag: "Remove", resource, key }]), () => found)
              )
            })
        }),
        Context.add(Outbox, {
          drain: Effect.fnUntraced(
            function* (limit: number, deliver: (next: Pending) => Effect.Effect<void, ActionFailure>) {
              let count = 0
              for (; count < limit; count++) {
                const [next] = pending
                if (next === undefined) break
                yield* deliver(next)
                pending.splice(pending.indexOf(next), 1)
              }
              if (pending.length === 0) added.closeUnsafe()
              return count
            },
            // One drain at a time keeps the order.
            (drained) => draining.withPermits(1)(drained)
          ),
          awaitWork: added.await,
          depth: Effect.sync(() => pending.length)
        })
      )
    })
  )

/** As many of a page's rows as it may have, and as its bytes leave room for. */
const fitting = (
  { bytes = Query.maxBytes, limit }: Pick<Query.Query, "bytes" | "limit">,
  rows: ReadonlyArray<EncodedRow>
): ReadonlyArray<EncodedRow> => {
  let size = 0
  let count = 0
  while (count < Math.min(limit, rows.length) && size < bytes) size += sizeOf(rows[count++] ?? {})
  return rows.slice(0, count)
}

const utf8 = new TextEncoder()

const sizeOf = (row: EncodedRow): number => {
  let size = 0
  for (const value of Object.values(row)) {
    size += utf8.encode(typeof value === "string" ? value : (JSON.stringify(value) ?? "")).length
  }
  return size
}

const answer = (
  tables: MemoryTables.Tables,
  tenantId: string,
  loads: { readonly [name: string]: Load<unknown> }
): { readonly [name: string]: LoadAnswer } =>
  Object.fromEntries(
    Object.entries(loads).map(([name, load]): readonly [string, LoadAnswer] => {
      const { _tag, key, last, limit = defaultLimit, page, resource, where } = load
      if (_tag === "One" || _tag === "Optional") return [name, tables.find(tenantId, resource, key ?? "")]
      const rows = tables.where(tenantId, resource, where, { by: last, after: page?.after })
      if (_tag === "Count") return [name, rows.length]
      if (page !== undefined) {
        const items = fitting({ limit, bytes: page.bytes }, rows)
        return [name, new LoadedPage(items, rows.length > items.length)]
      }
      return [name, last === undefined ? rows.slice(0, limit) : rows.slice(-limit)]
    })
  )
