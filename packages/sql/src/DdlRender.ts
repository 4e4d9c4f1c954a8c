/** Writes a `DatabaseModel` as SQL statements for PostgreSQL 15 and later, each without its semicolon. */
import * as DatabaseModel from "./DatabaseModel.ts"
import * as SqlName from "./SqlName.ts"

const { qualified, quote, literal, list } = SqlName

/** The session's tenant; null where there is none. After a commit the setting is empty, not null. */
export const currentTenant = "nullif(current_setting('app.tenant_id', true), '')"

/** A constant of a column's type, in the form that PostgreSQL itself would show. */
export const constant = (type: DatabaseModel.Type, value: unknown): string => {
  if (type === "boolean") return value === true ? "true" : "false"
  if (type === "text[]") {
    const items = (value as ReadonlyArray<string>).map((each) => `"${each.replace(/["\\]/g, "\\$&")}"`)
    return `${literal(`{${items.join(",")}}`)}::text[]`
  }
  return `${literal(type === "jsonb" ? JSON.stringify(value) : String(value))}::${type}`
}

/** The default expression of a column, where it has one. */
export const defaultOf = (column: DatabaseModel.Column): string | undefined => {
  switch (column.default?._tag) {
    case "Value":
      return constant(column.type, column.default.value)
    case "Tenant":
      return currentTenant
    case "Now":
      return "now()"
    default:
      return undefined
  }
}

/** A column as it stands in `create table` and `add column`. */
export const column = (of: DatabaseModel.Column): string => {
  const value = defaultOf(of)
  return [
    quote(of.name),
    of.type,
    // By code points, whatever the database's locale: pages and cursors sort so, and only then do the keys serve them.
    ...(of.type === "text" ? [`collate "C"`] : []),
    ...(of.nullable ? [] : ["not null"]),
    ...(of.default?._tag === "Identity" ? ["generated always as identity"] : []),
    ...(value === undefined ? [] : [`default ${value}`])
  ].join(" ")
}

/** The expression of a check. */
export const checkExpression = (check: DatabaseModel.Check): string =>
  `${quote(check.column)} = any (array[${check.values.map((value) => `${literal(value)}::text`).join(", ")}])`

/** `constraint … check (…)`. */
export const check = (of: DatabaseModel.Check): string => `constraint ${quote(of.name)} check (${checkExpression(of)})`

/** `create table` with columns, primary key, checks, and those foreign keys whose targets are there by then. */
export const createTable = (table: DatabaseModel.Table, keys: ReadonlyArray<DatabaseModel.ForeignKey> = []): string =>
  `create table ${isBootstrap(table) ? "if not exists " : ""}${qualified(table)} (\n  ${[
    ...table.columns.map(column),
    `constraint ${quote(table.primaryKey.name)} primary key (${list(table.primaryKey.columns)})`,
    ...table.checks.map(check),
    ...keys.map(foreignKey)
  ].join(",\n  ")}\n)`

/** The one table that a migration run makes for itself. */
export const isBootstrap = (table: DatabaseModel.Table): boolean =>
  table.schema === DatabaseModel.frameworkSchema && table.name === "migrations"

/** `create index`. */
export const createIndex = (
  table: DatabaseModel.Table,
  index: DatabaseModel.Index,
  how: "" | "concurrently " = ""
): string =>
  `create ${index.unique ? "unique " : ""}index ${how}${quote(index.name)} on ${qualified(table)} (${list(index.columns)})`

const onDelete = (key: DatabaseModel.ForeignKey): string => {
  if (key.onRemove === "cascade") return "on delete cascade"
  if (key.onRemove === "null") return `on delete set null (${quote(key.column)})`
  return "on delete no action"
}

const foreignKey = (key: DatabaseModel.ForeignKey): string =>
  `constraint ${quote(key.name)} foreign key (${list(key.columns)}) references ${qualified(key.target)} (${list(
    key.target.columns
  )}) ${onDelete(key)} deferrable initially immediate`

/** `alter table … add constraint … foreign key`. */
export const addForeignKey = (
  table: DatabaseModel.Table,
  key: DatabaseModel.ForeignKey,
  how: "" | " not valid" = ""
): string => `alter table ${qualified(table)} add ${foreignKey(key)}${how}`

/** A table to be made, with the foreign keys that can be made with it, and those that must wait for another table. */
export interface Placed {
  readonly table: DatabaseModel.Table
  readonly keys: ReadonlyArray<DatabaseModel.ForeignKey>
  readonly later: ReadonlyArray<DatabaseModel.ForeignKey>
}

/**
 * Tables in an order in which most foreign keys can be made with their table; only those that close a circle are left
 * for later. That matters under forced row security: a key that is added later is checked by a query, which the owner
 * may not make. `there` are the tables that exist already.
 */
