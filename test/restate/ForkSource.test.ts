/** What a fork waits for before it reads what its source has done. */
import type { Operation } from "@tenon/core/RunJournal"
import * as RunStoreMemory from "@tenon/core/RunStoreMemory"
import * as ForkSource from "@tenon/restate/ForkSource"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

const source = { tenantId: "acme", workflow: "Forked", key: "source" }
const origin = { seed: "what it draws", beganAt: 1 }
const paid: Operation = { index: 0, kind: "step", name: "pay", startedAt: 0, endedAt: 0, outcome: {} }

it.effect("a run that was over before its journal knew of it is waited for", () =>
  Effect.gen(function* () {
    const { journal } = RunStoreMemory.make(() => Effect.void)
    const reading = yield* Effect.forkChild(ForkSource.read(journal, source, { key: source.key }, "fork"))
    yield* TestClock.adjust("100 millis")
    yield* journal.record(source, {
      offset: 0,
      operations: [paid],
      standing: { status: "failed", problem: "no luck" },
      beginning: { ...origin, actor: { id: "a", tenantId: "acme", kind: "user", roles: [] } }
    })
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(yield* Fiber.join(reading), { operations: [paid], origin })
  })
)

it.effect("one of which nothing is ever recorded is not waited for without end", () =>
  Effect.gen(function* () {
    const { journal } = RunStoreMemory.make(() => Effect.void)
    const reading = yield* Effect.forkChild(ForkSource.read(journal, source, { key: source.key }, "fork"))
    yield* TestClock.adjust("3 seconds")
    assert.deepStrictEqual(yield* Fiber.join(reading), undefined)
  })
)
