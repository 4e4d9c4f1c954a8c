/**
 * What this process is at work on for Restate: bodies of steps and actions, and not runs that only wait. A server that
 * stops lets those end; whatever waits goes on elsewhere, or here once it is back.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * How long nothing is begun, in milliseconds, before no more is expected: a run goes from one step to the next sooner.
 */
const patience = 500

/** Counts bodies that have begun and not ended. */
export class Working {
  #count = 0
  #last = performance.now()

  begin(): void {
    this.#count++
  }

  end(): void {
    this.#count--
    this.#last = performance.now()
  }

  /** Done when no body has been under way for a while. */
  readonly quiet: Effect.Effect<void> = Effect.suspend(() =>
    this.#count === 0 && performance.now() - this.#last > patience ? Effect.void : Effect.delay(this.quiet, "20 millis")
  )
}

/** That of the server whose handler is at work. */
export const CurrentWorking = Context.Reference<Working | undefined>("@tenon/restate/Working", {
  defaultValue: () => undefined
})
