/**
 * Derives the wanted database from a registry: tables, keys, indexes, checks, policies and grants, as plain data
 * (`DatabaseModel`), the same for the same registry.
 *
 * Choices that are not obvious:
 * - Every key of a tenant table begins with the tenant, foreign keys too, since PostgreSQL checks those without row
 *   security and would accept another tenant's row.
 * - Foreign keys are `deferrable initially immediate`: faults show at the statement, and a transaction that writes rows
 *   pointing at each other may say `set constraints all deferred`.
 * - `restrict` is rendered as PostgreSQL's `no action`, which refuses alike but looks at the end of the statement, so
 *   that a cascade which removes both sides is not refused for its order.
 * - Unique keys are unique indexes, not constraints: an upsert can target both, and only an index can be built
 *   concurrently.
 */
import * as Column from "@tenon/core/Column"
import { type Registry, RegistryError } from "@tenon/core/Registry"
import type { BelongsTo } from "@tenon/core/Relation"
import type * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"
import type * as DatabaseModel from "./DatabaseModel.ts"
import { frameworkSchema } from "./DatabaseModel.ts"
import * as FrameworkTable from "./FrameworkTable.ts"
import * as FrameworkTables from "./FrameworkTables.ts"
import * as SqlName from "./SqlName.ts"
import { Buffer } from "node:buffer"

/** Where the tables go and who works with them. */
export interface Options {
  /** The schema of the resources' tables. Default `public`. */
  readonly schema?: string
  /** The role of tenant transactions. Default `tenon_app`. */
  readonly appRole?: string
  /** The role that drains the outbox and looks up API keys. Default `tenon_relay`. */
  readonly relayRole?: string
}

/** The database that a registry needs. Throws `RegistryError` where PostgreSQL has no place for a field. */
export const fromRegistry = (registry: Registry, options: Options = {}): DatabaseModel.Model => {
  const schema = options.schema ?? "public"
  if (schema === frameworkSchema) throw new Error(`The schema "${schema}" is the framework's; choose another`)
  const problems = registry.resources.flatMap(unfit)
  if (problems.length > 0) throw new RegistryError(problems)
  const writers = writersOf(registry)
  const resources = registry.resources.toSorted((a, b) => (a.table < b.table ? -1 : 1))
  return {
    schema,
    roles: { app: options.appRole ?? "tenon_app", relay: options.relayRole ?? "tenon_relay" },
    tables: [...FrameworkTables.tables, ...resources.map((resource) => tableOf(resource, registry, schema, writers))],
    versions: resources.map(({ name, version }) => ({ resource: name, version }))
  }
}

/**
 * What a unique index or foreign key of a resource's table stands for, to name it in `AlreadyExists` or
 * `BrokenReference`.
 */
export type Meaning =
  | { readonly _tag: "Unique"; readonly resource: string; readonly fields: ReadonlyArray<string> }
  | { readonly _tag: "Reference"; readonly resource: string; readonly relation: string }

/** The meaning of each constraint's name, as PostgreSQL reports it with 23505 and 23503. */
export const meanings = (registry: Registry, options: Options = {}): ReadonlyMap<string, Meaning> => {
  const found = new Map<string, Meaning>()
  for (const table of fromRegistry(registry, options).tables) {
    const resource = table.resource === undefined ? undefined : registry.resource(table.resource)
    if (resource === undefined) continue
    const fields = (columns: ReadonlyArray<string>) =>
      columns.flatMap((column) => resource.columns.filter(({ name }) => name === column).map(({ field }) => field))
    for (const { name, columns } of [table.primaryKey, ...table.indexes.filter(({ unique }) => unique)]) {
      found.set(name, { _tag: "Unique", resource: resource.name, fields: fields(columns) })
    }
    for (const { name, relation } of table.foreignKeys) {
      found.set(name, { _tag: "Reference", resource: resource.name, relation })
    }
  }
  return found
}

