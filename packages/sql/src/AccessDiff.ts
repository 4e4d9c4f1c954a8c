/** The steps from a table's policies and grants to the wanted ones. */
import type * as ColumnDiff from "./ColumnDiff.ts"
import type * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import * as MigrationPlan from "./MigrationPlan.ts"
import { missingIn } from "./PartDiff.ts"
import * as SqlName from "./SqlName.ts"

const { qualified, quote } = SqlName
const { placeOf } = MigrationPlan

const samePolicy = (a: DatabaseModel.Policy, b: DatabaseModel.Policy) => a.role === b.role && a.rows === b.rows

/** Policies and grants. A change of tenancy is made by hand. */
export const diff = (
  plan: MigrationPlan.Plan,
  model: DatabaseModel.Model,
  { before, after }: ColumnDiff.Pair
): void => {
  if (before.tenantColumn !== after.tenantColumn) {
    MigrationPlan.byHand(plan, {
      name: `tenancy:${placeOf(after)}`,
      problem: `${placeOf(after)} ${after.tenantColumn === undefined ? "is no longer" : "is now"} tenant-scoped${before.tenantColumn === undefined || after.tenantColumn === undefined ? "" : " by another column"}`,
      mend: "Whose rows these are cannot be derived: declare a new resource, and copy in a migration of your own"
    })
    return
  }
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
