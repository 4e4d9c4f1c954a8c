/** Waiting for what comes later, on either clock. */
import { NotFound } from "@tenon/core/Failure"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

const counting = () => {
  let looks = 0
  return Effect.sync(() => ++looks)
}

it.effect("gives what was seen when it held, though the test clock stands still", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* Testing.eventually(counting(), (looks) => looks === 5), 5)
  })
)

it.live("takes a failure for not yet", () =>
  Effect.gen(function* () {
    const missing = new NotFound({ resource: "Widget", key: "w" })
    const look = Effect.flatMap(counting(), (looks) => (looks < 3 ? Effect.fail(missing) : Effect.succeed("there")))
    assert.strictEqual(yield* Testing.eventually(look, () => true), "there")
  })
)

it.live("says what was seen last where the time runs out", () =>
  Effect.gen(function* () {
    const never = Testing.eventually(Effect.succeed({ status: "RUNNING" }), () => false, { within: "50 millis" })
    const exit = yield* Effect.exit(never)
    assert.strictEqual(exit._tag, "Failure")
    if (exit._tag === "Failure") {
      assert.include(Cause.pretty(exit.cause), "within 50ms; last seen: { status: 'RUNNING' }")
    }
    const refused = yield* Effect.exit(Testing.eventually(Effect.fail("no"), () => true, { within: "50 millis" }))
    if (refused._tag === "Failure") assert.include(Cause.pretty(refused.cause), "no")
  })
)

it.live("ends where it is interrupted, or what it looks at is", () =>
  Effect.gen(function* () {
    const waiting = yield* Effect.forkChild(Testing.eventually(counting(), () => false))
    yield* Effect.sleep("30 millis")
    yield* Fiber.interrupt(waiting)
    const exit = yield* Effect.exit(Testing.eventually(Effect.interrupt, () => true))
    assert.isTrue(exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause))
  })
)
