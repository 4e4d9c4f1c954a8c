/** Databases of a test's own on a real server, dropped with their roles at the end. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as TestDatabase from "@tenon/testing/TestDatabase"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { postgres } from "./services.ts"

/** The server of this test file, as its administrator. */
export const server = Redacted.make(await postgres())

export type Scratch = TestDatabase.TestDatabase

export const urlOf = (database: string, user?: string): string =>
  Redacted.value(TestDatabase.urlOf(server, database, user))

/** A client on the database at a URL. */
export const clientAt = (url: string) => PgClient.layer({ url: Redacted.make(url), maxConnections: 3 })

export const clientOf = (database: string, user?: string) =>
  PgClient.layer({ url: TestDatabase.urlOf(server, database, user), maxConnections: 3 })

/** An empty database and names for its roles, for the scope; `owner` makes it belong to a plain login of its name. */
export const scratch = (options?: { readonly owner?: boolean }) => TestDatabase.make(server, options)

/** Runs with a client on the scratch database, as the administrator or as its owner. */
export const on =
  (database: Scratch, user?: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(effect, clientOf(database.name, user))

/** A row of a result, by column. */
export interface Row {
  readonly [column: string]: unknown
}

/** Statements, one by one; the rows of the last. */
export const run = (...statements: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(statements, (each) => sql.unsafe<Row>(each)).pipe(Effect.map((all) => all[all.length - 1] ?? []))
  )

/** Statements in one transaction as a role, in a tenant where one is given. Undone at the end where `keep` is false. */
export const as = (role: string, tenant: string | undefined, ...statements: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(
      Effect.gen(function* () {
        yield* sql.unsafe("select set_config('role', $1, true), set_config('app.tenant_id', $2, true)", [
          role,
          tenant ?? ""
        ])
        return yield* run(...statements)
      })
    )
  )

/** The SQLSTATE that an effect fails with, or `undefined` where it succeeds. */
export const sqlState = <A, R>(effect: Effect.Effect<A, SqlError, R>) =>
  Effect.match(effect, {
    onSuccess: () => undefined,
    onFailure: (error) => (error.reason.cause as { readonly code?: string } | undefined)?.code ?? error.message
  })

/** A directory for migrations, for the scope. */
export const directory = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "tenon-migrations-" })
)

export const services: Layer.Layer<NodeServices.NodeServices> = NodeServices.layer
