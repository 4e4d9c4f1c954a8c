/** Waits for the answer of a broker's client, for as long as one is worth waiting for. */
import * as Effect from "effect/Effect"
import { TransportError } from "./Transport.ts"

const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** What a client said instead of an answer. */
export const failure = (operation: string, cause: unknown): TransportError =>
  new TransportError({ operation, reason: reasonOf(cause) })

/** How an answer is given: once, the first one counts. */
export interface Answered<A> {
  readonly succeed: (value: A) => void
  readonly fail: (cause: unknown) => void
}

/**
 * Asks and waits `millis` at most for one of the two to be called. A timer of the platform, since this is done several
 * times for each message, and a time-out of Effect takes two fibers.
 */
export const asked = <A>(
  { broker, millis, operation }: { readonly broker: string; readonly millis: number; readonly operation: string },
  ask: (answered: Answered<A>) => void
): Effect.Effect<A, TransportError> =>
  Effect.callback<A, TransportError>((resume) => {
    const timer = setTimeout(() => answered.fail(`${broker} did not answer in time`), millis)
    const answered: Answered<A> = {
      succeed: (value) => {
        clearTimeout(timer)
        resume(Effect.succeed(value))
      },
      fail: (cause) => {
        clearTimeout(timer)
        resume(Effect.fail(failure(operation, cause)))
      }
    }
    try {
      ask(answered)
    } catch (cause) {
      answered.fail(cause)
    }
    return Effect.sync(() => clearTimeout(timer))
  })

/** Calls and waits `millis` at most. */
export const of = <A>(
  options: { readonly broker: string; readonly millis: number; readonly operation: string },
  call: () => Promise<A>
): Effect.Effect<A, TransportError> => asked(options, ({ fail, succeed }) => void call().then(succeed, fail))

/** The bytes as the clients take them, without a copy: nobody changes a message that was made. */
export const bytes = (body: Uint8Array): Buffer =>
  Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
