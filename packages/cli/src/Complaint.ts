/** How a command that fails says so: one sentence on stderr and the exit code 1, never a stack trace. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

/** What a failure has to say. A setting that is missing is named as the environment variable that it is. */
export const sentence = (failure: { readonly message: string }): string => {
  const [, setting] = /Expected string[^[]*\["([A-Z][A-Z0-9_]*)"\]/.exec(failure.message) ?? []
  return setting === undefined ? failure.message : `${setting} is not set.`
}

/** Prints the failure of a command. What the command line itself found wrong is printed already. */
export const report = (failure: unknown): Effect.Effect<void> =>
  Effect.sync(() => {
    process.exitCode = 1
    if (isOfCommandLine(failure)) return
    process.stderr.write(
      `${Predicate.hasProperty(failure, "message") ? sentence({ message: String(failure.message) }) : String(failure)}\n`
    )
  })

const isOfCommandLine = (failure: unknown): boolean =>
  Predicate.hasProperty(failure, "_tag") && String(failure._tag) === "ShowHelp"
