/** What a store counts: positions and versions. */
import * as Query from "@tenon/core/Query"
import { RowStore } from "@tenon/core/RowStore"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  a,
  count,
  execute,
  failureOf,
  find,
  line,
  numbers,
  post,
  remove,
  refused,
  result,
  save,
  saveFor,
  sorted,
  together,
  versionOf
} from "./RepositoryLawsCalls.ts"
import { Account, Line, Post, Task, Topic } from "./RepositoryLawsDomain.ts"
import type { It } from "./RepositoryLawsCalls.ts"

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("positions are gapless, in order, and never given twice", () =>
    Effect.gen(function* () {
      yield* execute(Topic, "create", "gapless", { input: { title: "t" } })
      const given = yield* together(50, (index) => post("gapless", `k${index}`))
      assert.deepStrictEqual(sorted(given), numbers(50))
      const repeated = yield* together(20, (index) => post("gapless", `k${index}`))
      assert.deepStrictEqual(repeated, given.slice(0, 20))
      assert.strictEqual(yield* post("gapless", "next"), 51)
      const rows = yield* RowStore
      const query = yield* Effect.fromResult(
        Query.parse(Post, { filters: [{ field: "topicId", operator: "eq", value: "gapless" }], sort: "-position" })
      )
      const [last] = (yield* rows.page(a, Post, query)).items
      assert.strictEqual(last?.["position"], 51)
      yield* rows.remove(a, Post, String(last?.["id"]))
      assert.strictEqual(yield* post("gapless", "after"), 52)
      assert.strictEqual(yield* count(Post, "topicId", "gapless"), 51)
    })
  )

  it.effect("positions of rows saved without their parent's lock are gapless too", () =>
    Effect.gen(function* () {
      yield* execute(Topic, "create", "direct", { input: { title: "t" } })
      const given = yield* together(40, (index) => saveFor(`direct-${index}`, `k${index % 20}`))
      assert.deepStrictEqual(sorted([...new Set(given.map(({ position }) => position))]), numbers(20))
      assert.strictEqual((yield* saveFor("direct-last", "last"))["position"], 21)
    })
  )

  it.effect("a row that is replaced keeps its position", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* line("1", "x", "one"))["number"], 1)
      assert.strictEqual((yield* line("2", "y", "two"))["number"], 2)
      assert.deepStrictEqual(yield* line("3", "x", "three"), {
        id: "1",
        page: "p",
        slot: "x",
        text: "three",
        number: 1
      })
      assert.isUndefined(yield* find(Line, "3"))
      assert.strictEqual(yield* refused(line("2", "x", "of another")), "AlreadyExists")
      assert.strictEqual((yield* find(Line, "1"))?.["text"], "three")
      const given = yield* together(20, (index) => line(`c${index}`, `s${index % 10}`, "t"))
      assert.deepStrictEqual(sorted([...new Set(given.map(({ number }) => number))]), numbers(12).slice(2))
    })
  )

  it.effect("a row stays among those that it is numbered with, whoever saves it", () =>
    Effect.gen(function* () {
      const add = (id: string, list: string) => execute(Task, "create", id, { input: { list } })
      for (const [id, list] of [
        ["t1", "a"],
        ["t2", "b"],
        ["t3", "b"]
      ] as const)
        yield* add(id, list)
      const issues = [
        {
          path: "list",
          message: "cannot change, as number counts within it: make a new row there, and remove this one"
        }
      ]
      const refusal = { _tag: "InvalidOutcome", resource: "LawTask", issues }
      for (const list of ["a", null, ""]) {
        const moved = yield* failureOf(execute(Task, "move", "t3", { input: { list } }))
        assert.deepInclude(moved, refusal, `by an action, to ${list}`)
        const saved = yield* failureOf(save(Task, { id: "t3", list, number: 0 }))
        assert.deepInclude(saved, refusal, `by a save, to ${list}`)
      }
      assert.deepInclude(yield* find(Task, "t3"), { list: "b", number: 2 })
      assert.deepInclude(yield* result(Task, "move", "t3", { input: { list: "b" } }), { list: "b", number: 2 })
      assert.deepInclude(yield* save(Task, { id: "t3", list: "b", number: 0 }), { list: "b", number: 2 })
      assert.deepInclude(yield* result(Task, "create", "t4", { input: { list: "a" } }), { number: 2 })
    })
  )

  it.effect("every parent has numbers of its own, and so have the rows without one", () =>
    Effect.gen(function* () {
      for (const round of [1, 2])
        for (const [index, list] of [null, "", "null", "\u0001", "\u0001\u0001"].entries()) {
          const made = yield* result(Task, "create", `own-${round}-${index}`, { input: { list } })
          assert.deepInclude(made, { list, number: round })
        }
    })
  )

  it.effect("versions count saves and refuse what is stale", () =>
    Effect.gen(function* () {
      const made = yield* execute(Account, "create", "versioned", { input: { name: "versioned" } })
      assert.strictEqual(versionOf(made), 1)
      const added = yield* execute(Account, "add", "versioned", { input: { amount: 5 }, expectedVersion: 1 })
      assert.strictEqual(versionOf(added), 2)
      const overwrite = (key: string, version: number) => execute(Account, "overwrite", key, { input: { version } })
      assert.strictEqual(yield* refused(overwrite("versioned", 1)), "VersionConflict")
      assert.strictEqual(yield* refused(overwrite("versioned", 3)), "VersionConflict")
      assert.strictEqual(yield* refused(overwrite("not-there", 3)), "VersionConflict")
      assert.isUndefined(yield* find(Account, "not-there"))
      assert.strictEqual(versionOf(yield* overwrite("versioned", 2)), 3)
      assert.strictEqual(versionOf(yield* overwrite("versioned", 0)), 4)
      assert.strictEqual(versionOf(yield* overwrite("fresh", 0)), 1)
      assert.strictEqual(
        yield* refused(execute(Account, "add", "versioned", { input: { amount: 1 }, expectedVersion: 1 })),
        "VersionConflict"
      )
      // A save of a key that is there replaces it, and counts on.
      assert.strictEqual(versionOf(yield* overwrite("versioned", 0)), 5)
      const row = { id: "versioned", name: "versioned", balance: 1 }
      assert.strictEqual(yield* refused(save(Account, { ...row, version: 2 })), "VersionConflict")
      assert.strictEqual((yield* save(Account, { ...row, version: 5 }))["version"], 6)
      assert.strictEqual((yield* save(Account, { ...row, version: 0 }))["version"], 7)
    })
  )

  it.effect("a mark tells a row from another that was under its key", () =>
    Effect.gen(function* () {
      const make = (name: string) => execute(Account, "create", "again", { input: { name } })
      const add = (expectedVersion: string | undefined) =>
        execute(Account, "add", "again", { input: { amount: 1 }, expectedVersion })
      const { mark: former } = yield* make("former")
      yield* remove(Account, "again")
      const { mark: latter } = yield* make("latter")
      assert.notStrictEqual(latter, former)
      assert.deepInclude(yield* failureOf(add(former)), { _tag: "VersionConflict", expected: 1 })
      const added = yield* add(latter)
      assert.strictEqual(yield* refused(add(latter)), "VersionConflict")
      // What read the row knows it by the same mark as what wrote it.
      assert.strictEqual((yield* execute(Account, "get", "again")).mark, added.mark)
    })
  )
}
