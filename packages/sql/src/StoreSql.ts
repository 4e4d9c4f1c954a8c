/**
 * PostgreSQL as the store: every port of `@tenon/core` that keeps rows, and who the tenants are, over one `TenantSql`.
 * The looks that a host must not forget come with it: at isolation before anything is served, at the schema's versions,
 * and at whether the database answers.
 */
import type { AuditLog } from "@tenon/core/AuditLog"
import { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import type { Registry } from "@tenon/core/Registry"
import type { Receipts } from "@tenon/core/Receipts"
import type { RowStore } from "@tenon/core/RowStore"
import type { RunEvents } from "@tenon/core/RunEvents"
import type { Tenants } from "@tenon/core/Tenants"
import type { RunJournal } from "@tenon/core/RunJournal"
import type { RunStore } from "@tenon/core/RunStore"
import type { Outbox, UnitOfWork } from "@tenon/core/UnitOfWork"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AuditLogSql from "./AuditLogSql.ts"
import type { IsolationBroken } from "./IsolationCheck.ts"
import * as OutboxSql from "./OutboxSql.ts"
import * as ReceiptsSql from "./ReceiptsSql.ts"
import * as RowStoreSql from "./RowStoreSql.ts"
import * as RunEventsSql from "./RunEventsSql.ts"
import * as RunJournalSql from "./RunJournalSql.ts"
import * as RunStoreSql from "./RunStoreSql.ts"
import * as SchemaGuard from "./SchemaGuard.ts"
import type { Options } from "./StoreTables.ts"
import { TenantSql } from "./TenantSql.ts"
import * as TenantsSql from "./TenantsSql.ts"
import * as UnitOfWorkSql from "./UnitOfWorkSql.ts"

/**
 * The store of a registry's resources. The database must be at the registry's schema (`Migrations`): it does not build
 * over one that does not keep tenants apart as declared, and refuses resources of another version (`SchemaGuard`).
 */
export const layer = (
  registry: Registry,
  options?: Options
): Layer.Layer<
  UnitOfWork | RowStore | Outbox | Receipts | AuditLog | Tenants | RunEvents | RunStore | RunJournal,
  IsolationBroken,
  TenantSql | ReadinessChecks
> =>
  Layer.merge(SchemaGuard.layer(registry, options), databaseCheck).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        UnitOfWorkSql.layer(registry, options),
        RowStoreSql.layer(registry, options),
        OutboxSql.layer(options),
        ReceiptsSql.layer(options),
        AuditLogSql.layer,
        TenantsSql.layer(options),
        RunEventsSql.layer,
        RunStoreSql.layer(options),
        RunJournalSql.layer
      )
    )
  )

/** Says whether the database answers. */
const databaseCheck = Layer.effectDiscard(
  Effect.gen(function* () {
    const checks = yield* ReadinessChecks
    const sql = yield* TenantSql
    yield* checks.add("database", sql.batch({ tenantId: null }, [{ sql: "select 1", params: [] }]))
  })
)
