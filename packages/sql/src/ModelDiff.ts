/** Compares the model that the committed snapshot holds with the wanted one, and plans the migration between them. */
import * as ColumnDiff from "./ColumnDiff.ts"
import * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import * as FrameworkTables from "./FrameworkTables.ts"
import * as MigrationPlan from "./MigrationPlan.ts"
import * as SqlName from "./SqlName.ts"

const { qualified, quote } = SqlName
const { placeOf } = MigrationPlan

/** A plan, and the model to remember once it is applied. */
export interface Difference {
  readonly plan: MigrationPlan.Plan
  readonly next: DatabaseModel.Model
}

/** What leads from `before` (`undefined`: an empty database) to `after`. `approved` names the hazards to go through with. */
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
    dropParts(plan, pair)
    const columns = ColumnDiff.diff(plan, pair, removedValues)
    addParts(plan, pair)
    diffAccess(plan, after, pair)
    return { ...pair.after, columns }
  })
  // Foreign keys last: every table and column is there by then.
  closeCircles(plan, after, placed)
  for (const pair of pairs) diffForeignKeys(plan, after, pair)
  const kept = gone.filter((table) => !moved.has(table)).map((table) => deprecateTable(plan, table))
  diffVersions(plan, before, after, pairs)
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

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>) =>
  a.length === b.length && a.every((each, index) => each === b[index])
const sameCheck = (a: DatabaseModel.Check, b: DatabaseModel.Check) => a.column === b.column && same(a.values, b.values)
const sameIndex = (a: DatabaseModel.Index, b: DatabaseModel.Index) =>
  a.unique === b.unique && same(a.columns, b.columns)
const sameKey = (a: DatabaseModel.ForeignKey, b: DatabaseModel.ForeignKey) =>
  same(a.columns, b.columns) &&
  a.onRemove === b.onRemove &&
  a.target.schema === b.target.schema &&
  a.target.name === b.target.name &&
  same(a.target.columns, b.target.columns)

/** What `from` has and `to` has not, or has otherwise. */
const missingIn = <A extends { readonly name: string }>(
  from: ReadonlyArray<A>,
  to: ReadonlyArray<A>,
  alike: (a: A, b: A) => boolean
): ReadonlyArray<A> => from.filter((each) => !to.some((other) => other.name === each.name && alike(each, other)))

const dropParts = (plan: MigrationPlan.Plan, { before, after }: ColumnDiff.Pair): void => {
  for (const { name } of missingIn(before.foreignKeys, after.foreignKeys, sameKey)) {
    plan.change.push({
      about: `${placeOf(after)} no longer has this relation as it was`,
      statements: [`alter table ${qualified(after)} drop constraint ${quote(name)}`]
    })
  }
  for (const { name, column } of missingIn(before.checks, after.checks, sameCheck)) {
    plan.change.push({
      about: `${placeOf(after, column)} allows other values`,
      statements: [`alter table ${qualified(after)} drop constraint ${quote(name)}`]
    })
  }
  for (const { name, columns } of missingIn(before.indexes, after.indexes, sameIndex)) {
    plan.change.push({
      about: `${placeOf(after)} needs no index on ${columns.join(", ")}`,
      statements: [`drop index ${quote(after.schema)}.${quote(name)}`]
    })
  }
}

const addParts = (plan: MigrationPlan.Plan, { before, after }: ColumnDiff.Pair): void => {
  for (const check of missingIn(after.checks, before.checks, sameCheck)) {
    const alter = `alter table ${qualified(after)}`
    plan.change.push({
      about: `${placeOf(after, check.column)} allows a fixed set of values; rows that are there are checked in the next file`,
      statements: [`${alter} add ${DdlRender.check(check)} not valid`]
    })
    plan.validate.push({
      about: `${placeOf(after, check.column)}; fails where a row holds another value`,
      statements: [`${alter} validate constraint ${quote(check.name)}`]
    })
  }
  for (const index of missingIn(after.indexes, before.indexes, sameIndex)) {
    plan.concurrent.push({
      about: `${placeOf(after)} by ${index.columns.join(", ")}${index.unique ? "; fails where two rows have the same values" : ""}. A build that was cut short is dropped first`,
      statements: [
        `drop index concurrently if exists ${quote(after.schema)}.${quote(index.name)}`,
        DdlRender.createIndex(after, index, "concurrently ")
      ]
    })
  }
  if (!same(before.primaryKey.columns, after.primaryKey.columns) || before.primaryKey.name !== after.primaryKey.name) {
    MigrationPlan.byHand(plan, {
      name: `key:${placeOf(after)}`,
      problem: `The primary key of ${placeOf(after)} changed from (${before.primaryKey.columns.join(", ")}) to (${after.primaryKey.columns.join(", ")})`,
      mend: "Keep the key, or change it and all that points to it in a migration of your own"
    })
  }
}

