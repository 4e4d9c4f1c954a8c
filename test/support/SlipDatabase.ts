/** A hop store over a database of its own on the machine's PostgreSQL. */
import * as HopStoreSql from "@tenon/routing-slip/HopStoreSql"
import * as Tables from "@tenon/routing-slip/HopStoreSqlTables"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scratch from "./ScratchDatabase.ts"

/** The store over a database that has its tables. */
export const over = (url: string, roles: Tables.Roles) =>
  HopStoreSql.layer(roles).pipe(
    Layer.provide(Layer.effect(HopStoreSql.Transactions, TenantSql.TenantSql)),
    Layer.provide(TenantSql.layer({ url: Redacted.make(url), role: roles.appRole }))
  )

/** Makes a database with the tables, dropped with the scope. */
export const make = Effect.gen(function* () {
  const database = yield* Scratch.scratch()
  const { appRole, relayRole } = database.names
  yield* Scratch.run(
    ...[appRole, relayRole].map((role) => `create role ${role} nologin`),
    ...Tables.ddl(database.names)
  ).pipe(Scratch.on(database), Effect.orDie)
  return { url: Scratch.urlOf(database.name), roles: database.names }
})

/** The store, its database dropped with the scope. */
export const layer = Layer.unwrap(Effect.map(make, ({ roles, url }) => over(url, roles)))
