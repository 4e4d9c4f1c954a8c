import * as OutboxWorld from "../support/outboxWorld.ts"
import * as Scratch from "../support/ScratchDatabase.ts"
import * as StoreDatabase from "../support/StoreDatabase.ts"
import { eventually } from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

const { commit, commits, expire, relay, standings } = OutboxWorld

/** What was delivered, in order; those to objects of one name wait for a gate, and others fail, or fail once. */
const delivering = Effect.gen(function* () {
  yield* StoreDatabase.admin("delete from tenon.outbox")
  const gate = yield* Deferred.make<void>()
  const begun: Array<string> = []
  const deliver: OutboxWorld.Deliver = ({ object, tenant }) =>
    Effect.gen(function* () {
      begun.push(`${tenant} ${object}`)
      if (object.startsWith("slow")) yield* Deferred.await(gate)
      const isFirst = begun.filter((each) => each === `${tenant} ${object}`).length === 1
      if (object.startsWith("failing") || (object.startsWith("once") && isFirst))
        return yield* Effect.die(new Error("fails"))
    })
  const arrives = (...what: ReadonlyArray<string>) =>
    eventually(
      Effect.sync(() => begun),
      (seen) => what.every((each) => seen.includes(each))
    )
  return { arrives, begun, deliver, open: Deferred.succeed(gate, undefined) }
})

/** Once they are found to wait. */
const held = (count: number) => eventually(standings, (found) => found["held"] === count)

const gone = eventually(standings, (left) => Object.keys(left).length === 0)

/** Does something while a statement of another is not committed. */
const looking = <R>(statement: string, meanwhile: Effect.Effect<unknown, never, R>) =>
  Effect.flatMap(StoreDatabase.StoreDatabase, (database) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      sql.withTransaction(Effect.andThen(sql.unsafe(statement), meanwhile))
    ).pipe(Scratch.on(database), Effect.orDie)
  )

const many = <A>(count: number, of: (n: number) => A) => Array.from({ length: count }, (_, n) => of(n))

