/** The steps from a table's columns to the wanted ones. Columns are added and deprecated, never dropped (E2). */
import * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import * as MigrationPlan from "./MigrationPlan.ts"
import * as Renames from "./Renames.ts"
import * as SqlName from "./SqlName.ts"

const { qualified, quote } = SqlName
const { placeOf } = MigrationPlan

/** A table as it is, and as it should be. */
export interface Pair {
  readonly before: DatabaseModel.Table
  readonly after: DatabaseModel.Table
}

/** Adds the steps, and returns the columns as they are to be remembered: the wanted ones, then the deprecated. */
export const diff = (
  plan: MigrationPlan.Plan,
  pair: Pair,
  removedValues: DatabaseModel.Table
): ReadonlyArray<DatabaseModel.Column> => {
  const { before, after } = pair
  Renames.ask(plan, pair)
  for (const wanted of after.columns) {
    const found = DatabaseModel.column(before, wanted.name)
    if (found === undefined) addColumn(plan, pair, wanted)
    else alterColumn(plan, after, found, wanted)
  }
  const left = before.columns.filter(({ name }) => DatabaseModel.column(after, name) === undefined)
  return [...after.columns.map(remembered), ...left.map((column) => deprecate(plan, pair, column, removedValues))]
}

/** A column without what matters only when it is made. */
export const remembered = (column: DatabaseModel.Column): DatabaseModel.Column => {
  const { fill: _, renamedFrom: __, ...kept } = column
  return kept
}

/** Whether two columns are the same in the database. */
export const sameColumn = (a: DatabaseModel.Column, b: DatabaseModel.Column): boolean =>
  a.name === b.name &&
  a.type === b.type &&
  a.nullable === b.nullable &&
  sameDefault(a, b) &&
  a.deprecated?._tag === b.deprecated?._tag

const sameDefault = (a: DatabaseModel.Column, b: DatabaseModel.Column): boolean =>
  a.default?._tag === b.default?._tag && DdlRender.defaultOf(a) === DdlRender.defaultOf(b)

const alter = (table: DatabaseModel.Table, column: string) =>
  `alter table ${qualified(table)} alter column ${quote(column)}`
const addIt = (table: DatabaseModel.Table, column: DatabaseModel.Column, extra = "") =>
  `alter table ${qualified(table)} add column ${DdlRender.column(column)}${extra}`

const addColumn = (plan: MigrationPlan.Plan, pair: Pair, wanted: DatabaseModel.Column): void => {
  const table = pair.after
  const place = placeOf(table, wanted.name)
  const old = wanted.renamedFrom === undefined ? undefined : DatabaseModel.column(pair.before, wanted.renamedFrom)
  if (old !== undefined && DatabaseModel.column(table, old.name) === undefined)
    return copyColumn(plan, table, old, wanted)
  if (wanted.nullable || wanted.default !== undefined) {
    plan.change.push({ about: `New column ${place}`, statements: [addIt(table, wanted)] })
    return
  }
  switch (wanted.fill?._tag) {
    case "Now":
    case "One":
    case "NewId": {
      const value = { Now: "now()", One: "'1'::bigint", NewId: "gen_random_uuid()::text" }[wanted.fill._tag]
      plan.change.push({
        about: `New column ${place}; the default is for rows that are there${wanted.fill._tag === "NewId" ? " and rewrites the table" : ""}`,
        statements: [addIt(table, wanted, ` default ${value}`), `${alter(table, wanted.name)} drop default`]
      })
      return
    }
    case "Position": {
      const counters = { schema: DatabaseModel.frameworkSchema, name: "positions", tenantColumn: "tenant_id" }
      plan.change.push({
        about: `New column ${place}; rows that are there are numbered in the order of their keys`,
        statements: [
          addIt(table, { ...wanted, nullable: true }),
          ...MigrationPlan.unforced(
            table.tenantColumn === undefined ? [] : [table, counters],
            MigrationPlan.fillPositions(table, wanted.name, wanted.fill)
          )
        ]
      })
      return MigrationPlan.requireColumn(plan, table, wanted.name)
    }
    default:
      if (
        MigrationPlan.approves(plan, {
          name: `required:${place}`,
          problem: `The new column ${place} is required and rows that are there would have no value for it`,
          mend: orMake(Renames.mendOf(pair, wanted))
        })
      )
        plan.change.push({
          about: `New column ${place}, approved; fails where the table has rows`,
          statements: [addIt(table, wanted)]
        })
  }
}

const orMake = (rename: string) =>
  `${rename}${rename === "" ? "Make" : "make"} the field optional or give it a default; or fill it in a migration of your own and require it in the release after`

