/**
 * Time and chance inside a run, the same at every replay: the clock stands still but for what the journal says, and
 * random numbers come from the run's seed.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import { format, type Generate } from "./NewId.ts"

/** A clock that sleeps durably. */
export class RunClock implements Clock.Clock {
  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos: Effect.Effect<bigint> = this.currentTimeNanos
  readonly #wait: (until: number, millis: number) => Effect.Effect<void>
  #now: number

  /** `wait` waits durably for a time and gives it, in milliseconds since 1970. It begins at `now`. */
  constructor(now: number, wait: (until: number, millis: number) => Effect.Effect<void>) {
    this.#now = now
    this.#wait = wait
  }

  /** It is at least this late, as the journal shows. */
  advance(millis: number): void {
    this.#now = Math.max(this.#now, millis)
  }

  currentTimeMillisUnsafe(): number {
    return this.#now
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.floor(this.#now)) * 1_000_000n
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Math.ceil(Duration.toMillis(duration))
    if (millis <= 0) return Effect.yieldNow
    if (!Number.isFinite(millis)) return Effect.never
    return Effect.suspend(() => {
      const until = this.#now + millis
      return Effect.tap(this.#wait(until, millis), () => Effect.sync(() => this.advance(until)))
    })
  }
}

/** Random numbers from a source of numbers between 0 and 1. */
export const random = (next: () => number): typeof Random.Random.Service => ({
  nextDoubleUnsafe: next,
  nextIntUnsafe: () => Math.floor((next() - 0.5) * 2 * Number.MAX_SAFE_INTEGER)
})

/** New ids from a source of numbers between 0 and 1. */
export const newId =
  (next: () => number): Generate =>
  (millis) =>
    format(
      millis,
      Uint8Array.from({ length: 16 }, () => Math.floor(next() * 256))
    )

/** Numbers between 0 and 1 that are the same for the same text: Doty-Humphrey's sfc32 over a hash of it (FNV-1a). */
export const seeded = (text: string): (() => number) => {
  const word = (salt: number) => {
    let hash = 0x811c9dc5 ^ salt
    for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
    return hash >>> 0
  }
  let [a, b, c, count] = [word(1), word(2), word(3), 1]
  const next = () => {
    const mixed = (a + b + count) >>> 0
    count = (count + 1) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = (((c << 21) | (c >>> 11)) + mixed) >>> 0
    return mixed / 2 ** 32
  }
  // The first numbers still show the hash.
  for (let round = 0; round < 12; round++) next()
  return next
}