suite(StoreDatabase.layer, { timeout: 60_000, excludeTestServices: true })("the relay of an outbox", (it) => {
  it.effect("slow tenants take no place that another one needs", () =>
    Effect.gen(function* () {
      const { arrives, begun, deliver, open } = yield* delivering
      yield* commits(...many(96, (n) => [{ tenant: `slow${n % 12}`, object: `slow${n}` }]))
      // With more behind them than is claimed at once.
      yield* commits(...many(28, (tenant) => many(100, (n) => ({ tenant: `slow${12 + tenant}`, object: `slow${n}` }))))
      const { answers, hear } = yield* relay(deliver)
      yield* arrives("slow0 slow0", "slow11 slow11", "slow39 slow0")
      // It has claimed as much as it does.
      yield* eventually(
        Effect.sync(() => answers.count).pipe(
          Effect.flatMap((count) =>
            Effect.delay(
              Effect.sync(() => answers.count - count),
              "400 millis"
            )
          )
        ),
        (more) => more === 0
      )
      for (const object of ["x", "y", "z"]) {
        yield* commit({ tenant: "quick", object })
        yield* hear
        yield* arrives(`quick ${object}`)
      }
      assert.isAtMost(begun.filter((each) => each.startsWith("slow0 ")).length, 6)
      yield* open
      yield* gone
    }).pipe(Effect.scoped)
  )

  it.effect("a delivery waits for earlier ones to its object, for those of its commit until tried, and no others", () =>
    Effect.gen(function* () {
      const { arrives, begun, deliver, open } = yield* delivering
      const to = (object: string, tenant = "t") => ({ tenant, object })
      yield* commits(
        [to("slow")],
        // Only the second waits, for its object.
        [to("a"), to("slow"), to("b")],
        [to("c"), to("a")],
        // The second waits for the first, which is being tried.
        [to("slow2"), to("d")],
        [to("d", "u")]
      )
      yield* relay(deliver)
      yield* arrives("t slow", "t slow2", "t a", "t b", "t c", "u d")
      yield* Effect.sleep("200 millis")
      assert.deepStrictEqual(begun.toSorted(), ["t a", "t a", "t b", "t c", "t slow", "t slow2", "u d"])
      yield* open
      yield* gone
      assert.deepStrictEqual(begun.slice(7).toSorted(), ["t d", "t slow"])
    }).pipe(Effect.scoped)
  )

  it.effect("one that fails holds up no other object, in whatever commits it comes first", () =>
    Effect.gen(function* () {
      const { begun, deliver } = yield* delivering
      const to = (object: string) => ({ tenant: "t", object, attempts: object === "failing" ? 6 : 0 })
      yield* commits(...many(3, () => [to("failing"), to("a"), to("b")]))
      yield* relay(deliver)
      yield* eventually(
        Effect.sync(() => begun.toSorted().join()),
        (seen) => seen === "t a,t a,t a,t b,t b,t b,t failing"
      )
    }).pipe(Effect.scoped)
  )

  it.effect("what waits is looked at once, and what is due later not at all", () =>
    Effect.gen(function* () {
      const { arrives, begun, deliver } = yield* delivering
      yield* commit({ tenant: "t", object: "failing", attempts: 8 })
      yield* commit(...many(2000, (n) => ({ tenant: "t", object: `later${n}`, delayMillis: 3_600_000 })))
      yield* commits(...many(8, () => many(10, () => ({ tenant: "t", object: "failing" }))))
      const { answers, hear } = yield* relay(deliver)
      yield* held(80)
      const before = { ...answers }
      for (let n = 0; n < 10; n++) {
        yield* commit({ tenant: "u", object: `x${n}` })
        yield* hear
        yield* arrives(`u x${n}`)
      }
      assert.isAtMost(answers.rows - before.rows, 40, "a look and an end for each, and a row that says of none")
      assert.isAtMost(answers.count - before.count, 40)
      assert.strictEqual(begun.filter((each) => each === "t failing").length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("what a relay had claimed and held goes on in order once it is dead", () =>
    Effect.gen(function* () {
      const { arrives, begun, deliver, open } = yield* delivering
      yield* commit({ tenant: "t", object: "slow" }, { tenant: "t", object: "a" })
      const dying = yield* relay(deliver)
      yield* arrives("t slow")
      // Found by another, which holds it behind what the first has claimed.
      yield* commit({ tenant: "t", object: "a" })
      const other = yield* relay(deliver)
      yield* other.outbox.drain(10, () => Effect.die("nothing is free"))
      const claimed = yield* dying.die
      assert.isAtLeast(claimed.length, 2)
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(begun, ["t slow"])
      yield* open
      yield* expire(claimed)
      yield* gone
      assert.deepStrictEqual(begun, ["t slow", "t slow", "t a", "t a"])
    }).pipe(Effect.scoped)
  )

  it.effect("who ends one that others wait for waits for whoever looks at those, and misses none", () =>
    Effect.gen(function* () {
      const { begun, deliver } = yield* delivering
      yield* commit({ tenant: "t", object: "once", attempts: 8 }, { tenant: "t", object: "once" })
      const { hear } = yield* relay(deliver)
      yield* held(1)
      yield* looking(
        "select from tenon.outbox where standing = 'held' for share",
        Effect.gen(function* () {
          yield* StoreDatabase.admin(
            "update tenon.outbox set due_at = now() where object = 'Topic/once' and standing = 'line'"
          )
          yield* hear
          yield* Effect.sleep("400 millis")
        })
      )
      yield* gone
      assert.deepStrictEqual(begun, ["t once", "t once", "t once"])
    }).pipe(Effect.scoped)
  )

  it.effect("nothing is held behind one that may be ending", () =>
    Effect.gen(function* () {
      const { begun, deliver } = yield* delivering
      const [first = ""] = yield* commit({ tenant: "t", object: "a", attempts: 3 }, { tenant: "t", object: "a" })
      yield* StoreDatabase.admin(`update tenon.outbox set due_at = now() + interval '1 minute' where id = ${first}`)
      yield* looking(
        `delete from tenon.outbox where id = ${first}`,
        Effect.gen(function* () {
          yield* relay(deliver)
          yield* Effect.sleep("400 millis")
          assert.deepStrictEqual([begun, yield* standings], [[], { line: 2 }])
        })
      )
      yield* gone
      assert.deepStrictEqual(begun, ["t a"])
    }).pipe(Effect.scoped)
  )

  it.effect("what waits for one that was deleted by hand goes on, once it is looked at again", () =>
    Effect.gen(function* () {
      const { begun, deliver } = yield* delivering
      const [failing = ""] = yield* commit(
        { tenant: "t", object: "once", attempts: 4 },
        { tenant: "t", object: "once" }
      )
      yield* relay(deliver)
      yield* held(1)
      const [look] = yield* StoreDatabase.admin(
        "select extract(epoch from due_at - clock_timestamp())::float8 as seconds from tenon.outbox where standing = 'held'"
      )
      assert.isAtMost(Number(look?.["seconds"]), 66)
      yield* StoreDatabase.admin(
        `delete from tenon.outbox where id = ${failing}`,
        "update tenon.outbox set due_at = now() where standing = 'held'"
      )
      yield* gone
      assert.strictEqual(begun.length, 2)
    }).pipe(Effect.scoped)
  )
})
