/**
 * An attempt that goes on for long keeps nothing of what is over, and its end waits for no body that takes no notice.
 */
import { Durable } from "@tenon/core/Durable"
import * as RunAttempt from "@tenon/core/RunAttempt"
import * as Workflow from "@tenon/core/Workflow"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

const Long = Workflow.make("Long", { input: {} })
const mail = { count: 0, signals: [], cancelled: false }

/** Runs a program; `written` is told of each write. */
const attempt = Effect.fnUntraced(function* (
  program: Effect.Effect<void, never, Durable>,
  scope: Scope.Scope,
  written = () => {}
) {
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
    write: () => Effect.sync(written),
    perform: () => Effect.die("nothing is called"),
    idleMillis: 1_000
  }).pipe(Scope.provide(scope))
})

const finalizersOf = ({ state }: Scope.Scope) => (state._tag === "Open" ? (state.finalizers?.size ?? 1) : 0)

it.effect("a run of many steps has one finalizer, however many of them are over", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const durable = Effect.flatMap(Durable, ({ step }) =>
      Effect.forEach(
        Array.from({ length: 100 }, (_, index) => `step ${index}`),
        (name) => step(name, Effect.yieldNow),
        { discard: true }
      )
    )
    let most = 0
    const ending = yield* attempt(durable, scope, () => (most = Math.max(most, finalizersOf(scope))))
    assert.strictEqual(ending._tag, "Ended")
    assert.strictEqual(most, 1)
  })
)

it.effect("the end of a run interrupts all bodies that are under way, and waits a second for them at most", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
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
    const running = yield* Effect.forkChild(attempt(program, scope))
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    yield* Fiber.interrupt(running)
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
    yield* TestClock.adjust("1 second")
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    assert.isDefined(closing.pollUnsafe(), "it waits no longer")
    assert.deepStrictEqual(interrupted.toSorted(), ["a", "b", "c"])
  })
)
