import { HopStore, openingKey, type SlipRecord } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as HopStoreLaws from "@tenon/testing/HopStoreLaws"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

HopStoreLaws.suite("HopStoreMemory", HopStoreMemory.layer)

it.effect(
  "a hop store in memory keeps every slip that goes on, and the newest 10,000 that are over and done with",
  () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const open = Effect.fnUntraced(function* (correlationId: string, status: SlipRecord["status"], isSent: boolean) {
        const slip = { tenantId: "a", correlationId, status, activity: "x", updatedAt: 0, body: new Uint8Array() }
        const first = { queue: "q", id: correlationId, body: new Uint8Array() }
        yield* store.open(slip, first, { type: "dispatched", step: "1", activity: "x", detail: "", at: 1 })
        if (isSent) yield* store.dispatched(openingKey(slip), correlationId)
      })
      yield* open("goes on", "executing", true)
      yield* open("not sent", "completed", false)
      for (let index = 0; index <= 10_000; index++) yield* open(`over ${index}`, "completed", true)
      const known = (correlationId: string) => Effect.map(store.slip("a", correlationId), (slip) => slip !== undefined)
      assert.isTrue(yield* known("goes on"))
      assert.isTrue(yield* known("not sent"))
      assert.isFalse(yield* known("over 0"))
      assert.isTrue(yield* known("over 10000"))
      yield* open("over 0", "completed", true)
      assert.isFalse(yield* known("over 0"), "it is not begun again")
      // What comes late of it has it known by its name, and still nothing of it is done.
      const key = { tenantId: "a", correlationId: "over 0", step: "1", phase: "execute" } as const
      yield* store.cancel("a", "over 0", "late")
      yield* store.arrive(key, "1/execute", { branch: "1.1", body: new Uint8Array() })
      yield* open("over 0", "completed", true)
      assert.isFalse(yield* known("over 0"))
      const incoming = { queue: "q", id: "late", body: new Uint8Array() }
      const claimed = yield* store.claim(key, { digest: "d", index: undefined, branch: "", incoming }, 1_000)
      assert.strictEqual(claimed._tag, "Purged")
    }).pipe(Effect.provide(HopStoreMemory.layer))
)

it.effect("a hop store in memory keeps of what a broker's client has read only what a slip says", () =>
  Effect.gen(function* () {
    const store = yield* HopStore
    // A client reads many messages at once, and gives each as a part of that.
    const body = new Uint8Array(new ArrayBuffer(65_536), 100, 4).fill(7)
    const slip = { tenantId: "a", correlationId: "c", status: "executing", activity: "x", updatedAt: 0, body } as const
    const first = { queue: "q", id: "m", body }
    yield* store.open(slip, first, { type: "dispatched", step: "1", activity: "x", detail: "", at: 1 })
    const kept = (yield* store.slip("a", "c"))?.body
    assert.deepStrictEqual([...(kept ?? [])], [7, 7, 7, 7])
    assert.strictEqual(kept?.buffer.byteLength, 4)
  }).pipe(Effect.provide(HopStoreMemory.layer))
)
