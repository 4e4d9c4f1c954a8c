import * as OutboxWorld from "../support/outboxWorld.ts"
import * as StoreDatabase from "../support/StoreDatabase.ts"
import { eventually } from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { vi } from "vitest"

const { commit, commits, relay, standings } = OutboxWorld

const many = <A>(count: number, of: (n: number) => A) => Array.from({ length: count }, (_, n) => of(n))

/** What was begun, in order. Those to `slow` wait for a gate; those to what is `failing` fail. */
const delivering = Effect.gen(function* () {
  yield* StoreDatabase.admin("delete from tenon.outbox")
  const gate = yield* Deferred.make<void>()
  const begun: Array<string> = []
  const deliver: OutboxWorld.Deliver = ({ object }) =>
    Effect.gen(function* () {
      begun.push(object)
      if (object.startsWith("slow")) yield* Deferred.await(gate)
      if (/failing/.test(object)) return yield* Effect.die(new Error("fails"))
    })
  const arrives = (...what: ReadonlyArray<string>) =>
    eventually(
      Effect.sync(() => begun),
      (seen) => what.every((each) => seen.includes(each))
    )
  return { arrives, begun, deliver, open: Deferred.succeed(gate, undefined) }
})

const gone = eventually(standings, (left) => Object.keys(left).length === 0)

const count = (where: string) =>
  Effect.map(StoreDatabase.admin(`select count(*)::int as n from tenon.outbox where ${where}`), ([row]) =>
    Number(row?.["n"])
  )

/** A clock that an operator or a time server sets back, for the scope. */
const setBack = Effect.acquireRelease(
  Effect.sync(() => {
    const now = Date.now
    return vi.spyOn(Date, "now").mockImplementation(() => now() - 3_600_000)
  }),
  (spy) => Effect.sync(() => spy.mockRestore())
)

suite(StoreDatabase.layer, { timeout: 60_000, excludeTestServices: true })("how deliveries end", (it) => {
  it.effect("a failure is written down, though another claim ends with it", () =>
    Effect.gen(function* () {
      const { arrives, deliver, open } = yield* delivering
      const { hear } = yield* relay(deliver)
      yield* commit({ tenant: "t", object: "slow failing" })
      yield* hear
      yield* arrives("slow failing")
      yield* commit({ tenant: "t", object: "slow failing" })
      yield* hear
      yield* eventually(count("attempts = 1"), (claimed) => claimed === 2)
      yield* open
      yield* eventually(count("last_failure is not null"), (failed) => failed === 1, { within: "3 seconds" })
    }).pipe(Effect.scoped)
  )

  it.effect("those behind one are removed with it, though they end as soon as it has", () =>
    Effect.gen(function* () {
      const { arrives, deliver, open } = yield* delivering
      yield* commit({ tenant: "t", object: "slow" }, ...many(150, (n) => ({ tenant: "t", object: `o${n}` })))
      yield* relay(deliver)
      yield* arrives("slow")
      yield* eventually(count("attempts = 1"), (claimed) => claimed > 99)
      yield* open
      yield* eventually(standings, (left) => Object.keys(left).length === 0, { within: "5 seconds" })
    }).pipe(Effect.scoped)
  )

  it.effect("the end of a commit's wakes those behind any number that wait for their objects", () =>
    Effect.gen(function* () {
      const { arrives, deliver, open } = yield* delivering
      const failing = many(100, (n) => ({ tenant: "t", object: `failing${n}`, attempts: 8 }))
      yield* commits(...failing.map((each) => [each]))
      const { hear } = yield* relay(deliver)
      yield* arrives(...failing.map(({ object }) => object))
      // More than are claimed behind one, and more waiting for their objects than are woken at once.
      yield* commit(
        { tenant: "t", object: "slow" },
        ...many(110, (n) => ({ tenant: "t", object: `claimed${n}` })),
        ...failing,
        { tenant: "t", object: "last" }
      )
      yield* hear
      yield* eventually(count("standing = 'held'"), (found) => found > 100)
      yield* open
      yield* arrives("last")
    }).pipe(Effect.scoped)
  )

  it.effect("a delivery that interrupts itself has failed, and ends no relay", () =>
    Effect.gen(function* () {
      const { begun, deliver } = yield* delivering
      const { hear } = yield* relay((pending) =>
        Effect.andThen(
          deliver(pending),
          Effect.suspend(() => (begun.length === 1 ? Effect.interrupt : Effect.void))
        )
      )
      yield* commit({ tenant: "t", object: "a" })
      yield* hear
      yield* gone
      assert.deepStrictEqual(begun, ["a", "a"])
    }).pipe(Effect.scoped)
  )

  it.effect("leases are renewed, whatever the machine's clock is set to", () =>
    Effect.gen(function* () {
      const { arrives, deliver, open } = yield* delivering
      yield* relay(deliver)
      yield* commit({ tenant: "t", object: "slow" })
      yield* arrives("slow")
      yield* setBack
      yield* Effect.sleep("4 seconds")
      assert.strictEqual(yield* count("due_at > clock_timestamp() + interval '7 seconds'"), 1)
      yield* open
      yield* gone
    }).pipe(Effect.scoped)
  )

  it.effect("a delivery has one id, and one of a database that was set back has another", () =>
    Effect.gen(function* () {
      yield* StoreDatabase.admin("delete from tenon.outbox")
      const given: Array<{ readonly id: string; readonly once: string }> = []
      const { hear } = yield* relay(({ id, once }) =>
        Effect.suspend(() => (given.push({ id, once }) === 1 ? Effect.die(new Error("fails")) : Effect.void))
      )
      const [row = ""] = yield* commit({ tenant: "t", object: "a" })
      yield* hear
      yield* gone
      yield* StoreDatabase.admin(`alter table tenon.outbox alter column id restart with ${row}`)
      yield* commit({ tenant: "t", object: "a" })
      yield* hear
      yield* gone
      const [failed, again, other] = given
      assert.deepStrictEqual(
        given.map(({ id }) => id),
        [row, row, row]
      )
      assert.strictEqual(failed?.once, again?.once)
      assert.notStrictEqual(other?.once, again?.once)
    }).pipe(Effect.scoped)
  )
})
