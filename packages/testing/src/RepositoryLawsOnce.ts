/** What a store does once, in order, or not at all: exclusivity, receipts, deaths, deliveries. */
import { Outbox, type Pending } from "@tenon/core/UnitOfWork"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import {
  b,
  count,
  createOnce,
  execute,
  failureOf,
  find,
  numbers,
  refused,
  result,
  sorted,
  together,
  versionOf
} from "./RepositoryLawsCalls.ts"
import { Account, Claim, Tally, Topic } from "./RepositoryLawsDomain.ts"
import type { It } from "./RepositoryLawsCalls.ts"

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("write actions on one object run one at a time", () =>
    Effect.gen(function* () {
      yield* execute(Account, "create", "hot", { input: { name: "hot" } })
      yield* together(40, () => execute(Account, "add", "hot", { input: { amount: 1 } }))
      assert.strictEqual(yield* result(Account, "get", "hot"), 40)
      const ticks = yield* together(40, () => result(Tally, "tick", "no row at first"))
      assert.deepStrictEqual(sorted(ticks), numbers(40))
    })
  )

  it.effect("a receipt gives the stored outcome and decides nothing again", () =>
    Effect.gen(function* () {
      yield* execute(Account, "create", "receipts", { input: { name: "receipts" } })
      yield* execute(Account, "add", "receipts", { input: { amount: 3 } })
      const spent = yield* execute(Account, "spendAll", "receipts", { receipt: "run-1" })
      assert.deepStrictEqual(yield* execute(Account, "spendAll", "receipts", { receipt: "run-1" }), spent)
      assert.strictEqual(yield* refused(execute(Account, "spendAll", "receipts", { receipt: "run-2" })), "Spent")
      // A refusal is not kept, and the row may go.
      yield* execute(Account, "remove", "receipts")
      assert.deepStrictEqual(yield* execute(Account, "spendAll", "receipts", { receipt: "run-1" }), spent)
    })
  )

  it.effect("a receipt counts once among many at once", () =>
    Effect.gen(function* () {
      const caller = { key: "once", fingerprint: "f" }
      const input = { thing: "once", by: "me" }
      const made = yield* together(200, (index) =>
        execute(Account, "create", `once-${index}`, { input: { name: "once" }, caller })
      )
      for (const each of made) assert.deepStrictEqual(each, made[0])
      assert.strictEqual(yield* count(Account, "name", "once"), 1)
      const claims = yield* together(50, (index) =>
        execute(Claim, "create", `once-${index}`, { input, caller: { key: "claim-once", fingerprint: "f" } })
      )
      for (const each of claims) assert.deepStrictEqual(each, claims[0])
      yield* execute(Account, "create", "adds-once", { input: { name: "adds-once" } })
      const adds = yield* together(100, () =>
        execute(Account, "add", "adds-once", { input: { amount: 1 }, receipt: "add-once" })
      )
      assert.isTrue(adds.every((each) => versionOf(each) === 2))
      assert.strictEqual(yield* result(Account, "get", "adds-once"), 1)
    })
  )

  it.effect("a caller's key does not serve another request", () =>
    Effect.gen(function* () {
      yield* createOnce("reused", "one")
      const failure = yield* failureOf(createOnce("other", "two"))
      assert.deepInclude(failure, { _tag: "IdempotencyKeyReused", key: "reused" })
      assert.isUndefined(yield* find(Account, "other"))
      // Another tenant's keys are its own.
      yield* createOnce("reused", "two", b)
    })
  )

  it.effect("an action that dies leaves nothing behind", () =>
    Effect.gen(function* () {
      yield* execute(Account, "create", "dies", { input: { name: "dies" } })
      for (const action of ["dieDeciding", "dieConcluding"]) {
        const exit = yield* Effect.exit(execute(Account, action, "dies", { receipt: `dies-${action}` }))
        assert.isTrue(Exit.isFailure(exit) && Exit.hasDies(exit), action)
        assert.deepInclude(yield* find(Account, "dies"), { balance: 0, version: 1 })
      }
      yield* execute(Account, "add", "dies", { input: { amount: 1 }, receipt: "dies-dieDeciding" })
    })
  )

  it.effect("deliveries wait in the outbox, in order, until they are delivered", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* outbox.drain(1000, () => Effect.void)
      assert.strictEqual(yield* outbox.drain(1000, () => Effect.void), 0)
      for (const id of ["out-1", "out-2"]) yield* execute(Topic, "create", id, { input: { title: "t" } })
      const posted = yield* execute(Topic, "post", "out-1", { input: { key: "1", text: "t" }, receipt: "outbox" })
      assert.deepStrictEqual(posted.deliveries, [])
      yield* execute(Topic, "post", "out-1", { input: { key: "2", text: "t" } })
      yield* execute(Topic, "post", "out-1", { input: { key: "1", text: "t" } })
      yield* execute(Topic, "post", "out-1", { input: { key: "1", text: "t" }, receipt: "outbox" })
      yield* execute(Topic, "post", "out-2", { input: { key: "1", text: "t" } })
      yield* outbox.awaitWork
      const seen: Array<Pending> = []
      const deliver = (pending: Pending) => Effect.sync(() => void seen.push(pending))
      assert.strictEqual(yield* outbox.drain(1, deliver), 1)
      assert.strictEqual(yield* outbox.drain(1000, deliver), 2)
      assert.strictEqual(yield* outbox.drain(1000, deliver), 0)
      assert.strictEqual(new Set(seen.map(({ id }) => id)).size, 3)
      assert.deepStrictEqual(
        seen.map(({ actor, delivery }) => [actor.tenantId, delivery.key]),
        [
          ["tenant-a", "out-1"],
          ["tenant-a", "out-1"],
          ["tenant-a", "out-2"]
        ]
      )
    })
  )
}
