import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "../support/SlipSimulation.ts"

const seeds = Number(process.env["TENON_SEEDS"] ?? 200)
const first = Number(process.env["TENON_SEED"] ?? 1)

describe("a mesh in trouble", () => {
  it.live(
    `loses nothing, does nothing twice and leaves nothing stuck, in ${seeds} seeded runs`,
    () =>
      Effect.gen(function* () {
        const totals = new Map<string, number>()
        for (let seed = first; seed < first + seeds; seed++) {
          const { counts, violations } = yield* run(seed)
          assert.deepStrictEqual(violations, [], `TENON_SEED=${seed} TENON_SEEDS=1`)
          for (const [what, count] of Object.entries(counts)) totals.set(what, (totals.get(what) ?? 0) + count)
        }
        console.log(Object.fromEntries([...totals].toSorted()))
        // A simulation in which something never happens proves nothing about it.
        const trouble = [
          "Lost",
          "Unconfirmed",
          "Duplicated",
          "Delayed",
          "ack lost",
          "completed",
          "faulted",
          "cancelled",
          "scattered",
          "gathered",
          "superseded"
        ]
        const points = ["admitted", "claimed", "executed", "stored", "published", "dispatched"]
        if (seeds >= 100) {
          for (const what of [...trouble, ...points.map((point) => `crash ${point}`)]) {
            assert.isAbove(totals.get(what) ?? 0, 0, what)
          }
        }
      }),
    Math.max(600_000, seeds * 500)
  )
})
