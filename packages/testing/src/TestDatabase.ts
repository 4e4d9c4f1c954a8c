/** Databases for tests on a real server, dropped with their roles at the end. */
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { randomBytes } from "node:crypto"

/** A database of its own, with names for its roles, since roles belong to the whole server. */
export interface TestDatabase {
  readonly name: string
  readonly url: Redacted.Redacted
  readonly names: { readonly appRole: string; readonly relayRole: string }
}

/** The address of another database on a server, for its administrator or for a login whose password is its name. */
export const urlOf = (server: Redacted.Redacted, database: string, user?: string): Redacted.Redacted => {
  const url = new URL(Redacted.value(server))
  url.pathname = `/${database}`
  if (user !== undefined) {
    url.username = user
    url.password = user
  }
  return Redacted.make(url.href)
}

/** Makes an empty database, for the scope. `owner` makes it belong to a plain login of that name and `_owner`. */
export const make = (
  server: Redacted.Redacted,
  options?: { readonly owner?: boolean }
): Effect.Effect<TestDatabase, never, Scope.Scope> => {
  const asAdmin = (statements: ReadonlyArray<string>) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.forEach(statements, (each) => sql.unsafe(each), { discard: true })
    ).pipe(Effect.provide(AdminSql.layer({ url: server, maxConnections: 1 })), Effect.orDie)
  return Effect.acquireRelease(
    Effect.gen(function* () {
      const name = `tenon_test_${randomBytes(5).toString("hex")}`
      yield* asAdmin([
        ...(options?.owner ? [`create role ${name}_owner login createrole password '${name}_owner'`] : []),
        `create database ${name}${options?.owner ? ` owner ${name}_owner` : ""} template template0`
      ])
      return { name, url: urlOf(server, name), names: { appRole: `${name}_app`, relayRole: `${name}_relay` } }
    }),
    ({ name }) =>
      asAdmin([
        `drop database ${name} with (force)`,
        ...["app", "relay", "owner"].map((role) => `drop role if exists ${name}_${role}`)
      ])
  )
}
