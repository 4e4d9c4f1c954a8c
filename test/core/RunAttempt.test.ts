/**
 * An attempt that goes on for long keeps nothing of what is over, and its end waits for no body that takes no notice.
 */
import { Durable } from "@tenon/core/Durable"
import * as RunAttempt from "@tenon/core/RunAttempt"
import * as Workflow from "@tenon/core/Workflow"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as TestClock from "effect/testing/TestClock"
import { kept } from "../support/kept.ts"

const Long = Workflow.make("Long", { input: {} })
const mail = { count: 0, signals: [], cancelled: false }

/** Runs a program. */
const attempt = Effect.fnUntraced(function* (program: Effect.Effect<void, never, Durable>) {
  return yield* RunAttempt.run<never>({
    implementation: yield* Workflow.implement(Long, () => program),
    run: {
      claim: { tenantId: "a", workflow: Long.name, key: "k", token: 1 },
      id: "run",
      actor: { id: "ada", tenantId: "a", kind: "user", roles: [] },
      input: {},
      beganAt: 0,
      failures: 0,
      lost: 0,
      fork: undefined,
      trace: undefined
    },
    operations: [],
    mail,
    mailed: Latch.makeUnsafe(false),
    readMail: Effect.succeed(mail),
    write: () => Effect.void,
    perform: () => Effect.die("nothing is called"),
    idleMillis: 1_000
  })
})

it.effect("the end of a run interrupts all bodies that are under way, and waits a second for them at most", () =>
  Effect.gen(function* () {
    const interrupted: Array<string> = []
    const program = Effect.flatMap(Durable, ({ step }) =>
      Effect.forEach(
        ["a", "b", "c"],
        (name) =>
          step(
            name,
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.push(name)))
          ),
        { concurrency: "unbounded", discard: true }
      ).pipe(
        Effect.raceFirst(step("deaf", Effect.uninterruptible(Effect.never))),
        Effect.raceFirst(step("deaf as well", Effect.uninterruptible(Effect.never)))
      )
    )
    const running = yield* Effect.forkChild(attempt(program))
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    const closing = yield* Effect.forkChild(Fiber.interrupt(running))
    yield* TestClock.adjust("1 second")
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    assert.isDefined(closing.pollUnsafe(), "it waits no longer")
    assert.deepStrictEqual(interrupted.toSorted(), ["a", "b", "c"])
  })
)

it.live("a run of many steps keeps no body of those that are over, while it goes on", () =>
  Effect.gen(function* () {
    const bodies: Array<WeakRef<object>> = []
    const body = Effect.withFiber<void>((fiber) => {
      bodies.push(new WeakRef(fiber))
      return Effect.sleep(0)
    })
    const last = Latch.makeUnsafe(false)
    const waits = Latch.makeUnsafe(false)
    const program = Effect.gen(function* () {
      const { step } = yield* Durable
      for (let index = 0; index < 100; index++) yield* step(`step ${index}`, body)
      yield* step("last", Effect.andThen(waits.open, last.await))
    })
    const running = yield* Effect.forkChild(attempt(program))
    yield* waits.await
    assert.isBelow(yield* Effect.promise(() => kept(bodies)), 5)
    yield* last.open
    assert.strictEqual((yield* Fiber.join(running))._tag, "Ended")
  })
)
