/**
 * The servers that an application needs: those that the environment names, and embedded ones in the place of those it
 * does not name. Development only; production names all of them.
 */
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** Settings by the names of environment variables, to be read through Effect's Config. */
export type Settings = { readonly [name: string]: string }

/** Says what is being waited for. */
export type Progress = (message: string) => Effect.Effect<void>

/** Starts what the environment does not name. `directory` keeps data and keys from run to run. */
export const start = Effect.fn("Infrastructure.start")(function* (
  directory: string,
  environment: { readonly [name: string]: string | undefined },
  progress: Progress
) {
  yield* makeFolder(directory)
  const [postgres, restate] = yield* Effect.all(
    [startPostgres(directory, environment, progress), startRestate(directory, environment, progress)],
    { concurrency: "unbounded" }
  )
  const settings: Settings = {
    ...postgres,
    ...restate,
    ...(environment["TENON_CONTEXT_KEY"] === undefined
      ? { TENON_CONTEXT_KEY: `development:${secret(directory, "context-key")}` }
      : {})
  }
  return settings
})

const makeFolder = (directory: string) =>
  Effect.try({
    try: () => void mkdirSync(directory, { recursive: true }),
    catch: (error) =>
      new ServerNotStarted({
        message: `No data can be kept in ${directory} (${String(error)}); name another folder with --state.`
      })
  })

/** A database where the environment names none. */
export const startPostgres = Effect.fnUntraced(function* (
  directory: string,
  environment: { readonly [name: string]: string | undefined },
  progress: Progress
) {
  if (environment["DATABASE_URL"] !== undefined) {
    yield* progress("PostgreSQL: the one that DATABASE_URL names")
    return {}
  }
  yield* progress("PostgreSQL: starting an embedded server …")
  const server = yield* EmbeddedPostgres.start({ dataDir: join(directory, "postgres") }).pipe(
    Effect.mapError(elsewhere)
  )
  yield* progress(`PostgreSQL: ready on port ${server.port}`)
  return { DATABASE_URL: Redacted.value(server.url) }
})

const startRestate = Effect.fnUntraced(function* (
  directory: string,
  environment: { readonly [name: string]: string | undefined },
  progress: Progress
) {
  if (environment["RUNTIME"] === "postgres") {
    yield* progress("Restate: not needed, as RUNTIME is postgres")
    // For the commands beside it, which find it as they find the servers.
    return { RUNTIME: "postgres" }
  }
  if (environment["RESTATE_INGRESS_URL"] !== undefined) {
    yield* progress("Restate: the one that RESTATE_INGRESS_URL names")
    return {}
  }
  yield* progress("Restate: starting an embedded server …")
  const server = yield* EmbeddedRestate.start({ baseDir: join(directory, "restate") }).pipe(Effect.mapError(elsewhere))
  yield* progress(`Restate: ready, ingress at ${server.ingressUrl}`)
  return {
    RESTATE_INGRESS_URL: server.ingressUrl,
    RESTATE_ADMIN_URL: server.adminUrl,
    RESTATE_IDENTITY_KEY: server.identityKey
  }
})

/** An embedded server did not start. */
export class ServerNotStarted extends Schema.TaggedError<ServerNotStarted>()("ServerNotStarted", {
  message: Schema.String
}) {}

/** What an embedded server calls its directory is a flag here. */
const elsewhere = ({ message }: { readonly message: string }) =>
  new ServerNotStarted({
    message: / already (runs|serves) /.test(message)
      ? `${message.split(": stop it")[0]}: is another \`tenon dev\` running here? Stop it, or name another folder with --state.`
      : message
  })

/** A random secret, made once and kept where only its owner can read it. */
export const secret = (directory: string, name: string): string => {
  const file = join(directory, name)
  if (!existsSync(file)) {
    writeFileSync(file, randomBytes(32).toString("base64url"), { mode: 0o600 })
    chmodSync(file, 0o600)
  }
  return readFileSync(file, "utf8").trim()
}
