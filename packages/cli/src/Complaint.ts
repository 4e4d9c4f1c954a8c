/** How a command that fails says so: one sentence on stderr and the exit code 1, never a stack trace. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Printable from "./Printable.ts"

/** What a failure has to say. A setting that is missing is named as the environment variable that it is. */
export const sentence = (failure: { readonly message: string }): string => {
  const [, setting] = /Expected string[^[]*\["([A-Z][A-Z0-9_]*)"\]/.exec(failure.message) ?? []
  if (setting === undefined) return failure.message
  return `${setting} is not set.${setting === "TENON_URL" ? noServer : ""}`
}

/** It is set by nobody where `tenon dev` runs beside. */
const noServer = " No running `tenon dev` was found either; TENON_STATE says where one keeps its data, if elsewhere."

/** What a failure says, with what the system said underneath: a port that is taken, a server that is not there. */
export const wordsFor = (failure: unknown): string => {
  const own = Predicate.hasProperty(failure, "message") ? sentence({ message: String(failure.message) }) : ""
  const system = systemErrorUnder(failure)
  const mend = own === "" && system !== undefined && Reflect.get(system, "code") === "EADDRINUSE" ? inUse : ""
  const told = system === undefined ? "" : `${system.message}${mend}`
  const words = own.includes(told) ? own : own === "" ? told : `${own}: ${told}`
  return words === "" ? String(failure) : words
}

/** Only the API's own door has nothing more to say of a port that is taken. */
const inUse = ". PORT and HOST name another place."

/** The system's own error among the causes of a failure. Others may quote what is nobody's business. */
const systemErrorUnder = (failure: unknown, depth = 0): Error | undefined => {
  if (depth > 8 || typeof failure !== "object" || failure === null) return undefined
  if (failure instanceof Error && Predicate.hasProperty(failure, "syscall") && failure.message !== "") return failure
  const { cause, reason } = failure as { readonly cause?: unknown; readonly reason?: unknown }
  return systemErrorUnder(cause, depth + 1) ?? systemErrorUnder(reason, depth + 1)
}

/** What this process ends with, once it has said what it has to say. */
export const exitCode = (code: number): Effect.Effect<void> => Effect.sync(() => void (process.exitCode = code))

/** Prints the failure of a command. What the command line itself found wrong is printed already. */
export const report = (failure: unknown): Effect.Effect<void> =>
  Effect.sync(() => {
    process.exitCode = 1
    if (!isOfCommandLine(failure)) process.stderr.write(`${Printable.lines(wordsFor(failure))}\n`)
  })

const isOfCommandLine = (failure: unknown): boolean =>
  Predicate.hasProperty(failure, "_tag") && String(failure._tag) === "ShowHelp"
