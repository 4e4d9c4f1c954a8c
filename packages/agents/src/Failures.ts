/**
 * Which operation a run fails by: the failures that its operations have handed to its program are noted, in their
 * order, so that the one which the program ends with can be told from those that it has dealt with.
 */
import type { Durable } from "@tenon/core/Durable"
import * as Effect from "effect/Effect"

/** Those of one attempt of a run. */
export class Failures {
  readonly #noted: Array<unknown> = []

  /** Notes what an effect fails with. */
  readonly noting = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.tapError(effect, (failure) => Effect.sync(() => void this.#noted.push(failure)))

  /** The run's operations, with the failures of steps and calls noted. */
  of(durable: Durable["Service"]): Durable["Service"] {
    return {
      ...durable,
      step: (name, effect, options) => this.noting(durable.step(name, effect, options)),
      call: (action, key, input, options) => this.noting(durable.call(action, key, input, options))
    }
  }

  /**
   * How many were noted after this one, or after the first of those that it is made of; undefined where it is of none.
   */
  countedBack(failure: unknown): number | undefined {
    const places = [...madeOf(failure)].map((each) => this.#noted.lastIndexOf(each)).filter((at) => at >= 0)
    return places.length === 0 ? undefined : this.#noted.length - 1 - Math.min(...places)
  }
}

/** How many objects a failure is looked for in. */
const most = 1000

/** A failure and the objects that it holds: its cause, for one. */
const madeOf = (failure: unknown): ReadonlySet<unknown> => {
  const found = new Set([failure])
  for (const each of found) {
    if (typeof each !== "object" || each === null) continue
    for (const key of Reflect.ownKeys(each)) {
      const part: unknown = Object.getOwnPropertyDescriptor(each, key)?.value
      if (found.size < most && typeof part === "object" && part !== null) found.add(part)
    }
  }
  return found
}
