/** Crashes a program once, at a checkpoint of one's choice: run it undisturbed first, then once per place it passed. */
import { Crash, type Point } from "@tenon/core/Checkpoint"
import * as Effect from "effect/Effect"

/** Notes every checkpoint that is passed; the n-th passing of one is a place of its own. */
export class CrashPoints {
  /** The places passed since `begin`, in order. */
  passed: Array<string> = []
  #target: string | undefined
  #seen = new Map<string, number>()

  /** Starts over; crashes when `target` is passed, if one is given. */
  begin(target?: string): void {
    this.passed = []
    this.#seen = new Map()
    this.#target = target
  }

  /** Whether the crash that was asked for has happened. */
  get crashed(): boolean {
    return this.#target === undefined
  }

  /** For `Checkpoint`. */
  readonly listen = (point: Point, what: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const name = `${point} ${what}`
      const count = (this.#seen.get(name) ?? 0) + 1
      this.#seen.set(name, count)
      const place = `${name} (${count})`
      this.passed.push(place)
      if (place !== this.#target) return Effect.void
      this.#target = undefined
      return Effect.die(new Crash(`A crash at ${place}`))
    })
}