export const inOrder = (
  tables: ReadonlyArray<DatabaseModel.Table>,
  there: ReadonlyArray<DatabaseModel.Table> = []
): ReadonlyArray<Placed> => {
  const done = new Set(there.map(qualified))
  const waiting = [...tables]
  const placed: Array<Placed> = []
  const ready = (table: DatabaseModel.Table) => (key: DatabaseModel.ForeignKey) =>
    done.has(qualified(key.target)) || qualified(key.target) === qualified(table)
  while (waiting.length > 0) {
    const next = Math.max(
      0,
      waiting.findIndex((table) => table.foreignKeys.every(ready(table)))
    )
    for (const table of waiting.splice(next, 1)) {
      const isReady = ready(table)
      placed.push({
        table,
        keys: table.foreignKeys.filter(isReady),
        later: table.foreignKeys.filter((key) => !isReady(key))
      })
      done.add(qualified(table))
    }
  }
  return placed
}

/** Switches row security on, for the owner too. */
export const secure = (table: DatabaseModel.Table): ReadonlyArray<string> =>
  table.tenantColumn === undefined
    ? []
    : [
        `alter table ${qualified(table)} enable row level security`,
        `alter table ${qualified(table)} force row level security`
      ]

/** The condition of a policy. The sub-select lets the planner evaluate it once per query. */
export const policyExpression = (table: DatabaseModel.Table, policy: DatabaseModel.Policy): string => {
  switch (policy.rows) {
    case "tenant":
      return `${quote(table.tenantColumn ?? "tenant_id")} = (select ${currentTenant})`
    case "presented":
      return `"hash" = (select nullif(current_setting('app.api_key_hash', true), ''))`
    case "all":
      return "true"
  }
}

/** `create policy`. */
export const createPolicy = (
  model: DatabaseModel.Model,
  table: DatabaseModel.Table,
  policy: DatabaseModel.Policy
): string => {
  const rows = policyExpression(table, policy)
  return `create policy ${quote(policy.name)} on ${qualified(table)} to ${quote(model.roles[policy.role])}\n  using (${rows})\n  with check (${rows})`
}

/** `grant … on table`. */
export const grant = (model: DatabaseModel.Model, table: DatabaseModel.Table, of: DatabaseModel.Grant): string =>
  `grant ${of.privileges.join(", ")} on ${qualified(table)} to ${quote(model.roles[of.role])}`

/** Makes the roles where they are missing. Roles belong to the whole server, so another database may have made them. */
export const roles = (model: DatabaseModel.Model): ReadonlyArray<string> =>
  [model.roles.app, model.roles.relay].map((role) => {
    const body = [
      "begin",
      `  create role ${quote(role)} nologin nosuperuser nobypassrls nocreatedb nocreaterole noreplication;`,
      "exception when duplicate_object or unique_violation then null;",
      "end"
    ].join("\n")
    let tag = "$tenon$"
    while (body.includes(tag)) tag = `$tenon${tag.length}$`
    return `do ${tag}\n${body}\n${tag}`
  })

/** Makes the schemas and opens them to the roles that have tables there. */
export const schemas = (model: DatabaseModel.Model): ReadonlyArray<string> =>
  rolesBySchema(model).flatMap(([schema, roles]) => [
    `create schema if not exists ${quote(schema)}`,
    `revoke create on schema ${quote(schema)} from public`,
    `grant usage on schema ${quote(schema)} to ${list(roles)}`
  ])

/** Which roles may use which schema. */
export const rolesBySchema = (model: DatabaseModel.Model): ReadonlyArray<readonly [string, ReadonlyArray<string>]> => [
  [model.schema, [model.roles.app]],
  [DatabaseModel.frameworkSchema, [model.roles.app, model.roles.relay]]
]

/** A whole table but for the foreign keys that must wait. */
export const table = (model: DatabaseModel.Model, { keys, table: of }: Placed): ReadonlyArray<string> => [
  createTable(of, keys),
  ...of.indexes.map((index) => createIndex(of, index)),
  ...secure(of),
  ...of.policies.map((policy) => createPolicy(model, of, policy)),
  ...of.grants.map((each) => grant(model, of, each))
]

/** Records the versions of resources. */
export const versions = (of: DatabaseModel.Model["versions"]): ReadonlyArray<string> =>
  of.length === 0
    ? []
    : [
        `insert into ${quote(DatabaseModel.frameworkSchema)}."_schema_versions" ("resource", "version") values\n  ${of
          .map(({ resource, version }) => `(${literal(resource)}, ${Math.trunc(version)})`)
          .join(",\n  ")}\non conflict ("resource") do update set "version" = excluded."version", "applied_at" = now()`
      ]
