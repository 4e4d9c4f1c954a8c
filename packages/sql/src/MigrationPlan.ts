/**
 * The steps from one model to the next, gathered while two models are compared, and the pieces that they are made of.
 */
import type * as DatabaseModel from "./DatabaseModel.ts"
import { frameworkSchema } from "./DatabaseModel.ts"
import type { Hazard } from "./MigrationFailure.ts"
import * as SqlName from "./SqlName.ts"

const { qualified, quote, literal } = SqlName

/** Statements that belong together, under a sentence that says what they are for. */
export interface Step {
  readonly about: string
  readonly statements: ReadonlyArray<string>
}

/**
 * A change in three parts, each its own file. `change` is quick and locks; `validate` reads whole tables under locks
 * that let reads and writes go on; `concurrent` builds indexes outside of a transaction.
 */
export interface Plan {
  readonly change: Array<Step>
  readonly validate: Array<Step>
  readonly concurrent: Array<Step>
  readonly warnings: Array<string>
  readonly hazards: Array<Hazard>
  readonly approved: ReadonlySet<string>
}

/** A plan without steps. */
export const empty = (approved: ReadonlyArray<string>): Plan => ({
  change: [],
  validate: [],
  concurrent: [],
  warnings: [],
  hazards: [],
  approved: new Set(approved)
})

/** Whether a hazard was approved; records it where not. */
export const approves = (plan: Plan, hazard: Hazard): boolean => {
  if (plan.approved.has(hazard.name)) return true
  if (!plan.hazards.some(({ name }) => name === hazard.name)) plan.hazards.push(hazard)
  return false
}

/** A change that is only recorded once approved; someone makes it in a file of their own. */
export const byHand = (plan: Plan, hazard: Hazard): void => {
  if (approves(plan, hazard))
    plan.change.push({ about: `Made by hand, as approved by "${hazard.name}": ${hazard.problem}`, statements: [] })
}

/** `widgets.color`, with the schema where it is the framework's. */
export const placeOf = (table: DatabaseModel.Table, part?: string): string =>
  (table.schema === frameworkSchema ? `${table.schema}.${table.name}` : table.name) +
  (part === undefined ? "" : `.${part}`)

/**
 * Lets the owner see every tenant's rows for these statements. Under forced row security an owner without a tenant
 * sees none: an update would change nothing, and a foreign key would count as valid unread. Until the end of the
 * transaction others wait for these tables.
 */
export const unforced = (
  tables: ReadonlyArray<Pick<DatabaseModel.Table, "schema" | "name" | "tenantColumn">>,
  statements: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const secured = [...new Set(tables.filter((table) => table.tenantColumn !== undefined).map(qualified))]
  return [
    ...secured.map((table) => `alter table ${table} no force row level security`),
    ...statements,
    ...secured.map((table) => `alter table ${table} force row level security`)
  ]
}

/**
 * Makes a column required without reading the table under an exclusive lock: NOT VALID now, VALIDATE in the next file.
 */
export const requireColumn = (plan: Plan, table: DatabaseModel.Table, column: string): void => {
  const name = quote(SqlName.derived(table.name, [column], "required"))
  const alter = `alter table ${qualified(table)}`
  plan.change.push({
    about: `${placeOf(table, column)} is required from now on; rows that are there are checked in the next file`,
    statements: [`${alter} add constraint ${name} check (${quote(column)} is not null) not valid`]
  })
  plan.validate.push({
    about: `${placeOf(table, column)} is required; fails where a row still lacks it`,
    statements: [
      `${alter} validate constraint ${name}`,
      `${alter} alter column ${quote(column)} set not null`,
      `${alter} drop constraint ${name}`
    ]
  })
}

/** Fills a new position column in the order of keys and sets the counters (D6). */
export const fillPositions = (
  table: DatabaseModel.Table,
  column: string,
  fill: { readonly parent: string; readonly name: string }
): ReadonlyArray<string> => {
  const tenant = table.tenantColumn
  const keys = table.primaryKey.columns
  const within = [...(tenant === undefined ? [] : [tenant]), fill.parent].map(quote).join(", ")
  const counters = tenant === undefined ? "shared_positions" : "positions"
  const owner = tenant === undefined ? [] : [`"tenant_id"`]
  return [
    `update ${qualified(table)} as t set ${quote(column)} = n.n\nfrom (\n  select ${keys.map(quote).join(", ")}, row_number() over (partition by ${within} order by ${quote(
      keys[keys.length - 1] ?? ""
    )}) as n\n  from ${qualified(table)}\n) as n\nwhere ${keys.map((key) => `t.${quote(key)} = n.${quote(key)}`).join(" and ")}`,
    `insert into ${quote(frameworkSchema)}.${quote(counters)} (${[...owner, `"resource"`, `"parent"`, `"value"`].join(", ")})\nselect ${[
      ...(tenant === undefined ? [] : [quote(tenant)]),
      literal(positionsOf(table.resource ?? table.name, fill.name)),
      counterOf(`${quote(fill.parent)}::text`),
      `max(${quote(column)})`
    ].join(
      ", "
    )}\nfrom ${qualified(table)} where ${quote(fill.parent)} is not null group by ${within}\non conflict (${[...owner, `"resource"`, `"parent"`].join(", ")}) do update set "value" = greatest(${quote(counters)}."value", excluded."value")`
  ]
}

/** The name of a parent's counter, as `SaveSql` gives it: the empty text is that of the rows without one. */
const counterOf = (parent: string): string =>
  `case when ${parent} = '' or starts_with(${parent}, chr(1)) then chr(1) || ${parent} else ${parent} end`

/** What the column `resource` of the position counters holds: a resource may have several position fields. */
export const positionsOf = (resource: string, field: string): string => `${resource}.${field}`

/** Keeps what a column holds in `tenon.removed_values`, and nulls it. */
export const nullColumn = (table: DatabaseModel.Table, column: string, keep: boolean): ReadonlyArray<string> => {
  const key = table.primaryKey.columns[table.primaryKey.columns.length - 1] ?? ""
  const tenant = table.tenantColumn === undefined ? "''" : quote(table.tenantColumn)
  return [
    ...(keep
      ? [
          `insert into ${quote(frameworkSchema)}."removed_values" ("tenant_id", "resource", "key", "field", "value")\nselect ${tenant}, ${literal(
            table.resource ?? placeOf(table)
          )}, ${quote(key)}::text, ${literal(column)}, to_jsonb(${quote(column)})\nfrom ${qualified(table)} where ${quote(column)} is not null`
        ]
      : []),
    `update ${qualified(table)} set ${quote(column)} = null where ${quote(column)} is not null`
  ]
}

/** The text of one file of a plan. */
export const render = (title: ReadonlyArray<string>, steps: ReadonlyArray<Step>): string =>
  [
    ...title.map(SqlName.comment),
    ...steps.map(
      ({ about, statements }) => `\n${[SqlName.comment(about), ...statements.map((each) => `${each};`)].join("\n")}`
    )
  ].join("\n") + "\n"
