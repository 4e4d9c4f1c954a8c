/** The demo as `npm run demo` runs it, and what it counts. */
import * as Demo from "@tenon/examples/demo/Demo"
import { serving } from "@tenon/examples/fault/Serving"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"

const command = serving(resolve(import.meta.dirname, "../../packages/examples/tenon.config.ts"))

describe("the demo", () => {
  it.live(
    "holds in everything that it checks",
    () =>
      Effect.gen(function* () {
        const checks = yield* Demo.run(command, () => {})
        assert.deepStrictEqual(
          checks.filter(({ ok }) => !ok),
          []
        )
        assert.lengthOf(checks, 17)
      }),
    120_000
  )

  const delivered = (channelId: string, ...positions: ReadonlyArray<number>) =>
    positions.map((position) => ({ channelId, position, status: "DELIVERED" }))

  it("counts what both channels heard: each message once, not more often and not less", () => {
    const { detail, ok } = Demo.heardOnce([...delivered("a", 2, 1), ...delivered("b", 1, 2)], 2)
    assert.deepStrictEqual([ok, detail], [true, "2 delivered, 2 delivered"])
    for (const [what, rows] of Object.entries({
      twice: [...delivered("a", 1, 2, 2), ...delivered("b", 1, 2)],
      "twice in the place of another": [...delivered("a", 1, 1), ...delivered("b", 1, 2)],
      never: [...delivered("a", 1), ...delivered("b", 1, 2)],
      "by one channel": delivered("a", 1, 2),
      "not yet": [...delivered("a", 1, 2), ...delivered("b", 1), { channelId: "b", position: 2, status: "PENDING" }]
    }))
      assert.isFalse(Demo.heardOnce(rows, 2).ok, what)
  })
})
