/** Drives a run over promises that only look like Restate's: what is handed out is the program's alone. */
import type { RestatePromise } from "@restatedev/restate-sdk"
import { RunClock } from "@tenon/core/RunClock"
import { foreign } from "@tenon/core/RunTurns"
import { RunDriver } from "@tenon/restate/RunDriver"
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import { setTimeout as sleep } from "node:timers/promises"
import { kept } from "../support/kept.ts"

const make = () => {
  const driver = new RunDriver<void, never>("key", [], () => {})
  const context = Context.make(Scheduler.Scheduler, driver.turns.scheduler).pipe(
    Context.add(Clock.Clock, new RunClock(0, () => Effect.never))
  )
  return {
    await: <A>(promise: () => Promise<A>) => driver.await(() => promise() as unknown as RestatePromise<A>),
    run: (program: Effect.Effect<void>) => driver.run(context, program, () => undefined)
  }
}

it("a run that goes on for long keeps nothing of what it has waited for", async () => {
  const driver = make()
  const handedOut: Array<WeakRef<object>> = []
  const answer = () => {
    const value = { index: handedOut.length }
    handedOut.push(new WeakRef(value))
    return Promise.resolve(value)
  }
  const last = Promise.withResolvers<void>()
  const waits = Promise.withResolvers<void>()
  const running = driver.run(
    Effect.gen(function* () {
      for (let index = 0; index < 200; index++) yield* driver.await(answer)
      yield* driver.await(() => {
        waits.resolve()
        return last.promise
      })
    })
  )
  await waits.promise
  assert.isBelow(await kept(handedOut), 5)
  last.resolve()
  assert.strictEqual((await running)._tag, "Success")
})

it("a mistake of the program ends a run that waits, however long that would take", async () => {
  const driver = make()
  const running = driver.run(
    Effect.andThen(
      driver.await(() => Promise.resolve()),
      Effect.raceFirst(
        driver.await(() => new Promise<void>(() => {})),
        Effect.promise(() => sleep(1))
      )
    )
  )
  const outcome = await running.then(String, (error: Error) => error.message)
  assert.strictEqual(outcome, foreign)
})
