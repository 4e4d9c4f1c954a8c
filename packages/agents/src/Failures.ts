/**
 * Which operation a run fails by: the failures that its operations have handed to its program are noted, in their
 * order, so that the one which the program ends with can be told from those that it has dealt with.
 */
import type { Durable } from "@tenon/core/Durable"
import * as Predicate from "effect/Predicate"
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

  /** How many were noted after this one, or after one that it says is its cause; undefined where it is none of them. */
  countedBack(failure: unknown): number | undefined {
    let cause = failure
    for (let depth = 0; depth < 8 && cause !== undefined; depth++) {
      const at = typeof cause === "object" && cause !== null ? this.#noted.lastIndexOf(cause) : -1
      if (at >= 0) return this.#noted.length - 1 - at
      cause = Predicate.hasProperty(cause, "cause") ? cause.cause : undefined
    }
    return undefined
  }
}
