/**
 * The hop store over a database that is there already; imports nothing of the test runner, since workers use it too.
 */
import { Transactions } from "@tenon/messaging/Transactions"
import * as HopStoreSql from "@tenon/routing-slip/HopStoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** The names of a database's roles. */
export interface Roles {
  readonly appRole: string
  readonly relayRole: string
}

const known = new Map<string, Layer.Layer<Transactions, Layer.Error<ReturnType<typeof TenantSql.layer>>>>()

/** Transactions in a database: one layer for each, so that what is built together shares one pool, as in production. */
export const transactions = (url: string, { appRole }: Roles) => {
  const name = JSON.stringify([url, appRole])
  const layer =
    known.get(name) ??
    Layer.effect(Transactions, TenantSql.TenantSql).pipe(
      Layer.provide(TenantSql.layer({ url: Redacted.make(url), role: appRole }))
    )
  known.set(name, layer)
  return layer
}

/** The store over a database that has its tables. */
export const over = (url: string, roles: Roles) =>
  HopStoreSql.layer(roles).pipe(Layer.provide(transactions(url, roles)))
