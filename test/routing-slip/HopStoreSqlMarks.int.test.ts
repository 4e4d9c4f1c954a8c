import { HopStore, openingKey } from "@tenon/routing-slip/HopStore"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipStore from "../support/SlipStore.ts"

const slipOf = (correlationId: string) =>
  ({
    tenantId: "tenant-a",
    correlationId,
    status: "executing",
    activity: "a",
    updatedAt: 1,
    body: new Uint8Array([1])
  }) as const

const event = { type: "dispatched", step: "0", activity: "a", detail: "", at: 1 } as const
const message = (id: string) => ({ queue: "q", id, body: new TextEncoder().encode(id) })

/** Records slips whose first messages are still to be sent. */
const open = (ids: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const store = yield* HopStore
    yield* Effect.forEach(ids, (id) => store.open(slipOf(id), message(id), event))
    return store
  })

const pending = Effect.gen(function* () {
  const store = yield* HopStore
  return (yield* store.pending(1_000, 0)).map(({ message: { id } }) => id).toSorted()
})

it.live("what was sent is marked when the store closes, at the latest, and seen by this process at once", () =>
  Effect.gen(function* () {
    const { roles, url } = yield* SlipDatabase.make
    const during = <A, E>(effect: Effect.Effect<A, E, HopStore>) =>
      Effect.provide(effect, SlipStore.over(url, roles), { local: true })
    const ids = Array.from({ length: 450 }, (_, index) => `s${String(index).padStart(3, "0")}`)
    const [left, ...sent] = ids
    yield* during(
      Effect.gen(function* () {
        const store = yield* open(ids)
        yield* Effect.forEach(sent, (id) => store.dispatched(openingKey(slipOf(id)), id), { discard: true })
      })
    )
    assert.deepStrictEqual(yield* during(pending), [left])
    yield* during(
      Effect.gen(function* () {
        const store = yield* open(["last"])
        yield* store.dispatched(openingKey(slipOf("last")), "last")
        assert.deepStrictEqual(yield* pending, [left])
      })
    )
  }).pipe(Effect.scoped)
)
