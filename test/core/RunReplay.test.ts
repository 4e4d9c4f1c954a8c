import { Durable } from "@tenon/core/Durable"
import type { Operation } from "@tenon/core/RunJournal"
import * as RunReplay from "@tenon/core/RunReplay"
import * as Workflow from "@tenon/core/Workflow"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Order = Workflow.make("Order", { input: { id: Schema.String }, signals: { paid: Schema.Json } })

const operation = (index: number, kind: Operation["kind"], name: string, outcome: Schema.Json = null): Operation => ({
  index,
  kind,
  name,
  startedAt: 1000 + index,
  endedAt: 1001 + index,
  outcome
})

/** Two steps side by side, the second of which was quicker; a signal; one more step. */
const recording: RunReplay.Recording = {
  workflow: "Order",
  key: "o1",
  id: "o1",
  actor: { id: "ada", tenantId: "a", kind: "user", roles: [] },
  input: { id: "o1" },
  beganAt: 1000,
  operations: [
    operation(1, "step", "price", { value: 7 }),
    operation(0, "step", "stock", { value: 3 }),
    operation(2, "signal", "paid", "yes"),
    operation(3, "step", "ship", { value: null })
  ]
}

let performed = 0
const done = <A>(value: A) => Effect.sync(() => (performed++, value))

const replay = (
  program: (durable: Durable["Service"]) => Effect.Effect<unknown, unknown>,
  of: RunReplay.Recording = recording
) =>
  Effect.gen(function* () {
    const implementation = yield* Workflow.implement(Order, () => Effect.asVoid(Effect.flatMap(Durable, program)))
    performed = 0
    const replayed = yield* RunReplay.check(implementation, of)
    assert.strictEqual(performed, 0, "nothing is performed")
    return replayed
  })

const both = (durable: Durable["Service"], second = "price") =>
  Effect.all([durable.step("stock", done(3)), durable.step(second, done(7))], { concurrency: "unbounded" })

it.effect("a program that has not changed does the same, however far the recording goes", () =>
  Effect.gen(function* () {
    const same = (durable: Durable["Service"]) =>
      Effect.gen(function* () {
        yield* both(durable)
        yield* durable.signal("paid")
        yield* durable.step("ship", done(null))
      })
    for (let length = 0; length <= recording.operations.length; length++) {
      const part = { ...recording, operations: recording.operations.slice(0, length) }
      assert.deepStrictEqual(yield* replay(same, part), { _tag: "Same", operations: length })
    }
  })
)

it.effect("the first operation that differs is named", () =>
  Effect.gen(function* () {
    const renamed = yield* replay((durable) => Effect.andThen(both(durable, "cost"), durable.signal("paid")))
    assert.deepStrictEqual(renamed, {
      _tag: "Differs",
      index: 1,
      expected: 'the step "price"',
      found: 'the step "cost"'
    })
    const swapped = yield* replay((durable) => Effect.andThen(durable.signal("paid"), both(durable)))
    assert.deepInclude(swapped, { _tag: "Differs", index: 0, expected: 'the step "stock"' })
    const sequential = yield* replay((durable) =>
      Effect.andThen(durable.step("stock", done(3)), durable.step("price", done(7)))
    )
    assert.deepInclude(sequential, { _tag: "Differs", index: 1, found: "not begun" })
  })
)

it.effect("a program that ends earlier, or has a bug, is told from one that goes on", () =>
  Effect.gen(function* () {
    const shorter = yield* replay((durable) => Effect.andThen(both(durable), durable.signal("paid")))
    assert.deepStrictEqual(shorter, {
      _tag: "Differs",
      index: 3,
      expected: 'the step "ship"',
      found: "not begun"
    })
    const sent = { ...recording, operations: [...recording.operations, operation(4, "send", "Mail.send")] }
    const silent = yield* replay(
      (durable) =>
        both(durable).pipe(Effect.andThen(durable.signal("paid")), Effect.andThen(durable.step("ship", done(null)))),
      sent
    )
    assert.deepStrictEqual(silent, {
      _tag: "Differs",
      index: 4,
      expected: 'the send "Mail.send"',
      found: "the end of the program"
    })
    const foreign = yield* replay(() => Effect.promise(() => Promise.resolve(1)), { ...recording, operations: [] })
    assert.strictEqual(foreign._tag, "Fails")
  })
)