const tableOf = (
  resource: Resource.Any,
  registry: Registry,
  schema: string,
  writers: ReadonlyMap<string, ReadonlySet<DatabaseModel.Privilege>>
): DatabaseModel.Table => {
  const tenant = resource.tenantScoped ? [resource.tenancyKey] : []
  const inTenant = (fields: ReadonlyArray<string>) => [...tenant, ...fields.map((field) => columnName(resource, field))]
  const primaryKey = { name: SqlName.derived(resource.table, [], "pkey"), columns: inTenant([resource.key]) }
  const foreignKeys = foreignKeysOf(resource, registry, schema)
  return {
    schema,
    name: resource.table,
    resource: resource.name,
    ...(resource.tenantScoped ? { tenantColumn: resource.tenancyKey } : {}),
    columns: [
      ...tenant.map(FrameworkTable.tenantColumn),
      ...resource.columns.map((column) => columnOf(resource, column))
    ],
    primaryKey,
    indexes: indexesOf(resource, inTenant, primaryKey.columns),
    checks: resource.columns.flatMap((column): ReadonlyArray<DatabaseModel.Check> => {
      const values = textsOf(column)
      return values.length === 0
        ? []
        : [{ name: SqlName.derived(resource.table, [column.name], "check"), column: column.name, values }]
    }),
    foreignKeys,
    policies: resource.tenantScoped ? [FrameworkTable.tenantIsolation] : [],
    grants: [
      {
        role: "app",
        privileges: resource.tenantScoped
          ? [...allPrivileges]
          : allPrivileges.filter((each) => each === "select" || writers.get(resource.name)?.has(each))
      }
    ]
  }
}

/** The texts that a text column allows where it does not allow any. Other literals are left to their schemas. */
const textsOf = ({ kind, literals = [] }: Column.Column): ReadonlyArray<string> =>
  kind === "text" ? [...new Set(literals.map(String))] : []

/** Columns that PostgreSQL keeps for itself in every table (its manual, 5.6). */
const systemColumns = new Set(["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"])

const unfit = (resource: Resource.Any): RegistryError["problems"] =>
  resource.columns.flatMap((column) => {
    const { field, name } = column
    const place = `${resource.name}.fields.${field}`
    if (systemColumns.has(name))
      return [{ place, problem: `PostgreSQL keeps the column "${name}" for itself`, mend: "Rename the field" }]
    if (Buffer.byteLength(name) > 63)
      return [
        {
          place,
          problem: `the column "${name}" is longer than the 63 bytes that PostgreSQL keeps`,
          mend: "Rename the field"
        }
      ]
    if (textsOf(column).some((each) => each.includes("\u0000")))
      return [{ place, problem: "a value holds a NUL character, which PostgreSQL cannot store", mend: "Leave it out" }]
    return []
  })

const allPrivileges = ["select", "insert", "update", "delete"] as const

const columnName = (resource: Resource.Any, field: string): string => {
  const column = resource.columns.find((each) => each.field === field)
  if (column === undefined)
    throw new Error(`${resource.name} has no field ${field}; make a registry first, which checks this`)
  return column.name
}

const types: { readonly [kind in Column.ColumnKind]: DatabaseModel.Type } = {
  text: "text",
  integer: "bigint",
  number: "double precision",
  bigint: "numeric",
  bigdecimal: "numeric",
  boolean: "boolean",
  timestamp: "timestamp with time zone",
  json: "jsonb"
}

const columnOf = (resource: Resource.Any, column: Column.Column): DatabaseModel.Column => ({
  name: column.name,
  type: types[column.kind],
  nullable: column.nullable,
  ...valueDefault(resource, column),
  ...fillOf(resource, column),
  ...(column.renamedFrom === undefined ? {} : { renamedFrom: Column.snakeCase(column.renamedFrom) })
})

const valueDefault = (resource: Resource.Any, column: Column.Column): { readonly default?: DatabaseModel.Default } => {
  const schema = resource.fields[column.field]
  if (column.default?._tag !== "Value" || schema === undefined) return {}
  const value = Schema.encodeUnknownSync(Schema.toCodecJson(schema))(column.default.value)
  return value === null || value === undefined ? {} : { default: { _tag: "Value", value: value as Schema.Json } }
}

