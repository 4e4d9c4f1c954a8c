/** Old receipts in `tenon.receipts`, removed under the relay's role, found by the index on their age. */
import { Unavailable } from "@tenon/core/Failure"
import { Receipts } from "@tenon/core/Receipts"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as StoreTables from "./StoreTables.ts"
import { TenantSql } from "./TenantSql.ts"

// By the place of the rows, which needs no privilege but to delete. Of two that purge at once, one finds nothing left.
const purge = `
delete from tenon.receipts where ctid = any(array(
  select ctid from tenon.receipts where created_at < now() - make_interval(secs => $1) order by created_at limit $2
)) returning 1 as purged`

/** Goes by the database's clock. */
export const layer = (options: StoreTables.Options = {}): Layer.Layer<Receipts, never, TenantSql> =>
  Layer.effect(
    Receipts,
    Effect.map(TenantSql, (sql) => ({
      purge: (age, limit) =>
        sql
          .batch({ tenantId: null, role: options.relayRole ?? "tenon_relay" }, [
            { sql: purge, params: [Duration.toSeconds(age), limit] }
          ])
          .pipe(
            Effect.map(([rows = []]) => rows.length),
            Effect.mapError(() => new Unavailable({ what: "The database" }))
          )
    }))
  )
