/** What is on the database's disk once a message may go from the broker. */
import { Transactions } from "@tenon/messaging/Transactions"
import { HopStore } from "@tenon/routing-slip/HopStore"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import { over, transactions } from "../support/SlipStore.ts"

const layer = Layer.unwrap(
  Effect.map(SlipDatabase.make, ({ roles, url }) => Layer.merge(over(url, roles), transactions(url, roles)))
)

/** What an expression about the log comes to. */
const wal = (sql: string, ...params: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { batch } = yield* Transactions
    const [[row] = []] = yield* batch({ tenantId: null }, [{ sql: `select (${sql})::text as answer`, params }])
    return String(row?.["answer"])
  })

it.live("a claim is on the disk before a second copy of its message is acknowledged", () =>
  Effect.gen(function* () {
    // A server that is told to wait for no disk, as the embedded one is in tests, promises nothing.
    if ((yield* wal("current_setting('synchronous_commit')")) === "off") return
    const store = yield* HopStore
    const late: Array<number> = []
    for (let time = 0; time < 20; time++) {
      const key = { tenantId: "tenant-a", correlationId: `c${time}`, step: "1", phase: "execute" } as const
      const incoming = { queue: "q", id: "m", body: new TextEncoder().encode("m") }
      const claim = store.claim(key, { digest: "d", index: undefined, branch: "", incoming }, 10_000)
      assert.strictEqual((yield* claim)._tag, "Claimed")
      const claimed = yield* wal("pg_current_wal_insert_lsn()")
      assert.strictEqual((yield* claim)._tag, "Parked")
      if ((yield* wal("pg_current_wal_flush_lsn() >= $1::pg_lsn", claimed)) !== "true") late.push(time)
    }
    assert.deepStrictEqual(late, [])
  }).pipe(Effect.provide(layer))
)
