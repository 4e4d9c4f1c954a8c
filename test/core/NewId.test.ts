import { NewId } from "@tenon/core/NewId"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

it.effect("ids that are made in one millisecond sort in the order in which they were made", () =>
  Effect.gen(function* () {
    const newId = yield* NewId
    for (const millis of [0, 1, 1_700_000_000_000]) {
      const ids = Array.from({ length: 2000 }, () => newId(millis))
      assert.deepStrictEqual(ids.toSorted(), ids)
      assert.strictEqual(new Set(ids).size, ids.length)
    }
  })
)
