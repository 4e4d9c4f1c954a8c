/**
 * The PostgreSQL of this machine, on which the database suites run besides the embedded one: what
 * TENON_TEST_DATABASE_URL or DATABASE_URL names, else whatever lets the tests in on 127.0.0.1:5432.
 *
 * TENON_TEST_NO_MACHINE=1 acts as if there were none; TENON_REQUIRE_SERVICES fails where it requires one and there is
 * none.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import { required } from "./requiredServices.ts"

const byDefault = "postgres://postgres@127.0.0.1:5432/postgres"
const oldest = 150_000

/** Asks for what the suites need: to make databases and roles, on a server that is new enough. */
const fault = (url: string): Promise<string | undefined> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [server] = yield* sql.unsafe<{ readonly able: boolean; readonly version: number }>(
      `select rolsuper as able, current_setting('server_version_num')::int4 as version
       from pg_roles where rolname = current_user`
    )
    if (server === undefined || !server.able) return "its login is no superuser"
    return server.version < oldest ? `it is older than PostgreSQL ${oldest / 10_000}` : undefined
  }).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
    Effect.timeout("5 seconds"),
    Effect.catchCause((cause) => Effect.succeed(`it does not let us in: ${String(cause)}`)),
    Effect.runPromise
  )

/** Its address, or undefined where there is none. One that is named must do; one that was only found may not. */
export const find = async (environment: NodeJS.ProcessEnv): Promise<string | undefined> => {
  const isRequired = (await required(environment))?.includes("postgres") === true
  const named = environment["TENON_TEST_DATABASE_URL"] || environment["DATABASE_URL"]
  const url = environment["TENON_TEST_NO_MACHINE"] === "1" ? undefined : named || byDefault
  const problem = url === undefined ? "TENON_TEST_NO_MACHINE hides it" : await fault(url)
  if (problem === undefined) return url
  if (isRequired || (named && url !== undefined)) {
    throw new Error(`The tests have to run on this machine's PostgreSQL, and cannot: ${problem}.`)
  }
  return undefined
}
