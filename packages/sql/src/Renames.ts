/** What may be a rename that nobody told of: a column that is gone where one of its type is new (E2). */
import * as DatabaseModel from "./DatabaseModel.ts"
import * as MigrationPlan from "./MigrationPlan.ts"

const { placeOf } = MigrationPlan

/** A table as it is, and as it should be. */
interface Pair {
  readonly before: DatabaseModel.Table
  readonly after: DatabaseModel.Table
}

/** A new column that rows cannot get a value for. */
export const isUnfilled = ({ default: value, fill, nullable }: DatabaseModel.Column): boolean =>
  !nullable && value === undefined && fill === undefined

/** Refuses a column that is gone while one is new that may be the same; one that cannot be filled is refused anyway. */
export const ask = (plan: MigrationPlan.Plan, pair: Pair): void => {
  // The framework's own tables say what was renamed.
  if (pair.after.resource === undefined) return
  const fresh = freshIn(pair).filter((column) => !isUnfilled(column))
  for (const column of goneIn(pair)) {
    const heirs = fresh.filter(({ type }) => type === column.type).map(({ name }) => fieldOf(name))
    if (heirs.length === 0) continue
    const [is, one] = heirs.length === 1 ? ["is", "it"] : ["are", "one of them"]
    MigrationPlan.approves(plan, {
      name: `removed:${placeOf(pair.after, column.name)}`,
      problem: `${placeOf(pair.after, column.name)} is gone and ${heirs.join(", ")} of the same type ${is} new; its values would not come along, though it may only have another name now`,
      mend: `If ${one} is what it was, put ${renamedFrom(column)} on ${heirs.join(" or ")}`
    })
  }
}

/** What to do about a new column that cannot be filled, where it may be one that is gone. */
export const mendOf = (pair: Pair, wanted: DatabaseModel.Column): string => {
  const old = goneIn(pair).filter(({ type }) => type === wanted.type)
  return old.length === 0 ? "" : `If it had another name before, put ${old.map(renamedFrom).join(" or ")} on it. Else `
}

const renamedFrom = ({ name }: DatabaseModel.Column) => `\`Field.renamedFrom("${fieldOf(name)}")\``

/** A field by its column, as most are named; `Field.renamedFrom` takes either. */
const fieldOf = (column: string): string => column.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

const goneIn = ({ after, before }: Pair) =>
  before.columns.filter(
    ({ deprecated, name }) =>
      deprecated === undefined &&
      DatabaseModel.column(after, name) === undefined &&
      !after.columns.some(({ renamedFrom }) => renamedFrom === name)
  )

const freshIn = ({ after, before }: Pair) =>
  after.columns.filter(
    ({ name, renamedFrom }) =>
      DatabaseModel.column(before, name) === undefined &&
      (renamedFrom === undefined || DatabaseModel.column(before, renamedFrom) === undefined)
  )
