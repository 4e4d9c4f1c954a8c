import { RunStore } from "@tenon/core/RunStore"
import * as RunStoreSql from "@tenon/sql/RunStoreSql"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as StoreDatabase from "../support/StoreDatabase.ts"

const over =
  "insert into tenon.runs (tenant_id, workflow, key, id, status, due_at) " +
  "select 't', 'w', n::text, n::text, 'done', 'infinity' from generate_series(1, 100000) as n"

/** How long ten looks for a run that is due take, in milliseconds; the least of several times. */
const looking = Effect.gen(function* () {
  const store = yield* RunStore
  const look = store.claim({ workflows: ["w"], limit: 10, doubtful: 1, leaseMillis: 1000, now: 0 })
  const times: Array<number> = []
  for (let round = 0; round < 5; round++) {
    const started = performance.now()
    for (let n = 0; n < 10; n++) yield* look
    times.push(performance.now() - started)
  }
  return Math.min(...times)
})

suite(StoreDatabase.layer, { timeout: 60_000, excludeTestServices: true })("runs that are over", (it) => {
  it.effect("cost those that look for one that is due nothing", () =>
    Effect.gen(function* () {
      const { names } = yield* StoreDatabase.StoreDatabase
      yield* Effect.gen(function* () {
        const before = yield* looking
        yield* StoreDatabase.admin(over)
        const after = yield* looking
        assert.isBelow(after, 5 * before + 50)
      }).pipe(Effect.provide(RunStoreSql.layer(names)))
    })
  )
})
