/**
 * Time and chance inside a run, the same at every replay: the clock stands still but for what the journal says, and
 * random numbers come from the invocation's seed.
 */
import type * as restate from "@restatedev/restate-sdk"
import { format, type Generate } from "@tenon/core/NewId"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import type { RunDriver } from "./RunDriver.ts"

/** A clock that sleeps durably. It begins at the time that the run was asked for. */
export class RunClock implements Clock.Clock {
  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos: Effect.Effect<bigint> = this.currentTimeNanos
  readonly #ctx: restate.Context
  readonly #driver: RunDriver
  #now: number

  constructor(ctx: restate.Context, driver: RunDriver, now: number) {
    this.#ctx = ctx
    this.#driver = driver
    this.#now = now
  }

  /** It is at least this late, as the journal shows. */
  advance(millis: number): void {
    this.#now = Math.max(this.#now, millis)
  }

  currentTimeMillisUnsafe(): number {
    return this.#now
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.#now) * 1_000_000n
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (millis <= 0) return Effect.yieldNow
    if (!Number.isFinite(millis)) return Effect.never
    return Effect.suspend(() => {
      const until = this.#now + millis
      return Effect.tap(
        this.#driver.await(() => this.#ctx.sleep(Math.ceil(millis))),
        () => Effect.sync(() => this.advance(until))
      )
    })
  }
}

/** Random numbers from the invocation's seed. */
export const random = (ctx: restate.Context): typeof Random.Random.Service => ({
  nextDoubleUnsafe: () => ctx.rand.random(),
  nextIntUnsafe: () => Math.floor((ctx.rand.random() - 0.5) * 2 * Number.MAX_SAFE_INTEGER)
})

/** New ids from the invocation's seed. */
export const newId =
  (ctx: restate.Context): Generate =>
  (millis) =>
    format(
      millis,
      Uint8Array.from({ length: 16 }, () => Math.floor(ctx.rand.random() * 256))
    )
