/** What a store says of an action beforehand: what it would really do, and nothing done. */
import { CurrentActor } from "@tenon/core/Actor"
import * as Explain from "@tenon/core/Explain"
import type * as Resource from "@tenon/core/Resource"
import { Outbox } from "@tenon/core/UnitOfWork"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { a, count, execute, find, refused, save } from "./RepositoryLawsCalls.ts"
import type { It } from "./RepositoryLawsCalls.ts"
import { Account, Card, Gate, Guard, Leaf, Post, registry, Topic } from "./RepositoryLawsDomain.ts"

const explain = ({ name }: Resource.Any, action: string, key: string, input: Schema.Json) =>
  Effect.provideService(Explain.explain(registry, { resource: name, action, key, input }), CurrentActor, a)

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("what is explained is what would happen, and does not happen", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* execute(Topic, "create", "explained", { input: { title: "t" } })
      const input = { key: "1", text: "t" }
      const first = yield* explain(Topic, "post", "explained", input)
      assert.deepInclude(first.changes[0]?.row, { key: "1", position: 1 })
      assert.lengthOf(first.deliveries, 1)
      assert.lengthOf(first.events, 1)
      assert.strictEqual(yield* count(Post, "topicId", "explained"), 0)
      yield* outbox.drain(1000, () => Effect.void)
      yield* execute(Topic, "post", "explained", { input })
      assert.strictEqual(yield* outbox.drain(1000, () => Effect.void), 1)
      const again = yield* explain(Topic, "post", "explained", input)
      assert.deepInclude(again, { changes: [], deliveries: [], events: [] })
      assert.isUndefined(again.failure)
      assert.deepInclude((yield* explain(Topic, "post", "explained", { key: "2", text: "t" })).changes[0]?.row, {
        position: 2
      })
      yield* execute(Account, "create", "explained", { input: { name: "explained" } })
      const adds = yield* explain(Account, "add", "explained", { amount: 5 })
      assert.deepInclude(adds.changes[0]?.row, { balance: 5, version: 2 })
      assert.deepInclude(yield* find(Account, "explained"), { balance: 0, version: 1 })
      yield* execute(Account, "add", "explained", { input: { amount: 1 } })
    })
  )

  it.effect("what a store would refuse is explained as refused", () =>
    Effect.gen(function* () {
      yield* execute(Account, "create", "explained-1", { input: { name: "explained-1" } })
      yield* save(Card, { id: "explained", accountId: "explained-1", spare: null })
      yield* execute(Leaf, "create", "explained", { input: { page: "explained" } })
      yield* execute(Gate, "create", "explained", { input: { status: "NEW" } })
      yield* execute(Gate, "move", "explained", { input: { to: "OPEN" } })
      yield* execute(Gate, "move", "explained", { input: { to: "CLOSED" } })
      const calls: ReadonlyArray<readonly [Resource.Any, string, string, Schema.Json]> = [
        [Account, "create", "explained-2", { name: "explained-1" }],
        [Leaf, "create", "explained", { page: "another" }],
        [Account, "remove", "explained-1", {}],
        [Guard, "put", "explained", { what: "gate", id: "explained", to: "NEW" }]
      ]
      for (const [resource, action, key, input] of calls) {
        const explained = yield* explain(resource, action, key, input)
        const tag = yield* refused(execute(resource, action, key, { input }))
        assert.strictEqual(explained.failure?.tag, tag, `${resource.name}.${action}`)
        assert.deepStrictEqual(explained.changes, [])
      }
    })
  )
}
