/** Databases of a test's own on a real server, dropped with their roles at the end. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { randomBytes } from "node:crypto"

const server = process.env["DATABASE_URL"] ?? "postgres://postgres@127.0.0.1:5432/postgres"

export const urlOf = (database: string, user?: string): string => {
  const url = new URL(server)
  url.pathname = `/${database}`
  if (user !== undefined) {
    url.username = user
    url.password = user
  }
  return url.href
}

export const clientOf = (database: string, user?: string) =>
  PgClient.layer({ url: Redacted.make(urlOf(database, user)), maxConnections: 3 })

/** A name that no other test uses, also for roles, which belong to the whole server. */
export const freshName = () => `tenon_test_${randomBytes(5).toString("hex")}`

const asAdmin = (statements: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(statements, (each) => sql.unsafe(each), { discard: true })
  ).pipe(Effect.provide(clientOf(new URL(server).pathname.slice(1))))

export interface Scratch {
  readonly name: string
  readonly names: { readonly appRole: string; readonly relayRole: string }
}

/** An empty database and names for its roles, for the scope; `owner` makes it belong to a plain login of its name. */
export const scratch = (options?: { readonly owner?: boolean }): Effect.Effect<Scratch, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const name = freshName()
      yield* asAdmin([
        ...(options?.owner ? [`create role ${name}_owner login createrole password '${name}_owner'`] : []),
        `create database ${name}${options?.owner ? ` owner ${name}_owner` : ""} template template0`
      ])
      return { name, names: { appRole: `${name}_app`, relayRole: `${name}_relay` } }
    }).pipe(Effect.orDie),
    ({ name }) =>
      asAdmin([
        `drop database ${name} with (force)`,
        ...["app", "relay", "owner"].map((role) => `drop role if exists ${name}_${role}`)
      ]).pipe(Effect.orDie)
  )

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
