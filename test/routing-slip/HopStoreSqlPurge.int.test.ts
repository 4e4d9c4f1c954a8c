import { Transactions } from "@tenon/messaging/Transactions"
import { HopStore, openingKey } from "@tenon/routing-slip/HopStore"
import { purging } from "@tenon/routing-slip/HopStoreSqlPurge"
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipStore from "../support/SlipStore.ts"

const slip = {
  tenantId: "tenant-a",
  correlationId: "old",
  status: "completed",
  activity: "a",
  updatedAt: 1,
  body: new Uint8Array([1])
} as const
const event = { type: "dispatched", step: "0", activity: "a", detail: "", at: 1 } as const
const first = { queue: "q", id: "first", body: new Uint8Array([2]) }

it.live("a slip that is dispatched once more while it is purged is not begun again", () =>
  Effect.gen(function* () {
    const { roles, url } = yield* SlipDatabase.make
    yield* Effect.gen(function* () {
      const store = yield* HopStore
      const sql = yield* Transactions
      yield* store.open(slip, first, event)
      yield* store.dispatched(openingKey(slip), first.id)
      yield* store.pending(1, 0)

      const isGone = yield* Deferred.make<number>()
      const mayEnd = yield* Deferred.make<void>()
      const purge = yield* sql
        .transaction({ tenantId: null, role: roles.relayRole }, (tx) =>
          Effect.gen(function* () {
            const [rows = []] = yield* tx.run([purging(0, 10)])
            yield* Deferred.succeed(isGone, rows.length)
            yield* Deferred.await(mayEnd)
          })
        )
        .pipe(Effect.forkChild)
      assert.strictEqual(yield* Deferred.await(isGone), 1)
      const again = yield* Effect.forkChild(store.open({ ...slip, status: "executing" }, first, event))
      yield* Effect.sleep("200 millis")
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(purge)

      assert.strictEqual(yield* Fiber.join(again), "known")
      assert.isUndefined(yield* store.slip(slip.tenantId, slip.correlationId))
    }).pipe(Effect.provide([SlipStore.over(url, roles), SlipStore.transactions(url, roles)], { local: true }))
  }).pipe(Effect.scoped)
)

/** What the tables hold of the slip, as the relay sees it. */
const rowsOf = Effect.fnUntraced(function* (relayRole: string) {
  const sql = yield* Transactions
  const [hops = [], heads = []] = yield* sql.batch({ tenantId: null, role: relayRole }, [
    { sql: "select step from tenon.slip_hops where correlation_id = 'old' order by step", params: [] },
    { sql: "select place from tenon.slip_heads where correlation_id = 'old'", params: [] }
  ])
  return [...hops.map((row) => row["step"]), ...heads.map((row) => `head ${String(row["place"])}`)]
})

it.live("what a claim stores of a slip while it is purged goes with the next look", () =>
  Effect.gen(function* () {
    const { roles, url } = yield* SlipDatabase.make
    yield* Effect.gen(function* () {
      const store = yield* HopStore
      const sql = yield* Transactions
      yield* store.open(slip, first, event)
      yield* store.dispatched(openingKey(slip), first.id)
      yield* store.pending(1, 0)

      // The purge waits for the slip's event, and has looked at its steps by then.
      const isLocked = yield* Deferred.make<void>()
      const mayEnd = yield* Deferred.make<void>()
      const locking = yield* sql
        .transaction({ tenantId: null, role: roles.relayRole }, (tx) =>
          Effect.gen(function* () {
            yield* tx.run([{ sql: "delete from tenon.slip_events", params: [] }])
            yield* Deferred.succeed(isLocked, undefined)
            yield* Deferred.await(mayEnd)
            return yield* Effect.fail("not to be kept")
          })
        )
        .pipe(Effect.ignore, Effect.forkChild)
      yield* Deferred.await(isLocked)
      const purge = yield* Effect.forkChild(store.purge(0, 10))
      yield* Effect.sleep("200 millis")
      const key = { tenantId: slip.tenantId, correlationId: slip.correlationId, phase: "execute" } as const
      const claimant = { digest: "d", branch: "", incoming: first }
      yield* store.claim({ ...key, step: "8" }, { ...claimant, index: undefined }, 10_000)
      yield* store.claim({ ...key, step: "9" }, { ...claimant, index: 9 }, 10_000)
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(locking)
      assert.strictEqual(yield* Fiber.join(purge), 1)
      assert.deepStrictEqual(yield* rowsOf(roles.relayRole), ["8", "9", "head 9"], "they were not there when it looked")

      const again = yield* store.claim({ ...key, step: "8" }, { ...claimant, index: undefined }, 10_000)
      assert.strictEqual(again._tag, "Purged")
      assert.strictEqual(yield* store.purge(0, 10), 0)
      assert.deepStrictEqual(yield* rowsOf(roles.relayRole), [])
    }).pipe(Effect.provide([SlipStore.over(url, roles), SlipStore.transactions(url, roles)], { local: true }))
  }).pipe(Effect.scoped)
)
