/**
 * The wanted database as plain data: what `Ddl` derives, `DdlRender` writes as SQL, `ModelDiff` compares, `Snapshot`
 * keeps and `Drift` holds against the live catalogue.
 */
import * as Schema from "effect/Schema"

export const Type = Schema.Literals([
  "text",
  "bigint",
  "double precision",
  "numeric",
  "boolean",
  "timestamp with time zone",
  "jsonb",
  "text[]",
  "bytea"
])
export type Type = typeof Type.Type

/** What the database itself puts into a column that an insert leaves out. */
export const Default = Schema.Union([
  Schema.TaggedStruct("Value", { value: Schema.Json }),
  /** The session's tenant. */
  Schema.TaggedStruct("Tenant", {}),
  /** The transaction's time. */
  Schema.TaggedStruct("Now", {}),
  /** `generated always as identity`. */
  Schema.TaggedStruct("Identity", {})
])
export type Default = typeof Default.Type

/** How rows that are already there get a value when the column is new and the framework fills it from then on. */
export const Fill = Schema.Union([
  Schema.TaggedStruct("Now", {}),
  Schema.TaggedStruct("NewId", {}),
  Schema.TaggedStruct("One", {}),
  Schema.TaggedStruct("Position", { parent: Schema.String, name: Schema.String })
])
export type Fill = typeof Fill.Type

/** `renamed`: its values now live in the column `to`. `removed`: its values are null. Neither is ever dropped. */
export const Deprecated = Schema.Union([
  Schema.TaggedStruct("renamed", { to: Schema.String }),
  Schema.TaggedStruct("removed", {})
])

export const Column = Schema.Struct({
  name: Schema.String,
  type: Type,
  nullable: Schema.Boolean,
  default: Schema.optionalKey(Default),
  fill: Schema.optionalKey(Fill),
  /** The column's name in the release before. */
  renamedFrom: Schema.optionalKey(Schema.String),
  deprecated: Schema.optionalKey(Deprecated)
})
export interface Column extends Schema.Struct.Type<typeof Column.fields> {}

export const Index = Schema.Struct({
  name: Schema.String,
  columns: Schema.Array(Schema.String),
  unique: Schema.Boolean
})
export interface Index extends Schema.Struct.Type<typeof Index.fields> {}

/** Allows a column a fixed set of values; null is allowed too where the column is nullable. */
export const Check = Schema.Struct({ name: Schema.String, column: Schema.String, values: Schema.Array(Schema.String) })
export interface Check extends Schema.Struct.Type<typeof Check.fields> {}

export const ForeignKey = Schema.Struct({
  name: Schema.String,
  /** The relation's name. */
  relation: Schema.String,
  /** The column that is nulled where `onRemove` is `null`; also the last of `columns`. */
  column: Schema.String,
  columns: Schema.Array(Schema.String),
  target: Schema.Struct({ schema: Schema.String, name: Schema.String, columns: Schema.Array(Schema.String) }),
  onRemove: Schema.Literals(["restrict", "cascade", "null"])
})
export interface ForeignKey extends Schema.Struct.Type<typeof ForeignKey.fields> {}

/** `app` works for one tenant at a time; `relay` does the little that must look across tenants. */
export const Role = Schema.Literals(["app", "relay"])
export type Role = typeof Role.Type

export const Privilege = Schema.Literals(["select", "insert", "update", "delete"])
export type Privilege = typeof Privilege.Type

/** Which rows a role may touch: those of the session's tenant, all, or the one whose hash the session presents. */
export const Policy = Schema.Struct({
  name: Schema.String,
  role: Role,
  rows: Schema.Literals(["tenant", "all", "presented"])
})
export interface Policy extends Schema.Struct.Type<typeof Policy.fields> {}

export const Grant = Schema.Struct({ role: Role, privileges: Schema.Array(Privilege) })
export interface Grant extends Schema.Struct.Type<typeof Grant.fields> {}

export const Table = Schema.Struct({
  schema: Schema.String,
  name: Schema.String,
  /** The resource it holds; absent for the framework's own. */
  resource: Schema.optionalKey(Schema.String),
  /** The column that holds the tenant. With it come row security, forced, and the tenant first in every key. */
  tenantColumn: Schema.optionalKey(Schema.String),
  columns: Schema.Array(Column),
  primaryKey: Schema.Struct({ name: Schema.String, columns: Schema.Array(Schema.String) }),
  indexes: Schema.Array(Index),
  checks: Schema.Array(Check),
  foreignKeys: Schema.Array(ForeignKey),
  policies: Schema.Array(Policy),
  grants: Schema.Array(Grant),
  /** Its resource is gone; the rows are kept. */
  deprecated: Schema.optionalKey(Schema.Boolean)
})
export interface Table extends Schema.Struct.Type<typeof Table.fields> {}

export const Model = Schema.Struct({
  /** Where the resources' tables are. */
  schema: Schema.String,
  roles: Schema.Struct({ app: Schema.String, relay: Schema.String }),
  tables: Schema.Array(Table),
  versions: Schema.Array(Schema.Struct({ resource: Schema.String, version: Schema.Int }))
})
export interface Model extends Schema.Struct.Type<typeof Model.fields> {}

/** Where the framework's own tables are. */
export const frameworkSchema = "tenon"

/** A table's column by name. */
export const column = (table: Table, name: string): Column | undefined =>
  table.columns.find((each) => each.name === name)

/** A model's table by schema and name. */
export const table = (model: Model, of: { readonly schema: string; readonly name: string }): Table | undefined =>
  model.tables.find((each) => each.schema === of.schema && each.name === of.name)
