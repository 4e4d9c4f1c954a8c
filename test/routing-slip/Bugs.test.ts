/** What the bugs of an activity make of its slip: a step that has failed at once, and may stand; on the test clock. */
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { story } from "../support/Slips.ts"

const one = { tenantId: "default", correlationId: "one" }
const hidden = {
  get text(): string {
    throw new Error("not to be looked at")
  }
}

const bugs: { readonly [what: string]: () => Effect.Effect<unknown, unknown, ActivityContext> } = {
  "throws before it is an effect": () => {
    throw new Error("a bug")
  },
  "interrupts itself": () => Effect.interrupt,
  "waits for what it has interrupted itself": () =>
    Effect.flatMap(Effect.forkChild(Effect.never), (fiber) =>
      Effect.andThen(Fiber.interrupt(fiber), Fiber.join(fiber))
    ),
  "fails with what cannot be shown": () => Effect.fail(new Proxy({}, { getPrototypeOf: () => Object(hidden.text) })),
  "sets a variable that cannot be looked at": () =>
    Effect.flatMap(ActivityContext, ({ setVariable }) => setVariable("hidden", hidden))
}

const fail = Activity.make("fail", { arguments: {}, execute: () => Effect.fail("no") })

/**
 * Runs a slip of one step, and of one that fails where that is wanted, for less than a lease; how often it was begun.
 */
const run = Effect.fnUntraced(function* (
  execute: () => Effect.Effect<unknown, unknown, ActivityContext>,
  compensate: () => Effect.Effect<unknown, unknown, ActivityContext>,
  fails: boolean
) {
  const begun = { forth: 0, back: 0 }
  const step = Activity.make("step", {
    arguments: {},
    log: { text: Schema.String },
    compensationRetry: { times: 1, delay: "1 second" },
    execute: () => {
      begun.forth++
      return Effect.as(execute(), { text: "done" })
    },
    compensate: () => {
      begun.back++
      return Effect.asVoid(compensate())
    }
  })
  const registry = Registry.make(step, fail)
  return yield* Effect.gen(function* () {
    const begin = RoutingSlip.builder(registry, one).pipe(RoutingSlip.add(step, {}))
    yield* RoutingSlip.dispatch(fails ? RoutingSlip.add(fail, {})(begin) : begin)
    yield* TestClock.adjust("20 seconds")
    const { deadLetters } = yield* Transport
    assert.deepStrictEqual(yield* deadLetters(step.queue), [])
    return { begun, told: yield* story(one) }
  }).pipe(
    Effect.provide(
      Worker.layer(registry, { lease: "1 minute" }).pipe(
        Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer)),
        Layer.provide(Security.layerUnsigned)
      )
    )
  )
})

describe("a step that", () => {
  for (const [what, bug] of Object.entries(bugs)) {
    it.effect(`${what} has failed at once, and may stand`, () =>
      Effect.gen(function* () {
        const { begun, told } = yield* run(bug, () => Effect.void, false)
        assert.deepStrictEqual(told, ["dispatched 0", "faulted 1"])
        assert.strictEqual(begun.forth, 1)
      })
    )

    it.effect(`${what} while it is undone is tried again as it declares, and halts`, () =>
      Effect.gen(function* () {
        const { begun, told } = yield* run(() => Effect.void, bug, true)
        assert.deepStrictEqual(told, ["dispatched 0", "executed 1", "faulted 2", "retrying 1", "halted 1"])
        assert.strictEqual(begun.back, 2)
      })
    )
  }
})
