/**
 * A run that was claimed twice: its first worker was thought lost, and is not. Whatever that one writes then, and
 * however far the second has come, nothing of it counts.
 */
import type { Operation, RunJournal } from "@tenon/core/RunJournal"
import { type Claim, type Next, RunStore } from "@tenon/core/RunStore"
import { assert } from "@effect/vitest"
import type * as Vitest from "@effect/vitest"
import * as Effect from "effect/Effect"
import { outcomes, own, put, type Run, standing } from "./RunEngineLawsWorld.ts"

const nexts: ReadonlyArray<Next> = [
  { _tag: "Running" },
  { _tag: "Waiting", afterMillis: undefined, mail: 0 },
  { _tag: "Waiting", afterMillis: 0, mail: 0, problem: "late" },
  { _tag: "Paused", problem: "late" },
  { _tag: "Ended", status: "done" },
  { _tag: "Ended", status: "failed", problem: "late" }
]

const stepOf = (outcome: string): Operation => ({
  index: 0,
  kind: "step",
  name: "work",
  startedAt: 0,
  endedAt: 0,
  outcome
})

const claimed = Effect.fnUntraced(function* (run: Run, leaseMillis: number) {
  const { claim } = yield* RunStore
  const { runs } = yield* claim({
    workflows: [run.workflow],
    limit: 1,
    doubtful: 1,
    leaseMillis,
    now: Date.now()
  })
  assert.strictEqual(runs.length, 1)
  return runs[0]?.claim as Claim
})

/** Declares the tests in a suite over a store. */
export const fencingLaws = (it: Vitest.Vitest.MethodsNonLive<RunStore | RunJournal>): void => {
  for (const next of nexts) {
    for (const operations of [[], [stepOf("late")]]) {
      const what = `${next._tag}${"problem" in next ? " with a problem" : ""} and ${operations.length} operations`
      it.effect(`the older of two claims writes nothing: ${what}`, () =>
        Effect.gen(function* () {
          const store = yield* RunStore
          const run = own()
          yield* put(run)
          const older = yield* claimed(run, 1)
          yield* Effect.sleep(20)
          const newer = yield* claimed(run, 60_000)
          const late = yield* Effect.flip(store.write(older, 0, { operations, deliveries: [], next }))
          assert.strictEqual(late._tag, "LeaseLost")
          assert.deepStrictEqual(yield* store.renew([older], 60_000), [])
          assert.deepStrictEqual(yield* store.look([older]), [])
          assert.deepStrictEqual(yield* standing(run), { status: "running", problem: undefined })
          yield* store.write(newer, 0, { operations: [stepOf("in time")], deliveries: [], next: { _tag: "Running" } })
          assert.deepStrictEqual(yield* outcomes(run), [["step", "work", "in time"]])
          yield* store.write(newer, 1, { operations: [], deliveries: [], next: { _tag: "Ended", status: "done" } })
        })
      )
    }
  }
}
