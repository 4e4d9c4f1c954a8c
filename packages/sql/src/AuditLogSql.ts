/** Denials in `tenon.audit_log`, under the tenant's own row security. */
import { AuditLog } from "@tenon/core/AuditLog"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlValue from "./SqlValue.ts"
import { TenantSql } from "./TenantSql.ts"

/**
 * Writes each denial before it is answered. One that cannot be written is logged as an error and denied all the same.
 */
export const layer: Layer.Layer<AuditLog, never, TenantSql> = Layer.effect(
  AuditLog,
  Effect.gen(function* () {
    const sql = yield* TenantSql
    return AuditLog.of({
      denied: ({ action, actor, key, reason }) =>
        sql
          .batch({ tenantId: actor.tenantId, actorId: actor.id }, [
            {
              sql: "insert into tenon.audit_log (tenant_id, actor, action, key, reason) values ($1, $2, $3, $4, $5)",
              params: [
                actor.tenantId,
                SqlValue.json(actor),
                action,
                key === undefined ? null : printable(key),
                printable(reason)
              ]
            }
          ])
          .pipe(
            Effect.catchCause((cause) =>
              Effect.logError("A denial could not be recorded", Cause.pretty(cause)).pipe(
                Effect.annotateLogs({ tenant: actor.tenantId, actor: actor.id, action, key: key ?? "", reason })
              )
            ),
            Effect.asVoid
          )
    })
  })
)

/** As much of a caller's text as can be stored. */
const printable = (text: string): string => text.replaceAll("\0", "\uFFFD").toWellFormed().slice(0, 1000)
