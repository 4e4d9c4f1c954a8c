import { HopStore, type SlipRecord } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as HopStoreLaws from "@tenon/testing/HopStoreLaws"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

HopStoreLaws.suite("HopStoreMemory", HopStoreMemory.layer)

it.effect("a hop store in memory keeps every slip that goes on, and the newest 10,000 that are over", () =>
  Effect.gen(function* () {
    const store = yield* HopStore
    const open = (correlationId: string, status: SlipRecord["status"]) =>
      store.open(
        { tenantId: "a", correlationId, status, activity: "x", updatedAt: 1, body: new Uint8Array() },
        { queue: "q", id: correlationId, body: new Uint8Array() },
        { type: "dispatched", step: "1", activity: "x", detail: "", at: 1 }
      )
    yield* open("goes on", "executing")
    for (let index = 0; index <= 10_000; index++) yield* open(`over ${index}`, "completed")
    const known = (correlationId: string) => Effect.map(store.slip("a", correlationId), (slip) => slip !== undefined)
    assert.isTrue(yield* known("goes on"))
    assert.isFalse(yield* known("over 0"))
    assert.isTrue(yield* known("over 1"))
    assert.strictEqual((yield* store.pending(20_000, -1)).length, 10_001, "nothing is sent of what is forgotten")
  }).pipe(Effect.provide(HopStoreMemory.layer))
)
