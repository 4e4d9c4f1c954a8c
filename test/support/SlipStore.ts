/** The hop store over a database that is there already; imports nothing of the test runner, since workers use it too. */
import * as HopStoreSql from "@tenon/routing-slip/HopStoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** The names of a database's roles. */
export interface Roles {
  readonly appRole: string
  readonly relayRole: string
}

/** The store over a database that has its tables. */
export const over = (url: string, roles: Roles) =>
  HopStoreSql.layer(roles).pipe(
    Layer.provide(Layer.effect(HopStoreSql.Transactions, TenantSql.TenantSql)),
    Layer.provide(TenantSql.layer({ url: Redacted.make(url), role: roles.appRole }))
  )
