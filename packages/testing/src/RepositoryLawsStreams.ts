/** What a stream gives of a store's rows. */
import type { Actor } from "@tenon/core/Actor"
import * as Executor from "@tenon/core/Executor"
import { RowStore } from "@tenon/core/RowStore"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { a, b, execute, type It, refused, result, save, together } from "./RepositoryLawsCalls.ts"
import { Account, Card } from "./RepositoryLawsDomain.ts"

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("a stream gives every row once, in the order of keys and page by page, and its own tenant's only", () =>
    Effect.gen(function* () {
      const { stream } = yield* Executor.Executor
      const open = (action: string, input: Schema.Json = {}, by = a) =>
        stream({ resource: Account.name, action, key: "streams", input, actor: by, origin: "door" })
      const all = (action: string, input?: Schema.Json, by?: Actor) =>
        Effect.flatMap(open(action, input, by), Stream.runCollect)
      for (const by of [a, b]) yield* execute(Account, "create", "streams", { by, input: { name: "streams" } })
      const ids = Array.from({ length: 1_010 }, (_, index) => `stream ${(index * 7919) % 1_010} é\u{1f600}`)
      const card = (id: string, by: Actor) => save(Card, { id, accountId: "streams", spare: null }, by)
      yield* together(ids.length, (index) => card(ids[index] ?? "", a))
      yield* card("theirs", b)
      const expected = ids.toSorted()
      assert.deepStrictEqual(yield* all("cards"), expected)
      assert.deepStrictEqual(yield* all("cards", {}, b), ["theirs"])
      for (const limit of [0, 1, 200, 201, 400, 1_009, 2_000]) {
        assert.deepStrictEqual(yield* all("someCards", { limit }), expected.slice(0, limit))
      }
      // Run as a whole it is given what fits.
      assert.deepStrictEqual(yield* result(Account, "cards", "streams"), expected.slice(0, 1_000))

      // A page is read when it is asked for, and its object with it.
      const seen: Array<unknown> = []
      const exit = yield* Effect.flatMap(open("cards"), (opened) =>
        Stream.runForEachArray(opened, (page) =>
          Effect.gen(function* () {
            seen.push(...page)
            const rows = yield* RowStore
            if (seen.length === 400) for (const id of ids) yield* rows.remove(a, Card, id)
          })
        )
      ).pipe(Effect.exit)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(seen, expected.slice(0, 400))
      yield* execute(Account, "remove", "streams")
      assert.strictEqual(yield* refused(open("cards")), "NotFound")
    })
  )

  it.effect("a page of a stream ends with the row with which it is large enough", () =>
    Effect.gen(function* () {
      const { stream } = yield* Executor.Executor
      yield* execute(Account, "create", "large", { input: { name: "large" } })
      const ids = Array.from({ length: 8 }, (_, index) => `large ${index}`)
      const spare = "x".repeat(400_000)
      for (const id of ids) yield* save(Card, { id, accountId: "large", spare })
      const pages: Array<number> = []
      const seen: Array<unknown> = []
      const opened = yield* stream({
        resource: Account.name,
        action: "cards",
        key: "large",
        input: {},
        actor: a,
        origin: "door"
      })
      yield* Stream.runForEachArray(opened, (page) =>
        Effect.sync(() => {
          seen.push(...page)
          pages.push(page.length)
        })
      )
      assert.deepStrictEqual(seen, ids)
      assert.deepStrictEqual(pages, [3, 3, 2])
    })
  )
}
