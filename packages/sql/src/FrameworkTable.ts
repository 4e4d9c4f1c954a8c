/** What the framework's own tables are made of. */
import {
  type Column,
  type Default,
  frameworkSchema,
  type Index,
  type Policy,
  type Table,
  type Type
} from "./DatabaseModel.ts"
import * as SqlName from "./SqlName.ts"

/** A column that is not null. */
export const required = (name: string, type: Type, value?: Default): Column => ({
  name,
  type,
  nullable: false,
  ...(value === undefined ? {} : { default: value })
})
/** A column that may be null. */
export const optional = (name: string, type: Type): Column => ({ name, type, nullable: true })
/** A constant default. */
export const value = (of: string | number | boolean | ReadonlyArray<string>): Default => ({ _tag: "Value", value: of })
/** The transaction's time as a default. */
export const now: Default = { _tag: "Now" }
/** When a row was made. */
export const createdAt = required("created_at", "timestamp with time zone", now)

/** The column that every tenant table begins with. */
export const tenantColumn = (name: string): Column => required(name, "text", { _tag: "Tenant" })

/** The policy of every tenant table. */
export const tenantIsolation: Policy = { name: "tenant_isolation", role: "app", rows: "tenant" }

interface Parts extends Partial<Omit<Table, "schema" | "name" | "primaryKey" | "indexes">> {
  readonly columns: ReadonlyArray<Column>
  readonly key: ReadonlyArray<string>
  readonly indexes?: ReadonlyArray<ReadonlyArray<string>>
  readonly uniques?: ReadonlyArray<ReadonlyArray<string>>
}

/** A table without a tenant. */
export const table = (name: string, { key, indexes = [], uniques = [], ...parts }: Parts): Table => ({
  schema: frameworkSchema,
  name,
  checks: [],
  foreignKeys: [],
  policies: [],
  grants: [],
  ...parts,
  primaryKey: { name: SqlName.derived(name, [], "pkey"), columns: key },
  indexes: [
    ...uniques.map((columns): Index => ({ name: SqlName.derived(name, columns, "key"), columns, unique: true })),
    ...indexes.map((columns): Index => ({ name: SqlName.derived(name, columns, "idx"), columns, unique: false }))
  ]
})

/** A table whose rows belong to a tenant, with the tenant first in its keys. */
export const ofTenant = (name: string, parts: Parts): Table =>
  table(name, {
    ...parts,
    tenantColumn: "tenant_id",
    columns: [tenantColumn("tenant_id"), ...parts.columns],
    key: ["tenant_id", ...parts.key],
    policies: [tenantIsolation, ...(parts.policies ?? [])]
  })

/** Lets the relay see the rows of all tenants; what it may do with them its grants say. */
export const relayAll: Policy = { name: "relay", role: "relay", rows: "all" }
