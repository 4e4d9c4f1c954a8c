/** Positions: a row stays among the rows that it is numbered with. One rule for every store. */
import type * as Column from "./Column.ts"
import * as ColumnValue from "./ColumnValue.ts"
import { InvalidOutcome } from "./Failure.ts"
import type * as Resource from "./Resource.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

/** The column within which a position counts. */
export const parentOf = (resource: Resource.Any, { default: fill }: Column.Column): Column.Column | undefined =>
  fill?._tag === "Position" ? resource.columns.find(({ field }) => field === fill.parent) : undefined

/** Why a row may not come to stand in the place of another; `undefined` where it may. */
export const refusalOf = (
  resource: Resource.Any,
  from: EncodedRow | undefined,
  row: EncodedRow
): InvalidOutcome | undefined => {
  if (from === undefined) return undefined
  for (const column of resource.columns) {
    const parent = parentOf(resource, column)
    if (parent === undefined || isSame(parent, from, row)) continue
    const message = `cannot change, as ${column.field} counts within it: make a new row there, and remove this one`
    return new InvalidOutcome({ resource: resource.name, issues: [{ path: parent.field, message }] })
  }
  return undefined
}

const isSame = ({ field, kind }: Column.Column, a: EncodedRow, b: EncodedRow): boolean => {
  const [left, right] = [a[field] ?? null, b[field] ?? null]
  return left === null || right === null ? left === right : ColumnValue.compare(kind, left, right) === 0
}
