/**
 * Urgent signals that come while a run is in the middle of a step. Restate tells an attempt nothing any more that has
 * been in one step for longer than `inactivityTimeout`, but waits for the step's end; a cancel would wait with it. So
 * the bodies of such an attempt are aborted, and Restate begins another one, which hears the signal.
 *
 * Known are the signals that come to the attempt's own process; one that comes to another waits for the step's end.
 */
import type { Interruption } from "./Attempt.ts"

/** How long a signal that has come may take until its run goes on with it, in milliseconds. */
const patience = 2000

/** What one attempt waits for, and is in the middle of. */
export class Overdue {
  readonly #expected = new Set<string>()
  readonly #bodies = new Set<Interruption>()

  /** The attempt waits for a signal of this name; gives what is to be called when it does no longer. */
  expects(name: string): () => void {
    this.#expected.add(name)
    return () => void this.#expected.delete(name)
  }

  /** A body is under way; gives what is to be called at its end. */
  begins(body: Interruption): () => void {
    this.#bodies.add(body)
    return () => void this.#bodies.delete(body)
  }

  /** A signal has come: where the attempt does not hear of it, it ends. */
  came(name: string): void {
    const abort = () => {
      if (this.#expected.has(name)) for (const body of this.#bodies) body.abort()
    }
    if (this.#expected.has(name)) setTimeout(abort, patience).unref()
  }
}
