import { CurrentActor } from "@tenon/core/Actor"
import * as Executor from "@tenon/core/Executor"
import type { Executed } from "@tenon/core/Invocation"
import * as MemoryTables from "@tenon/core/MemoryTables"
import * as Repository from "@tenon/core/Repository"
import { RowStore } from "@tenon/core/RowStore"
import { UnitOfWork } from "@tenon/core/UnitOfWork"
import { prove, type Services } from "@tenon/testing/IsolationProof"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { found, registry } from "../support/isolationDomain.ts"

const b = Testing.actor({ tenantId: "tenant-b" })

/** Puts a leaky service in the place of a sound one. */
const withStore = (change: (store: RowStore["Service"]) => Partial<RowStore["Service"]>) =>
  Layer.effect(
    RowStore,
    Effect.map(RowStore, (store) => ({ ...store, ...change(store) }))
  )
const withUnit = (change: (unit: UnitOfWork["Service"]) => UnitOfWork["Service"]) =>
  Executor.layer(registry).pipe(Layer.provide(Layer.effect(UnitOfWork, Effect.map(UnitOfWork, change))))

const leaks: ReadonlyArray<readonly [string, Layer.Layer<any, never, any>, string]> = [
  [
    "a look-up that forgets the tenant",
    withStore((store) => ({
      find: (actor, resource, key) =>
        Effect.flatMap(store.find(actor, resource, key), (row) =>
          row === undefined ? store.find(b, resource, key) : Effect.succeed(row)
        )
    })),
    "store Team: find B's key"
  ],
  [
    "a list that adds the rows of others",
    withStore((store) => ({
      page: (actor, resource, query) =>
        actor.tenantId === b.tenantId
          ? store.page(actor, resource, query)
          : Effect.zipWith(store.page(actor, resource, query), store.page(b, resource, query), (mine, theirs) => ({
              items: [...mine.items, ...theirs.items],
              next: mine.next
            }))
    })),
    `store Team: list {"sort":"id","limit":"500"}`
  ],
  [
    "a count over all tenants",
    withStore((store) => ({
      count: (actor, resource, query) =>
        Effect.zipWith(store.count(actor, resource, query), store.count(b, resource, query), (x, y) => x + y)
    })),
    `store Team: count {"sort":"id","limit":"500"}`
  ],
  [
    "a removal that forgets the tenant",
    withStore((store) => ({
      remove: (actor, resource, key) =>
        Effect.zipWith(store.remove(actor, resource, key), store.remove(b, resource, key), (x, y) => x || y)
    })),
    "store Team: remove B's key"
  ],
  [
    "an action that runs in another tenant",
    withUnit((unit) => ({
      run: (work) =>
        unit.run(work.action === "Team.rename" ? { ...work, actor: { ...work.actor, tenantId: b.tenantId } } : work)
    })),
    "executor Team: rename on B's key"
  ],
  [
    "receipts that tenants share",
    withUnit((unit) => {
      const answers = new Map<string, Executed>()
      return {
        run: (work) => {
          const earlier = answers.get(work.receipt?.key ?? "")
          if (earlier !== undefined) return Effect.succeed(earlier)
          return Effect.tap(unit.run(work), (executed) =>
            Effect.sync(() => (work.receipt === undefined ? undefined : answers.set(work.receipt.key, executed)))
          )
        }
      }
    }),
    "executor Team: create with B's idempotencyKey and another input"
  ],
  [
    "a repository that answers for anybody",
    Layer.effect(
      Repository.Repository,
      Effect.map(Repository.Repository, (repository) => ({
        ...repository,
        get: (resource, key) =>
          Effect.catch(repository.get(resource, key), () =>
            Effect.provideService(repository.get(resource, key), CurrentActor, b)
          )
      }))
    ),
    "repository Team: get B's key"
  ]
]

describe("the isolation proof", () => {
  it.live("finds nothing where nothing leaks, and says what it tried", () =>
    Effect.gen(function* () {
      const report = yield* prove({ registry, settleMillis: 50 })
      assert.deepStrictEqual(report.breaches, [])
      assert.deepStrictEqual(Object.keys(report.actions), [
        "Team.create",
        "Team.rename",
        "Team.get",
        "Team.touch",
        "Member.create"
      ])
      for (const [action, times] of Object.entries(report.actions)) assert.isAbove(times, 0, action)
      for (const door of ["store", "repository", "interpreter", "executor"] as const) {
        assert.isAbove(report.attempts[door], 5, door)
      }
    }).pipe(Effect.provide(Testing.layer(registry)))
  )

  for (const [name, leak, expected] of leaks) {
    it.live(`finds ${name}`, () =>
      Effect.gen(function* () {
        assert.include(yield* found(), expected)
      }).pipe(Effect.provide(leak.pipe(Layer.provideMerge(Testing.layer(registry))) as Layer.Layer<Services>))
    )
  }

  it.live("finds numbering that goes on from the other tenant's", () =>
    Effect.gen(function* () {
      const next = MemoryTables.Tables.prototype.apply
      const seen = new Map<unknown, number>()
      MemoryTables.Tables.prototype.apply = function (tenantId, changes) {
        const applied = next.call(this, tenantId, changes)
        if (applied._tag === "Failure") return applied
        for (const [index, standing] of applied.success.entries()) {
          if (standing?.row["teamId"] === undefined || changes[index]?._tag !== "Save") continue
          const number = Math.max(Number(standing.row["number"]), (seen.get(standing.row["teamId"]) ?? 0) + 1)
          seen.set(standing.row["teamId"], number)
          Object.assign(standing.row, { number })
        }
        return applied
      }
      yield* Effect.addFinalizer(() => Effect.sync(() => (MemoryTables.Tables.prototype.apply = next)))
      assert.include(yield* found(), "store Member: take the first position in B's teamId")
    }).pipe(Effect.scoped, Effect.provide(Testing.layer(registry)))
  )
})
