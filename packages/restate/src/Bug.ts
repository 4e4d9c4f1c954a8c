/** What is logged of a bug in a handler: its cause, where it is, and how to go on; no values. */
import * as restate from "@restatedev/restate-sdk"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Where a bug is. */
export type Place = { readonly [name: string]: string }

const log = (context: Context.Context<never>, message: string, place: Place, problem: unknown): Promise<void> =>
  Effect.logError(message, Cause.die(problem)).pipe(Effect.annotateLogs(place), Effect.runPromiseWith(context))

/** Tells of a bug whose caller has an answer: nothing is left to be done. */
export const tell = (context: Context.Context<never>, place: Place, problem: unknown): Promise<void> =>
  log(context, "An action has a bug; nothing was done, and its caller was told so", place, problem)

/** Tells of a bug that keeps accepted work waiting for an operator. */
export const tellOfPause = (
  context: Context.Context<never>,
  what: "An action" | "A run",
  place: Place,
  invocation: string,
  problem: unknown
): Promise<void> =>
  log(
    context,
    `${what} has a bug and is paused; once that is mended and deployed, resume it`,
    { ...place, resume: `restate invocations resume ${invocation}` },
    problem
  )

/** What a body came to, or nothing where it has a bug itself. */
export const unlessPaused = <A>(settled: Promise<A>): Promise<A | undefined> =>
  settled.catch((error: unknown) => {
    if (error instanceof restate.PauseError) return undefined
    throw error
  })