const diffForeignKeys = (
  plan: MigrationPlan.Plan,
  model: DatabaseModel.Model,
  { before, after }: ColumnDiff.Pair
): void => {
  for (const key of missingIn(after.foreignKeys, before.foreignKeys, sameKey)) {
    const target = DatabaseModel.table(model, key.target)
    plan.change.push({
      about: `${placeOf(after, key.column)} points to ${key.target.name}; rows that are there are checked in the next file`,
      statements: [DdlRender.addForeignKey(after, key, " not valid")]
    })
    plan.validate.push({
      about: `${placeOf(after, key.column)}; fails where a row points to nothing`,
      statements: MigrationPlan.unforced(
        [after, ...(target === undefined ? [] : [target])],
        [`alter table ${qualified(after)} validate constraint ${quote(key.name)}`]
      )
    })
  }
}

const diffAccess = (plan: MigrationPlan.Plan, model: DatabaseModel.Model, { before, after }: ColumnDiff.Pair): void => {
  if (before.tenantColumn !== after.tenantColumn) {
    MigrationPlan.byHand(plan, {
      name: `tenancy:${placeOf(after)}`,
      problem: `${placeOf(after)} ${after.tenantColumn === undefined ? "is no longer" : "is now"} tenant-scoped${before.tenantColumn === undefined || after.tenantColumn === undefined ? "" : " by another column"}`,
      mend: "Whose rows these are cannot be derived: declare a new resource, and copy in a migration of your own"
    })
    return
  }
  const samePolicy = (a: DatabaseModel.Policy, b: DatabaseModel.Policy) => a.role === b.role && a.rows === b.rows
  for (const { name } of missingIn(before.policies, after.policies, samePolicy)) {
    plan.change.push({
      about: `${placeOf(after)} has other policies`,
      statements: [`drop policy ${quote(name)} on ${qualified(after)}`]
    })
  }
  for (const policy of missingIn(after.policies, before.policies, samePolicy)) {
    plan.change.push({
      about: `${placeOf(after)} has other policies`,
      statements: [DdlRender.createPolicy(model, after, policy)]
    })
  }
  for (const role of ["app", "relay"] as const) {
    const had = before.grants.find((each) => each.role === role)?.privileges ?? []
    const has = after.grants.find((each) => each.role === role)?.privileges ?? []
    const lost = had.filter((each) => !has.includes(each))
    const won = has.filter((each) => !had.includes(each))
    if (lost.length > 0) {
      plan.change.push({
        about: `${placeOf(after)} is written otherwise`,
        statements: [`revoke ${lost.join(", ")} on ${qualified(after)} from ${quote(model.roles[role])}`]
      })
    }
    if (won.length > 0) {
      plan.change.push({
        about: `${placeOf(after)} is written otherwise`,
        statements: [DdlRender.grant(model, after, { role, privileges: won })]
      })
    }
  }
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

const diffVersions = (
  plan: MigrationPlan.Plan,
  before: DatabaseModel.Model,
  after: DatabaseModel.Model,
  pairs: ReadonlyArray<ColumnDiff.Pair>
): void => {
  const had = new Map(before.versions.map(({ resource, version }) => [resource, version]))
  for (const { resource, version } of after.versions) {
    const last = had.get(resource)
    const pair = pairs.find((each) => each.after.resource === resource)
    if (last === undefined || pair === undefined || version > last) continue
    const live = pair.before.columns.filter(({ deprecated }) => deprecated === undefined)
    const changed =
      pair.after.columns.length !== live.length ||
      pair.after.columns.some((column) => !live.some((each) => ColumnDiff.sameColumn(each, column))) ||
      missingIn(pair.after.checks, pair.before.checks, sameCheck).length > 0
    if (version < last || changed) {
      MigrationPlan.approves(plan, {
        name: `version:${resource}`,
        problem: `${version < last ? `The version of ${resource} went back from ${last} to ${version}` : `The fields of ${resource} changed and its version is still ${version}`}, so processes of both releases would take the database for theirs`,
        mend: `Declare \`version: ${last + 1}\``
      })
    }
  }
  const raised = after.versions.filter(({ resource, version }) => had.get(resource) !== version)
  if (raised.length === 0) return
  // Last of all, so that a resource counts as migrated only when its indexes are there too.
  const step = { about: "The version of each resource that changed", statements: DdlRender.versions(raised) }
  if (plan.concurrent.length > 0) plan.concurrent.push(step)
  else if (plan.validate.length > 0) plan.validate.push(step)
  else plan.change.push(step)
}
