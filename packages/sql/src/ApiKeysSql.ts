/**
 * API keys in `tenon.api_keys`. A key is looked up by its hash before any tenant is known: under the relay's role,
 * whose policy shows the one row whose hash the transaction has named. Everything else runs under the key's tenant.
 */
import { type ApiKey, ApiKeys, type StoredKey } from "@tenon/core/ApiKeys"
import { AlreadyExists, Unavailable } from "@tenon/core/Failure"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SqlFailure } from "./SqlFailure.ts"
import type * as StoreTables from "./StoreTables.ts"
import { type Row, type Statement, TenantSql } from "./TenantSql.ts"

const columns = "id, tenant_id, hash, name, roles, created_at, expires_at, revoked_at"

const find = (hash: string): ReadonlyArray<Statement> => [
  { sql: "select set_config('app.api_key_hash', $1, true)", params: [hash] },
  {
    // A suspended tenant's keys stand for nobody until it is active again.
    sql:
      `select ${columns} from tenon.api_keys as k where k.hash = $1 ` +
      "and not exists (select from tenon.tenants as t where t.id = k.tenant_id and t.status <> 'active')",
    params: [hash]
  }
]

const add = (key: StoredKey): Statement => ({
  sql: `insert into tenon.api_keys (${columns}) values ($1, $2, $3, $4, $5::text[], $6, $7, $8)`,
  params: [
    key.id,
    key.tenantId,
    key.hash,
    key.name,
    key.roles,
    new Date(key.createdAt),
    instant(key.expiresAt),
    instant(key.revokedAt)
  ]
})

const revoke = (tenantId: string, id: string, at: number): Statement => ({
  sql: "update tenon.api_keys set revoked_at = $3 where tenant_id = $1 and id = $2 and revoked_at is null returning id",
  params: [tenantId, id, new Date(at)]
})

const list = (tenantId: string): Statement => ({
  sql: `select ${columns} from tenon.api_keys where tenant_id = $1 order by created_at, id`,
  params: [tenantId]
})

/** Keeps API keys in PostgreSQL. */
export const layer = (options: StoreTables.Options = {}): Layer.Layer<ApiKeys, never, TenantSql> =>
  Layer.effect(
    ApiKeys,
    Effect.gen(function* () {
      const sql = yield* TenantSql
      const relay = { tenantId: null, role: options.relayRole ?? "tenon_relay" }
      return ApiKeys.of({
        find: (hash) =>
          sql.batch(relay, find(hash)).pipe(
            Effect.map(([, rows = []]) => rows.map(toKey)[0]),
            Effect.mapError(toFailure)
          ),
        add: (key) => sql.batch({ tenantId: key.tenantId }, [add(key)]).pipe(Effect.asVoid, Effect.mapError(toFailure)),
        revoke: (tenantId, id, at) =>
          sql.batch({ tenantId }, [revoke(tenantId, id, at)]).pipe(
            Effect.map(([rows = []]) => rows.length > 0),
            Effect.mapError(toFailure)
          ),
        list: (tenantId) =>
          sql.batch({ tenantId }, [list(tenantId)]).pipe(
            Effect.map(([rows = []]) => rows.map(withoutHash)),
            Effect.mapError(toFailure)
          )
      })
    })
  )

const toFailure = (failure: SqlFailure) =>
  failure._tag === "UniqueViolation"
    ? new AlreadyExists({ resource: "ApiKey", fields: ["hash"] })
    : new Unavailable({ what: "The database" })

const instant = (millis: number | undefined) => (millis === undefined ? null : new Date(millis))
const millis = (value: unknown) => (value instanceof Date ? value.getTime() : undefined)

const toKey = (row: Row): StoredKey => ({
  id: String(row["id"]),
  tenantId: String(row["tenant_id"]),
  hash: String(row["hash"]),
  name: String(row["name"]),
  roles: Array.isArray(row["roles"]) ? row["roles"].map(String) : [],
  createdAt: millis(row["created_at"]) ?? 0,
  expiresAt: millis(row["expires_at"]),
  revokedAt: millis(row["revoked_at"])
})

const withoutHash = (row: Row): ApiKey => {
  const { hash: _, ...key } = toKey(row)
  return key
}
