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
