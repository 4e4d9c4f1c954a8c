/** Compares the model that the committed snapshot holds with the wanted one, and plans the migration between them. */
import * as AccessDiff from "./AccessDiff.ts"
import * as ColumnDiff from "./ColumnDiff.ts"
import * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import * as FrameworkTables from "./FrameworkTables.ts"
import * as MigrationPlan from "./MigrationPlan.ts"
import * as PartDiff from "./PartDiff.ts"
import * as SqlName from "./SqlName.ts"
import * as VersionDiff from "./VersionDiff.ts"

const { qualified, quote } = SqlName
const { placeOf } = MigrationPlan

/** A plan, and the model to remember once it is applied. */
export interface Difference {
  readonly plan: MigrationPlan.Plan
  readonly next: DatabaseModel.Model
}

/**
 * What leads from `before` (`undefined`: an empty database) to `after`. `approved` names the hazards to go through
 * with.
 */
export const diff = (
  before: DatabaseModel.Model | undefined,
  after: DatabaseModel.Model,
  approved: ReadonlyArray<string> = []
): Difference => {
  const plan = MigrationPlan.empty(approved)
  if (before === undefined) return { plan: create(plan, after), next: remembered(after) }
  if (
    before.schema !== after.schema ||
    before.roles.app !== after.roles.app ||
    before.roles.relay !== after.roles.relay
  ) {
    MigrationPlan.byHand(plan, {
      name: "names",
      problem: `The schema or the roles changed: ${describe(before)} became ${describe(after)}`,
      mend: "Keep the names that the first migration was made with"
    })
  }
  const pairs = after.tables.flatMap((table) => {
    const found = DatabaseModel.table(before, table)
    return found === undefined ? [] : [{ before: found, after: table }]
  })
  const fresh = after.tables.filter((table) => DatabaseModel.table(before, table) === undefined)
  const gone = before.tables.filter((table) => DatabaseModel.table(after, table) === undefined)
  const moved = new Set(gone.filter((table) => table.deprecated !== true && movedTo(plan, table, fresh)))
  const created = fresh.filter(
    (table) => ![...moved].some(({ resource }) => resource !== undefined && resource === table.resource)
  )
  const placed = DdlRender.inOrder(created, before.tables)
  addTables(plan, after, placed)
  const removedValues = FrameworkTables.tables.find(({ name }) => name === "removed_values")
  if (removedValues === undefined) throw new Error("The framework's tables lack removed_values")
  const changed = pairs.map((pair) => {
    if (pair.before.deprecated === true) {
      plan.change.push({
        about: `${placeOf(pair.after)} is declared again`,
        statements: [`comment on table ${qualified(pair.after)} is null`]
      })
    }
    PartDiff.drop(plan, pair)
    const columns = ColumnDiff.diff(plan, pair, removedValues)
    PartDiff.add(plan, pair)
    AccessDiff.diff(plan, after, pair)
    return { ...pair.after, columns }
  })
  // Foreign keys last: every table and column is there by then.
  closeCircles(plan, after, placed)
  for (const pair of pairs) PartDiff.addForeignKeys(plan, after, pair)
  const kept = gone.filter((table) => !moved.has(table)).map((table) => deprecateTable(plan, table))
  VersionDiff.diff(plan, before, after, pairs)
  const byPlace = new Map([...changed, ...fresh.map(rememberedTable)].map((table) => [placeOf(table), table]))
  const tables = after.tables.flatMap((table) => byPlace.get(placeOf(table)) ?? [])
  return { plan, next: { ...after, tables: [...tables, ...kept] } }
}

/** Every statement that an empty database needs. */
export const everything = (model: DatabaseModel.Model): ReadonlyArray<string> =>
  diff(undefined, model).plan.change.flatMap(({ statements }) => statements)

/** Whether a plan does anything. */
export const isEmpty = ({ change, validate, concurrent, hazards }: MigrationPlan.Plan): boolean =>
  change.length + validate.length + concurrent.length + hazards.length === 0

const describe = ({ schema, roles }: DatabaseModel.Model) => `${schema}, ${roles.app}, ${roles.relay}`
const rememberedTable = (table: DatabaseModel.Table): DatabaseModel.Table => ({
  ...table,
  columns: table.columns.map(ColumnDiff.remembered)
})
const remembered = (model: DatabaseModel.Model): DatabaseModel.Model => ({
  ...model,
  tables: model.tables.map(rememberedTable)
})

const create = (plan: MigrationPlan.Plan, model: DatabaseModel.Model): MigrationPlan.Plan => {
  plan.change.push(
    {
      about: "Roles: they own nothing, bypass nothing and cannot log in; grant them to the login that works as them",
      statements: DdlRender.roles(model)
    },
    { about: "Schemas", statements: DdlRender.schemas(model) }
  )
  const placed = DdlRender.inOrder(model.tables)
  addTables(plan, model, placed)
  closeCircles(plan, model, placed)
  if (model.versions.length > 0)
    plan.change.push({ about: "The version of each resource", statements: DdlRender.versions(model.versions) })
  return plan
}

const addTables = (
  plan: MigrationPlan.Plan,
  model: DatabaseModel.Model,
  placed: ReadonlyArray<DdlRender.Placed>
): void => {
  for (const each of placed)
    plan.change.push({ about: `New table ${placeOf(each.table)}`, statements: DdlRender.table(model, each) })
}

const closeCircles = (
  plan: MigrationPlan.Plan,
  model: DatabaseModel.Model,
  placed: ReadonlyArray<DdlRender.Placed>
): void => {
  for (const { later, table } of placed) {
    for (const key of later) {
      const target = DatabaseModel.table(model, key.target)
      plan.change.push({
        about: `${placeOf(table)} and ${key.target.name} point at each other; row security is not forced on the owner while the key is checked`,
        statements: MigrationPlan.unforced(
          [table, ...(target === undefined ? [] : [target])],
          [DdlRender.addForeignKey(table, key)]
        )
      })
    }
  }
}

const movedTo = (
  plan: MigrationPlan.Plan,
  table: DatabaseModel.Table,
  fresh: ReadonlyArray<DatabaseModel.Table>
): boolean => {
  const target = table.resource === undefined ? undefined : fresh.find(({ resource }) => resource === table.resource)
  if (target === undefined) return false
  MigrationPlan.byHand(plan, {
    name: `table:${table.resource}`,
    problem: `The table of ${table.resource} changed from ${placeOf(table)} to ${placeOf(target)}, whose rows the application would no longer see`,
    mend: "Keep the name as `table`, or rename the table, its keys, indexes and constraints in a migration of your own"
  })
  return true
}

const deprecateTable = (plan: MigrationPlan.Plan, table: DatabaseModel.Table): DatabaseModel.Table => {
  if (table.deprecated === true) return table
  plan.warnings.push(
    `${placeOf(table)} is deprecated: ${table.resource ?? "it"} is no longer declared; the table and its rows are kept`
  )
  plan.change.push({
    about: `${table.resource ?? placeOf(table)} is no longer declared: the rows are kept, but no longer stand in the way of others`,
    statements: [
      ...table.foreignKeys.map(({ name }) => `alter table ${qualified(table)} drop constraint ${quote(name)}`),
      `comment on table ${qualified(table)} is ${SqlName.literal("tenon: deprecated")}`
    ]
  })
  return { ...table, foreignKeys: [], deprecated: true }
}
