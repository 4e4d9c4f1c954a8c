/** The steps for the versions of resources (E3). */
import * as ColumnDiff from "./ColumnDiff.ts"
import type * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import * as MigrationPlan from "./MigrationPlan.ts"
import * as PartDiff from "./PartDiff.ts"

/** Records raised versions at the very end; refuses changed fields under an old version. */
export const diff = (
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
      PartDiff.missingIn(pair.after.checks, pair.before.checks, PartDiff.sameCheck).length > 0
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
