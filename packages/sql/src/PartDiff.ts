/** The steps from a table's keys, indexes, checks and foreign keys to the wanted ones. */
import type * as ColumnDiff from "./ColumnDiff.ts"
import * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import * as MigrationPlan from "./MigrationPlan.ts"
import * as SqlName from "./SqlName.ts"

const { qualified, quote } = SqlName
const { placeOf } = MigrationPlan

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>) =>
  a.length === b.length && a.every((each, index) => each === b[index])
/** Whether two checks are the same in the database. */
export const sameCheck = (a: DatabaseModel.Check, b: DatabaseModel.Check) =>
  a.column === b.column && same(a.values, b.values)
const sameIndex = (a: DatabaseModel.Index, b: DatabaseModel.Index) =>
  a.unique === b.unique && same(a.columns, b.columns)
const sameKey = (a: DatabaseModel.ForeignKey, b: DatabaseModel.ForeignKey) =>
  same(a.columns, b.columns) &&
  a.onRemove === b.onRemove &&
  a.target.schema === b.target.schema &&
  a.target.name === b.target.name &&
  same(a.target.columns, b.target.columns)

/** What `from` has and `to` has not, or has otherwise. */
export const missingIn = <A extends { readonly name: string }>(
  from: ReadonlyArray<A>,
  to: ReadonlyArray<A>,
  alike: (a: A, b: A) => boolean
): ReadonlyArray<A> => from.filter((each) => !to.some((other) => other.name === each.name && alike(each, other)))

/** Drops what the wanted table has not, or has otherwise. */
export const drop = (plan: MigrationPlan.Plan, { before, after }: ColumnDiff.Pair): void => {
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

/** Adds what the table lacks, but for foreign keys: quickly as not validated, or concurrently. */
export const add = (plan: MigrationPlan.Plan, { before, after }: ColumnDiff.Pair): void => {
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

/** Adds foreign keys that the table lacks, when every table and column is there. */
export const addForeignKeys = (
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
