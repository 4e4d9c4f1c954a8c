/** How a command that fails says so: one sentence on stderr and the exit code 1, never a stack trace. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Printable from "./Printable.ts"

/**
 * What a failure has to say. A setting that is missing or will not do is named as the environment variable that it is.
 */
const sentence = (failure: { readonly message: string }): string => {
  const [, missing] = /Expected string[^[]*\["([A-Z][A-Z0-9_]*)"\]/.exec(failure.message) ?? []
  if (missing !== undefined) return `${missing} is not set.${besides.get(missing) ?? ""}`
  const [, expected, setting] =
    /^SchemaError\(Expected (.*)\n {2}at \["([A-Z][A-Z0-9_]*)"\]\)$/.exec(failure.message) ?? []
  return setting === undefined ? failure.message : `${setting} must be ${expected}.`
}

const elsewhere = "TENON_STATE says where one keeps its data, if elsewhere."

/** What nobody has to set where `tenon dev` runs beside. */
const besides: ReadonlyMap<string, string> = new Map([
  ["TENON_URL", ` No running \`tenon dev\` was found either; ${elsewhere}`],
  ["DATABASE_URL", ` \`tenon dev\` starts a database, but none was found running; ${elsewhere}`]
])

/**
 * What a failure says, with what was said underneath: a port that is taken, a server or a database that is not there.
 */
export const wordsFor = (failure: unknown): string => {
  const own = Predicate.hasProperty(failure, "message") ? sentence({ message: String(failure.message) }) : ""
  const told = errorUnder(failure)?.message ?? ""
  const words = own.includes(told) ? own : own === "" ? told : `${own}: ${told}`
  return words === "" ? String(failure) : `${words}${mendFor(failure, own)}`
}

/** Which setting is to be looked at, where the words do not say so. */
const mendFor = (failure: unknown, own: string): string => {
  if (own.startsWith("PgConnection:")) return `. ${database}`
  const code = own === "" ? Reflect.get(errorUnder(failure) ?? {}, "code") : undefined
  return code === "EADDRINUSE" ? inUse : ""
}

const database = "DATABASE_URL says where the database is, and DATABASE_ADMIN_URL who owns its tables."

/** Only the API's own door has nothing more to say of a port that is taken. */
const inUse = ". PORT and HOST name another place."

/**
 * The system's own error among the causes of a failure, or that with which a database refuses a session, which names
 * the role, the database or the setting. Others may quote what is nobody's business.
 */
const errorUnder = (failure: unknown, depth = 0): Error | undefined => {
  if (depth > 8 || typeof failure !== "object" || failure === null) return undefined
  if (failure instanceof Error && (Predicate.hasProperty(failure, "syscall") || isRefusal(failure))) {
    if (failure.message !== "") return failure
  }
  const { cause, reason } = failure as { readonly cause?: unknown; readonly reason?: unknown }
  return errorUnder(cause, depth + 1) ?? errorUnder(reason, depth + 1)
}

const isRefusal = (error: Error): boolean => Reflect.get(error, "severityUnlocalized") === "FATAL"

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
