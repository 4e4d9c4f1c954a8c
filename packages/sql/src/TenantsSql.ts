/** How tenants stand, in `tenon.tenants`, where each sees its own row alone. */
import { Unavailable } from "@tenon/core/Failure"
import { Status, Tenants } from "@tenon/core/Tenants"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TenantSql } from "./TenantSql.ts"

const isStatus = Schema.is(Status)

/** Looks under the tenant's own row security. */
export const layer: Layer.Layer<Tenants, never, TenantSql> = Layer.effect(
  Tenants,
  Effect.map(TenantSql, (sql) => ({
    status: (tenantId) =>
      sql.batch({ tenantId }, [{ sql: "select status from tenon.tenants where id = $1", params: [tenantId] }]).pipe(
        Effect.map(([rows = []]) => {
          const status = rows[0]?.["status"]
          // What a newer release may have written is not what this one takes for active.
          return status === undefined || isStatus(status) ? status : "suspended"
        }),
        Effect.mapError(() => new Unavailable({ what: "The database" }))
      )
  }))
)
