import { CurrentActor } from "@tenon/core/Actor"
import * as Executor from "@tenon/core/Executor"
import { Interpreter, layer as interpreter } from "@tenon/core/Interpreter"
import * as Query from "@tenon/core/Query"
import * as RuntimeMemory from "@tenon/core/RuntimeMemory"
import * as Workflow from "@tenon/core/Workflow"
import { registry } from "@tenon/testing/RepositoryLaws"
import { Sample } from "@tenon/testing/RepositoryLawsDomain"
import { actor } from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as StoreDatabase from "../support/StoreDatabase.ts"

const services = interpreter.pipe(
  Layer.provideMerge(RuntimeMemory.layer),
  Layer.provideMerge(Executor.layer(registry)),
  Layer.provideMerge(StoreDatabase.layer),
  Layer.provide(Workflow.layer())
)

const input = { text: "a", count: 1, score: 1, flag: true, at: "2026-01-01T00:00:00.000Z", body: null, list: null }

suite(services, { timeout: 60_000, excludeTestServices: true })("a row in PostgreSQL", (it) => {
  it.effect("is shown as its schema encodes it by every door: an optional field that is absent is not null", () =>
    Effect.gen(function* () {
      const { find, list, perform } = yield* Interpreter
      const { result } = yield* perform({ resource: Sample.name, action: "create", input })
      assert.notProperty(result, "note")
      const page = yield* list(Sample, Result.getOrThrow(Query.parse(Sample, {})))
      assert.deepStrictEqual<unknown>(page.items, [result])
      const { id } = page.items[0] ?? {}
      assert.deepStrictEqual<unknown>(yield* find(Sample, String(id)), result)
    }).pipe(Effect.provideService(CurrentActor, actor({ tenantId: "tenant-a" })))
  )

  it.effect("is listed after a cursor whose instant only JavaScript can read, as it is by a filter", () =>
    Effect.gen(function* () {
      const { list, perform } = yield* Interpreter
      const { result } = yield* perform({ resource: Sample.name, action: "create", input })
      const cursor = (at: Schema.Json) =>
        Buffer.from(JSON.stringify({ order: "at,id", after: [at, "a"] })).toString("base64url")
      const parse = (at: Schema.Json) => Query.parse(Sample, { sort: "at", after: cursor(at) })
      for (const at of ["2020-01-01 (then)", "2020-01-01"])
        assert.deepStrictEqual<unknown>((yield* list(Sample, Result.getOrThrow(parse(at)))).items, [result])
      for (const at of ["then", 20200101, null, true]) assert.isTrue(Result.isFailure(parse(at)), String(at))
    }).pipe(Effect.provideService(CurrentActor, actor({ tenantId: "tenant-b" })))
  )
})
