/** What a store takes, and how long it keeps it: what could never be delivered or kept, and receipts that are old. */
import { Receipts } from "@tenon/core/Receipts"
import { Outbox } from "@tenon/core/UnitOfWork"
import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { execute, failureOf, find, type It, refused, result } from "./RepositoryLawsCalls.ts"
import { Account, Topic } from "./RepositoryLawsDomain.ts"

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("what could never be delivered or kept is refused where it is decided, and nothing is saved", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* execute(Topic, "create", "says", { input: { title: "new" } })
      yield* outbox.drain(1000, () => Effect.void)
      const sound = { to: "someone", text: "t", answer: "a" }
      const faults = [
        ...["", "x".repeat(201), "x".repeat(300), "a\nb", "a\u0000b", "a\ud800b"].map((to) => ({ to })),
        ...["a\u0000b", "\udfff"].flatMap((text) => [{ text }, { answer: text }])
      ]
      for (const [index, fault] of faults.entries()) {
        for (const late of [false, true]) {
          const input = { ...sound, ...fault, late }
          for (const receipt of [undefined, `says-${index}-${late}`]) {
            const call = receipt === undefined ? { input } : { input, receipt }
            const failure = yield* failureOf(execute(Topic, "say", "says", call))
            assert.strictEqual(failure["_tag"], "InvalidOutcome", JSON.stringify(input))
          }
          assert.deepInclude(yield* find(Topic, "says"), { title: "new" })
          assert.strictEqual(yield* outbox.drain(1000, () => Effect.void), 0)
        }
      }
      // A refusal leaves no receipt, so the same identity may do better.
      const better = { input: { ...sound, late: true }, receipt: "says-0-true" }
      assert.strictEqual(yield* result(Topic, "say", "says", better), "a")
      assert.strictEqual(yield* outbox.drain(1000, () => Effect.void), 1)
    })
  )

  it.effect("receipts answer until they are old, and then are purged, the oldest first and so many at a time", () =>
    Effect.gen(function* () {
      const receipts = yield* Receipts
      const spend = (receipt: string) => execute(Account, "spendAll", "purges", { receipt })
      yield* execute(Account, "create", "purges", { input: { name: "purges" } })
      while ((yield* receipts.purge(Duration.zero, 1000)) > 0) yield* Effect.yieldNow
      for (const receipt of ["p-1", "p-2", "p-3"]) {
        yield* execute(Account, "add", "purges", { input: { amount: 1 } })
        yield* spend(receipt)
      }
      assert.strictEqual(yield* receipts.purge(Duration.hours(1), 1000), 0)
      yield* Effect.sleep(5)
      assert.strictEqual(yield* receipts.purge(Duration.zero, 1), 1)
      yield* spend("p-2")
      assert.strictEqual(yield* refused(spend("p-1")), "Spent")
      assert.strictEqual(yield* receipts.purge(Duration.zero, 1000), 2)
      assert.strictEqual(yield* receipts.purge(Duration.zero, 1000), 0)
      assert.strictEqual(yield* refused(spend("p-3")), "Spent")
    })
  )
}