const copyColumn = (
  plan: MigrationPlan.Plan,
  table: DatabaseModel.Table,
  old: DatabaseModel.Column,
  wanted: DatabaseModel.Column
): void => {
  const place = placeOf(table, wanted.name)
  if (old.type !== wanted.type && !approvesType(plan, table, old, wanted)) return
  const source = old.type === wanted.type ? quote(old.name) : `${quote(old.name)}::${wanted.type}`
  const value = DdlRender.defaultOf(wanted)
  const { default: _, ...bare } = wanted
  plan.change.push({
    about: `${placeOf(table, old.name)} is now called ${wanted.name}: add and copy; the old column is deprecated and keeps its values for a release`,
    statements: [
      addIt(table, { ...bare, nullable: true }),
      ...(value === undefined ? [] : [`${alter(table, wanted.name)} set default ${value}`]),
      ...MigrationPlan.unforced(
        [table],
        [
          `update ${qualified(table)} set ${quote(wanted.name)} = ${value === undefined || wanted.nullable ? source : `coalesce(${source}, ${value})`}`
        ]
      )
    ]
  })
  if (!wanted.nullable) MigrationPlan.requireColumn(plan, table, wanted.name)
  plan.warnings.push(
    `${placeOf(table, old.name)} is deprecated; it was copied to ${place}. Remove \`renamedFrom\` in the next release`
  )
}

const approvesType = (
  plan: MigrationPlan.Plan,
  table: DatabaseModel.Table,
  old: DatabaseModel.Column,
  wanted: DatabaseModel.Column
) =>
  MigrationPlan.approves(plan, {
    name: `type:${placeOf(table, wanted.name)}`,
    problem: `${placeOf(table, wanted.name)} would change from ${old.type} to ${wanted.type}, which can lose values and locks the table while it is rewritten`,
    mend: "Declare a new field under another name, and copy in a migration of your own"
  })

const alterColumn = (
  plan: MigrationPlan.Plan,
  table: DatabaseModel.Table,
  found: DatabaseModel.Column,
  wanted: DatabaseModel.Column
): void => {
  const place = placeOf(table, wanted.name)
  const value = DdlRender.defaultOf(wanted)
  if (found.deprecated !== undefined) {
    plan.change.push({
      about: `${place} is declared again`,
      statements: [`comment on column ${qualified(table)}.${quote(wanted.name)} is null`]
    })
  }
  if (found.type !== wanted.type) {
    if (!approvesType(plan, table, found, wanted)) return
    plan.change.push({
      about: `${place} becomes ${wanted.type}, approved; this rewrites the table`,
      statements: [
        ...(DdlRender.defaultOf(found) === undefined ? [] : [`${alter(table, wanted.name)} drop default`]),
        `${alter(table, wanted.name)} type ${wanted.type} using ${quote(wanted.name)}::${wanted.type}`,
        ...(value === undefined ? [] : [`${alter(table, wanted.name)} set default ${value}`])
      ]
    })
  } else if (!sameDefault(found, wanted)) {
    plan.change.push({
      about: `${place} has another default`,
      statements: [
        value === undefined
          ? `${alter(table, wanted.name)} drop default`
          : `${alter(table, wanted.name)} set default ${value}`
      ]
    })
  }
  if (wanted.nullable && !found.nullable) {
    plan.change.push({ about: `${place} is optional`, statements: [`${alter(table, wanted.name)} drop not null`] })
  }
  if (!wanted.nullable && found.nullable) {
    if (value !== undefined) {
      plan.change.push({
        about: `${place} is required: rows without a value get the default`,
        statements: MigrationPlan.unforced(
          [table],
          [`update ${qualified(table)} set ${quote(wanted.name)} = ${value} where ${quote(wanted.name)} is null`]
        )
      })
    }
    MigrationPlan.requireColumn(plan, table, wanted.name)
  }
}

const deprecate = (
  plan: MigrationPlan.Plan,
  { after: table, before }: Pair,
  column: DatabaseModel.Column,
  removedValues: DatabaseModel.Table
): DatabaseModel.Column => {
  const heir = table.columns.find((each) => each.renamedFrom === column.name)
  const { default: _, ...bare } = remembered(column)
  const place = placeOf(table, column.name)
  if (column.deprecated?._tag === "removed" || (column.deprecated?._tag === "renamed" && heir !== undefined))
    return column
  const note = (text: string) =>
    `comment on column ${qualified(table)}.${quote(column.name)} is ${SqlName.literal(text)}`
  const loosen = [
    ...(column.nullable ? [] : [`${alter(table, column.name)} drop not null`]),
    ...(DdlRender.defaultOf(column) === undefined ? [] : [`${alter(table, column.name)} drop default`])
  ]
  if (heir !== undefined && column.deprecated === undefined) {
    const to = heir.name
    plan.change.push({
      about: `${place} is deprecated`,
      statements: [...loosen, note(`tenon: deprecated, renamed to ${to}`)]
    })
    return { ...bare, nullable: true, deprecated: { _tag: "renamed", to } }
  }
  const copied =
    column.deprecated?._tag === "renamed" &&
    DatabaseModel.column(table, column.deprecated.to) !== undefined &&
    DatabaseModel.column(before, column.deprecated.to) !== undefined
  plan.change.push({
    about: copied
      ? `${place} was renamed in the release before: its values are nulled, the column stays`
      : `${place} is removed: its values are kept in tenon.removed_values and nulled, the column stays`,
    statements: [
      ...loosen,
      ...MigrationPlan.unforced(
        copied ? [table] : [table, removedValues],
        MigrationPlan.nullColumn(table, column.name, !copied)
      ),
      note("tenon: deprecated, removed")
    ]
  })
  plan.warnings.push(
    `${place} is deprecated: ${copied ? "it was renamed" : "its field was removed, and what it held is kept in tenon.removed_values"}; the column is not dropped`
  )
  return { ...bare, nullable: true, deprecated: { _tag: "removed" } }
}
