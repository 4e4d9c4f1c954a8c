import { Transactions } from "@tenon/messaging/Transactions"
import { HopStore, openingKey } from "@tenon/routing-slip/HopStore"
import * as HopStoreSqlMarks from "@tenon/routing-slip/HopStoreSqlMarks"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipStore from "../support/SlipStore.ts"

const slipOf = (correlationId: string) =>
  ({
    tenantId: "tenant-a",
    correlationId,
    status: "executing",
    activity: "a",
    updatedAt: 1,
    body: new Uint8Array([1])
  }) as const

const event = { type: "dispatched", step: "0", activity: "a", detail: "", at: 1 } as const
const message = (id: string) => ({ queue: "q", id, body: new TextEncoder().encode(id) })

/** Records slips whose first messages are still to be sent. */
const open = (ids: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const store = yield* HopStore
    yield* Effect.forEach(ids, (id) => store.open(slipOf(id), message(id), event))
    return store
  })

const pending = Effect.gen(function* () {
  const store = yield* HopStore
  return (yield* store.pending(1_000, 0)).map(({ message: { id } }) => id).toSorted()
})

it.live("what was sent is marked when the store closes, at the latest, and seen by this process at once", () =>
  Effect.gen(function* () {
    const { roles, url } = yield* SlipDatabase.make
    const during = <A, E>(effect: Effect.Effect<A, E, HopStore>) =>
      Effect.provide(effect, SlipStore.over(url, roles), { local: true })
    const ids = Array.from({ length: 450 }, (_, index) => `s${String(index).padStart(3, "0")}`)
    const [left, ...sent] = ids
    yield* during(
      Effect.gen(function* () {
        const store = yield* open(ids)
        yield* Effect.forEach(sent, (id) => store.dispatched(openingKey(slipOf(id)), id), { discard: true })
      })
    )
    assert.deepStrictEqual(yield* during(pending), [left])
    yield* during(
      Effect.gen(function* () {
        const store = yield* open(["last"])
        yield* store.dispatched(openingKey(slipOf("last")), "last")
        assert.deepStrictEqual(yield* pending, [left])
      })
    )
  }).pipe(Effect.scoped)
)

const keyOf = (id: string) => openingKey(slipOf(id))

it.live("two processes that mark the same messages in another order do not wait for each other for ever", () =>
  Effect.gen(function* () {
    const { roles, url } = yield* SlipDatabase.make
    yield* Effect.gen(function* () {
      const sql = yield* Transactions
      const one = yield* HopStoreSqlMarks.make(sql)
      const other = yield* HopStoreSqlMarks.make(sql)
      // Who meets whom is chance: a few times, since once may go well.
      for (let round = 0; round < 4; round++) {
        const ids = Array.from({ length: 200 }, (_, index) => `s${round}-${index}`)
        yield* open(ids)
        for (const id of ids) yield* one.add({ key: keyOf(id), id })
        for (const id of ids.toReversed()) yield* other.add({ key: keyOf(id), id })
        const exits = yield* Effect.all([Effect.exit(one.flush), Effect.exit(other.flush)], { concurrency: 2 })
        assert.isTrue(exits.every(Exit.isSuccess), `in round ${round}`)
      }
    }).pipe(Effect.provide([SlipStore.over(url, roles), SlipStore.transactions(url, roles)], { local: true }))
  }).pipe(Effect.scoped)
)

it.live("after an outage marks are written as before, and none of it pile up", () =>
  Effect.gen(function* () {
    const written: Array<number> = []
    let isAway = true
    const failure = { _tag: "Unavailable", message: "away" }
    const marks = yield* HopStoreSqlMarks.make({
      batch: (_, statements) =>
        Effect.suspend(() => {
          if (isAway) return Effect.fail(failure)
          written.push(statements.length)
          return Effect.succeed([])
        }),
      transaction: () => Effect.fail(failure)
    })
    const add = (count: number) =>
      Effect.forEach(Array.from({ length: count }), () => marks.add({ key: keyOf("s"), id: "m" }), { discard: true })
    yield* add(450)
    yield* Effect.sleep("50 millis")
    isAway = false
    // Nobody else asks for them to be written: this process has no relay.
    yield* add(3)
    yield* Effect.sleep("50 millis")
    assert.deepStrictEqual(written, [3])
  }).pipe(Effect.scoped)
)
