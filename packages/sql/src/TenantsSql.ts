/** How tenants stand, in `tenon.tenants`, where each sees its own row alone; which have work, the relay's role sees. */
import { Unavailable } from "@tenon/core/Failure"
import { Status, Tenants } from "@tenon/core/Tenants"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as StoreTables from "./StoreTables.ts"
import { type Statement, TenantSql, type TenantScope } from "./TenantSql.ts"

const isStatus = Schema.is(Status)

const nextAfter = (tenant: string) =>
  `least((select tenant_id from tenon.runs where tenant_id > ${tenant} order by tenant_id limit 1), ` +
  `(select tenant_id from tenon.receipts where tenant_id > ${tenant} order by tenant_id limit 1))`

/** From one tenant to the next by the primary keys: a look-up for each, however many rows it has. */
const atWork =
  `with recursive walk (tenant_id) as (select ${nextAfter("$1")} union all ` +
  `select ${nextAfter("walk.tenant_id")} from walk where walk.tenant_id is not null) ` +
  "select tenant_id from walk where tenant_id is not null limit $2"

/** Looks under the tenant's own row security, and for work under the relay's role. */
export const layer = (options: StoreTables.Options = {}): Layer.Layer<Tenants, never, TenantSql> =>
  Layer.effect(
    Tenants,
    Effect.map(TenantSql, (sql) => {
      const relay = { tenantId: null, role: options.relayRole ?? "tenon_relay" }
      const rowsOf = (scope: TenantScope, statement: Statement) =>
        Effect.mapBoth(sql.batch(scope, [statement]), {
          onFailure: () => new Unavailable({ what: "The database" }),
          onSuccess: ([rows = []]) => rows
        })
      return {
        status: (tenantId) =>
          Effect.map(
            rowsOf({ tenantId }, { sql: "select status from tenon.tenants where id = $1", params: [tenantId] }),
            (rows) => {
              const status = rows[0]?.["status"]
              // What a newer release may have written is not what this one takes for active.
              return status === undefined || isStatus(status) ? status : "suspended"
            }
          ),
        atWork: (after, limit) =>
          Effect.map(rowsOf(relay, { sql: atWork, params: [after, limit] }), (rows) =>
            rows.map((row) => String(row["tenant_id"]))
          )
      }
    })
  )
