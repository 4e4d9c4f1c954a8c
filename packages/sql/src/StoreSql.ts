/** PostgreSQL as the store: every port of `@tenon/core` that keeps rows, and who the tenants are, over one `TenantSql`. */
import type { AuditLog } from "@tenon/core/AuditLog"
import type { Registry } from "@tenon/core/Registry"
import type { Receipts } from "@tenon/core/Receipts"
import type { RowStore } from "@tenon/core/RowStore"
import type { RunEvents } from "@tenon/core/RunEvents"
import type { Tenants } from "@tenon/core/Tenants"
import type { RunJournal } from "@tenon/core/RunJournal"
import type { RunStore } from "@tenon/core/RunStore"
import type { Outbox, UnitOfWork } from "@tenon/core/UnitOfWork"
import * as Layer from "effect/Layer"
import * as AuditLogSql from "./AuditLogSql.ts"
import * as OutboxSql from "./OutboxSql.ts"
import * as ReceiptsSql from "./ReceiptsSql.ts"
import * as RowStoreSql from "./RowStoreSql.ts"
import * as RunEventsSql from "./RunEventsSql.ts"
import * as RunJournalSql from "./RunJournalSql.ts"
import * as RunStoreSql from "./RunStoreSql.ts"
import type { Options } from "./StoreTables.ts"
import type { TenantSql } from "./TenantSql.ts"
import * as TenantsSql from "./TenantsSql.ts"
import * as UnitOfWorkSql from "./UnitOfWorkSql.ts"

/** The store of a registry's resources. The database must be at the registry's schema (`Migrations`). */
export const layer = (
  registry: Registry,
  options?: Options
): Layer.Layer<
  UnitOfWork | RowStore | Outbox | Receipts | AuditLog | Tenants | RunEvents | RunStore | RunJournal,
  never,
  TenantSql
> =>
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
