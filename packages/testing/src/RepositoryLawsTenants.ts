/** Whose rows a store shows. */
import * as Query from "@tenon/core/Query"
import { RowStore } from "@tenon/core/RowStore"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { b, count, execute, find, post, refused, save } from "./RepositoryLawsCalls.ts"
import { Account, Card, Planet, Sample, Topic } from "./RepositoryLawsDomain.ts"
import type { It } from "./RepositoryLawsCalls.ts"
import { samples } from "./RepositoryLawsSamples.ts"

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("two tenants never see each other", () =>
    Effect.gen(function* () {
      const rows = yield* RowStore
      const [sample] = samples(3, 1)
      const mine = { ...sample, id: "shared", text: "mine" }
      const theirs = { ...sample, id: "shared", text: "theirs" }
      yield* save(Sample, mine)
      assert.isUndefined(yield* find(Sample, "shared", b))
      assert.deepStrictEqual(yield* rows.findMany(b, Sample, ["shared"]), [])
      assert.isFalse(yield* rows.remove(b, Sample, "shared"))
      assert.strictEqual(yield* count(Sample, "text", "mine", b), 0)
      for (const action of ["get", "remove"]) {
        assert.strictEqual(yield* refused(execute(Sample, action, "shared", { by: b })), "NotFound")
      }
      yield* save(Sample, theirs, b)
      assert.deepStrictEqual(yield* find(Sample, "shared"), mine)
      assert.deepStrictEqual(yield* find(Sample, "shared", b), theirs)
      const query = yield* Effect.fromResult(Query.parse(Sample, { limit: "500" }))
      assert.deepStrictEqual((yield* rows.page(b, Sample, query)).items, [theirs])
      yield* execute(Sample, "remove", "shared", { by: b })
      assert.deepStrictEqual(yield* find(Sample, "shared"), mine)
      // Unique names, counters and references are a tenant's own.
      yield* execute(Account, "create", "apart", { input: { name: "apart" } })
      yield* execute(Account, "create", "apart", { by: b, input: { name: "apart" } })
      yield* execute(Account, "create", "apart-a", { input: { name: "apart-a" } })
      const across = execute(Card, "create", "across", { by: b, input: { accountId: "apart-a", spare: null } })
      assert.strictEqual(yield* refused(across), "BrokenReference")
      yield* execute(Topic, "create", "apart", { input: { title: "t" } })
      yield* execute(Topic, "create", "apart", { by: b, input: { title: "t" } })
      assert.deepStrictEqual(
        yield* Effect.all([post("apart", "1"), post("apart", "2"), post("apart", "1", b)], { concurrency: 1 }),
        [1, 2, 1]
      )
    })
  )

  it.effect("rows of no tenant are everyone's", () =>
    Effect.gen(function* () {
      yield* execute(Planet, "create", "mars", { input: { name: "Mars" } })
      yield* execute(Planet, "rename", "mars", { by: b, input: { name: "Ares" } })
      assert.deepStrictEqual(yield* find(Planet, "mars"), { id: "mars", name: "Ares" })
      yield* execute(Planet, "remove", "mars", { by: b })
      assert.isUndefined(yield* find(Planet, "mars"))
    })
  )
}
