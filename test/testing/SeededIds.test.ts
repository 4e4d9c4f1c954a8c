import * as Tenon from "@tenon/core/Tenon"
import { registry } from "@tenon/examples/app/App"
import { Widget } from "@tenon/examples/widget/Widget"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const ids = (seed: number) =>
  Effect.forEach(["bolt", "nut"], (name) => Tenon.invoke(Widget.actions.create, { name })).pipe(
    Effect.map((rows) => rows.map(({ id }) => id)),
    Effect.provide(Testing.layer(registry).pipe(Layer.provideMerge(Testing.layerSeededIds(seed))))
  )

it.effect("a domain makes the same ids in each run for the same seed", () =>
  Effect.gen(function* () {
    const once = yield* ids(1)
    assert.strictEqual(new Set(once).size, 2)
    assert.deepStrictEqual(yield* ids(1), once)
    assert.notDeepEqual(yield* ids(2), once)
  })
)
