/** What a store keeps of rows: values, keys, conflicts, references, loads. */
import { CurrentActor } from "@tenon/core/Actor"
import * as Repository from "@tenon/core/Repository"
import { RowStore } from "@tenon/core/RowStore"
import type { EncodedRow } from "@tenon/core/UnitOfWork"
import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import {
  a,
  type Call,
  count,
  execute,
  failureOf,
  find,
  numbers,
  refused,
  result,
  save,
  sorted,
  together
} from "./RepositoryLawsCalls.ts"
import { Account, Badge, Card, Claim, Leaf, Post, Sample, Seat, Topic } from "./RepositoryLawsDomain.ts"
import type { It } from "./RepositoryLawsCalls.ts"
import { samples } from "./RepositoryLawsSamples.ts"

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("rows come back as they were saved", () =>
    Effect.gen(function* () {
      for (const [index, row] of samples(7, 60).entries()) {
        const saved = { ...row, id: `same-${index}` }
        yield* save(Sample, saved)
        assert.deepStrictEqual(yield* find(Sample, saved.id), saved)
      }
      const changed = { ...(yield* find(Sample, "same-1")), text: "changed", note: null, list: null }
      yield* save(Sample, changed)
      assert.deepStrictEqual(yield* find(Sample, "same-1"), changed)
      const rows = yield* RowStore
      assert.isTrue(yield* rows.remove(a, Sample, "same-1"))
      assert.isFalse(yield* rows.remove(a, Sample, "same-1"))
      assert.isUndefined(yield* find(Sample, "same-1"))
      const many = yield* rows.findMany(a, Sample, ["same-2", "none", "same-3", "same-2", "a\u0000b"])
      assert.deepStrictEqual(many.map(({ id }) => String(id)).toSorted(), ["same-2", "same-3"])
    })
  )

  it.effect("a negative zero is a zero, as in JSON", () =>
    Effect.gen(function* () {
      const repository = yield* Repository.Repository
      const at = DateTime.makeUnsafe(0)
      const draft = { id: "zero", text: "", count: -0, score: -0, flag: true, at, body: null, list: null }
      const saved = yield* repository.save(Sample, draft)
      const read = yield* repository.get(Sample, "zero")
      for (const { count, score } of [saved, read]) assert.isTrue(Object.is(count, 0) && Object.is(score, 0))
    }).pipe(Effect.provideService(CurrentActor, a))
  )

  it.effect("keys that nothing can be stored under find nothing", () =>
    Effect.gen(function* () {
      for (const key of ["a\u0000b", "\uD800", "'; drop table x; --"]) {
        assert.isUndefined(yield* find(Sample, key))
        assert.strictEqual(yield* refused(execute(Sample, "get", key)), "NotFound")
        assert.strictEqual(yield* refused(execute(Sample, "remove", key)), "NotFound")
      }
    })
  )

  it.effect("an earlier row stays where the conflict rule says so", () =>
    Effect.gen(function* () {
      const made = yield* together(20, (index) =>
        result(Claim, "create", `claim-${index}`, { input: { thing: "stone", by: String(index) } })
      )
      assert.strictEqual(new Set(made.map((each) => JSON.stringify(each))).size, 1)
      assert.strictEqual(yield* count(Claim, "thing", "stone"), 1)
    })
  )

  it.effect("a row that is replaced keeps its key and the time of its creation", () =>
    Effect.gen(function* () {
      const create = (key: string, place: string, holder: string, call: Call = {}) =>
        execute(Seat, "create", key, { ...call, input: { place, holder } })
      const first = (yield* create("s1", "aisle", "ada")).result
      yield* Effect.sleep(5)
      const caller = { key: "seat", fingerprint: "f" }
      const second = yield* create("s2", "aisle", "bob", { caller })
      assert.deepStrictEqual(second.result, { ...(first as object), holder: "bob", version: 2 })
      assert.deepStrictEqual(yield* find(Seat, "s1"), second.result as EncodedRow)
      assert.isUndefined(yield* find(Seat, "s2"))
      assert.deepStrictEqual(yield* create("s3", "aisle", "bob", { caller }), second)
      // The same through the store alone, and at the version that stands.
      const row = { id: "s4", place: "aisle", holder: "cyd", since: "2000-01-01T00:00:00.000Z" }
      assert.strictEqual(yield* refused(save(Seat, { ...row, version: 1 })), "VersionConflict")
      assert.deepStrictEqual(yield* save(Seat, { ...row, version: 2 }), {
        ...(first as object),
        holder: "cyd",
        version: 3
      })
      const badge = (yield* execute(Badge, "create", "b", { input: { text: "one" } })).result as EncodedRow
      yield* Effect.sleep(5)
      const anew = (yield* execute(Badge, "create", "b", { input: { text: "two" } })).result
      assert.deepStrictEqual(anew, { ...badge, text: "two" })
      assert.deepStrictEqual(yield* find(Badge, "b"), anew as EncodedRow)
    })
  )

  it.effect("a create makes a row once per key, unless a conflict rule is declared", () =>
    Effect.gen(function* () {
      const taken = (resource: string) => ({ _tag: "AlreadyExists", resource, fields: ["id"] })
      const create = (name: string, call: Call = {}) => execute(Account, "create", "made", { ...call, input: { name } })
      const once = { receipt: "made once" }
      const made = yield* create("made", once)
      yield* execute(Account, "add", "made", { input: { amount: 5 } })
      for (const name of ["made", "made anew"]) {
        assert.deepStrictEqual(yield* failureOf(create(name)), taken("LawAccount"))
        const other = create(name, { receipt: `made twice as ${name}` })
        assert.deepStrictEqual(yield* failureOf(other), taken("LawAccount"))
      }
      assert.deepStrictEqual(yield* create("made", once), made)
      assert.strictEqual(yield* result(Account, "get", "made"), 5)
      // What has gone may be made again.
      yield* execute(Account, "remove", "made")
      assert.deepInclude(yield* result(Account, "create", "made", { input: { name: "made" } }), { version: 1 })
      const together20 = yield* together(20, (index) => Effect.result(create(`made ${index}`)))
      assert.isTrue(together20.every((each) => each._tag === "Failure"))

      const leaf = (key: string, action = "create") =>
        result(Leaf, action, key, { input: action === "create" ? { page: "p" } : { page: "p", other: "leaf-1" } })
      assert.deepInclude(yield* leaf("leaf-1"), { number: 1, version: 1 })
      assert.deepStrictEqual(yield* failureOf(leaf("leaf-1")), taken("LawLeaf"))
      const many = yield* together(10, () => Effect.result(leaf("leaf-2")))
      assert.strictEqual(many.filter((each) => each._tag === "Success").length, 1)
      assert.deepInclude(yield* leaf("leaf-3", "createBeside"), { number: 3, version: 1 })
      assert.deepInclude(yield* find(Leaf, "leaf-1"), { number: 1, version: 2 })
      assert.deepStrictEqual(yield* failureOf(leaf("leaf-3", "createBeside")), taken("LawLeaf"))
    })
  )

  it.effect("a row cannot be moved to the natural key of another", () =>
    Effect.gen(function* () {
      const create = (key: string) => execute(Seat, "create", key, { input: { place: key, holder: key } })
      yield* create("left")
      yield* create("right")
      const before = yield* find(Seat, "right")
      const move = execute(Seat, "move", "left", { input: { place: "right" } })
      assert.deepStrictEqual(yield* failureOf(move), { _tag: "AlreadyExists", resource: "LawSeat", fields: ["id"] })
      assert.deepStrictEqual(yield* find(Seat, "right"), before)
      assert.strictEqual((yield* find(Seat, "left"))?.["place"], "left")
    })
  )

  it.effect("many saves of one natural key at once make one row", () =>
    Effect.gen(function* () {
      const made = yield* together(30, (index) =>
        execute(Seat, "create", `many-${index}`, { input: { place: "many", holder: String(index) } })
      )
      assert.strictEqual(yield* count(Seat, "place", "many"), 1)
      const rows = made.map(({ result }) => result as EncodedRow)
      assert.strictEqual(new Set(rows.map(({ id }) => id)).size, 1)
      assert.strictEqual(new Set(rows.map(({ since }) => since)).size, 1)
      assert.deepStrictEqual(sorted(rows.map(({ version }) => version)), numbers(30))
    })
  )

  it.effect("unique keys and references hold", () =>
    Effect.gen(function* () {
      yield* execute(Account, "create", "unique-1", { input: { name: "unique" } })
      const twice = yield* failureOf(execute(Account, "create", "unique-2", { input: { name: "unique" } }))
      assert.deepInclude(twice, { _tag: "AlreadyExists", resource: "LawAccount", fields: ["name"] })
      const dangling = execute(Card, "create", "card", { input: { accountId: "nobody", spare: null } })
      assert.deepInclude(yield* failureOf(dangling), {
        _tag: "BrokenReference",
        resource: "LawCard",
        relation: "account"
      })
      yield* execute(Card, "create", "card", { input: { accountId: "unique-1", spare: null } })
      const held = yield* failureOf(execute(Account, "remove", "unique-1"))
      assert.deepInclude(held, { _tag: "BrokenReference", resource: "LawCard", relation: "account" })
      yield* execute(Topic, "create", "cascade", { input: { title: "t" } })
      yield* execute(Topic, "post", "cascade", { input: { key: "k", text: "t" } })
      yield* execute(Topic, "remove", "cascade")
      assert.strictEqual(yield* count(Post, "topicId", "cascade"), 0)
    })
  )

  it.effect("an action gets what it loads", () =>
    Effect.gen(function* () {
      yield* execute(Account, "create", "loads", { input: { name: "loads" } })
      yield* execute(Card, "create", "load-1", { input: { accountId: "loads", spare: null } })
      yield* execute(Card, "create", "load-2", { input: { accountId: "loads", spare: "yes" } })
      assert.deepStrictEqual(yield* result(Card, "peers", "load-1"), [2, 1, "loads"])
    })
  )

  it.effect("text that cannot be stored is refused, not a defect", () =>
    Effect.gen(function* () {
      for (const bad of ["a\u0000b", "\uD800"]) {
        const exits = yield* Effect.all([
          Effect.exit(execute(Account, "create", "bad", { input: { name: bad } })),
          Effect.exit(execute(Account, "create", bad, { input: { name: "bad" } })),
          Effect.exit(execute(Account, "overwrite", bad, { input: { version: 0 } })),
          Effect.exit(save(Sample, { ...samples(1, 1)[0], id: "bad", body: { bad } }))
        ])
        for (const exit of exits) assert.isFalse(Exit.isFailure(exit) && Exit.hasDies(exit), JSON.stringify(exit))
      }
    })
  )
}