const fillOf = (resource: Resource.Any, column: Column.Column): { readonly fill?: DatabaseModel.Fill } => {
  switch (column.default?._tag) {
    case "Now":
    case "Touch":
      return { fill: { _tag: "Now" } }
    case "NewId":
      return { fill: { _tag: "NewId" } }
    case "Version":
      return { fill: { _tag: "One" } }
    case "Position":
      return { fill: { _tag: "Position", parent: columnName(resource, column.default.parent), name: column.field } }
    default:
      return {}
  }
}

const indexesOf = (
  resource: Resource.Any,
  inTenant: (fields: ReadonlyArray<string>) => ReadonlyArray<string>,
  primaryKey: ReadonlyArray<string>
): ReadonlyArray<DatabaseModel.Index> => {
  const found = new Map<string, DatabaseModel.Index>()
  const add = (columns: ReadonlyArray<string>, unique: boolean) => {
    const name = SqlName.derived(resource.table, columns.slice(resource.tenantScoped ? 1 : 0), unique ? "key" : "idx")
    found.set(name, { name, columns, unique })
  }
  const keys = [resource.conflict.on, ...Object.values(resource.identities)].map(inTenant)
  for (const columns of keys) if (!same(columns, primaryKey)) add(columns, true)
  const pointers = Object.values(resource.relations).filter((each) => each._tag === "BelongsTo")
  for (const { field } of pointers) {
    const columns = inTenant([field])
    // A key that begins with the same columns serves as well.
    if (![primaryKey, ...keys].some((key) => begins(key, columns))) add(columns, false)
  }
  for (const fields of resource.indexes) {
    const columns = inTenant(fields)
    if (![primaryKey, ...keys].some((key) => same(key, columns))) add(columns, false)
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

const begins = (all: ReadonlyArray<string>, start: ReadonlyArray<string>) =>
  start.every((each, index) => all[index] === each)
const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>) => a.length === b.length && begins(a, b)

const foreignKeysOf = (
  resource: Resource.Any,
  registry: Registry,
  schema: string
): ReadonlyArray<DatabaseModel.ForeignKey> => {
  const found = new Map<string, DatabaseModel.ForeignKey>()
  const relations = Object.entries(resource.relations).filter(
    (entry): entry is [string, BelongsTo] => entry[1]._tag === "BelongsTo"
  )
  for (const [relation, { field, target: targetName, onRemove }] of relations) {
    const target = registry.resource(targetName)
    if (target === undefined) continue
    const column = columnName(resource, field)
    const targets = new Set(relations.filter(([, each]) => each.field === field).map(([, each]) => each.target))
    const name = SqlName.derived(resource.table, targets.size === 1 ? [column] : [column, target.table], "fk")
    if (found.has(name)) continue
    found.set(name, {
      name,
      relation,
      column,
      columns: target.tenantScoped ? [resource.tenancyKey, column] : [column],
      target: {
        schema,
        name: target.table,
        columns: [...(target.tenantScoped ? [target.tenancyKey] : []), columnName(target, target.key)]
      },
      onRemove
    })
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** What the actions of all resources may do to each resource's rows. */
const writersOf = (registry: Registry): ReadonlyMap<string, ReadonlySet<DatabaseModel.Privilege>> => {
  const found = new Map<string, Set<DatabaseModel.Privilege>>()
  const add = (resource: string, privileges: ReadonlyArray<DatabaseModel.Privilege>) => {
    const set = found.get(resource) ?? new Set()
    for (const each of privileges) set.add(each)
    found.set(resource, set)
  }
  for (const resource of registry.resources) {
    for (const action of Object.values(resource.actions)) {
      if (action.kind === "create" || action.kind === "update") add(resource.name, ["insert", "update"])
      if (action.kind === "destroy") add(resource.name, ["delete"])
      if (action.kind === "action") add(resource.name, ["insert", "update", "delete"])
      for (const touched of action.touches()) {
        if (touched._tag === "Resource") add(touched.name, ["insert", "update", "delete"])
      }
    }
  }
  return found
}
