/**
 * Where a page goes on from, as an opaque text that is bound to the order it was made for.
 *
 * It holds the values of the row before the page. A caller sends it in a URL and gets it in a header, so where the
 * values are long it holds the row's key in their place, and a mark by which a row that has changed since is known.
 */
import * as Base64Url from "effect/encoding/Base64Url"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Column from "./Column.ts"
import * as ColumnValue from "./ColumnValue.ts"
import type { InvalidInput, Issue } from "./Failure.ts"
import * as Issues from "./Issues.ts"
import type { Sort } from "./Query.ts"

/** The values of an order's columns in a row. */
export type Values = ReadonlyArray<ColumnValue.Scalar | null>

/** A row whose values are too long for a cursor. */
export interface Marked {
  readonly key: string
  /** Of its values as they were: from a row that has others, a page would go on elsewhere. */
  readonly mark: string
}

/** The row after which a page begins. */
export type Place = Values | Marked

/** Characters of the values that a cursor holds as they are. */
const longest = 1_000

const Scalars = Schema.Array(Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null]))
const Json = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ order: Schema.String, after: Scalars }),
    Schema.Struct({ order: Schema.String, key: Schema.String, mark: Schema.String })
  ])
)
const decode = Schema.decodeUnknownOption(Schema.StringFromBase64Url.pipe(Schema.decodeTo(Json)))

const orderText = (order: ReadonlyArray<Sort>) =>
  order.map(({ column, descending }) => `${descending ? "-" : ""}${column.field}`).join(",")

type Row = { readonly [field: string]: Schema.Json | undefined }

const valuesIn = (order: ReadonlyArray<Sort>, row: Row) => order.map(({ column }) => row[column.field] ?? null)

const markOf = (values: string) => `${values.length}.${Hash.string(values)}`

/** The cursor after a row of a resource that has its key in `key`. */
export const after = (order: ReadonlyArray<Sort>, row: Row, key: string): string => {
  const values = JSON.stringify(valuesIn(order, row))
  const by = JSON.stringify(orderText(order))
  return Base64Url.encode(
    values.length <= longest
      ? `{"order":${by},"after":${values}}`
      : `{"order":${by},"key":${JSON.stringify(row[key])},"mark":"${markOf(values)}"}`
  )
}

/** Reads a cursor of a list in this order; notes the issue where it is none. */
export const read = (order: ReadonlyArray<Sort>, text: string | undefined, issues: Array<Issue>): Place | undefined => {
  if (text === undefined) return undefined
  const cursor = Option.filter(decode(text), (each) => each.order === orderText(order))
  const place = Option.isNone(cursor)
    ? undefined
    : "after" in cursor.value
      ? valuesOf(order, cursor.value.after)
      : { key: cursor.value.key, mark: cursor.value.mark }
  if (place === undefined)
    issues.push({ path: "after", message: "is not a cursor of this list in this order; start again without it" })
  return place
}

/** Whether the row has to be looked up to know its values. */
export const isMarked = (place: Place | undefined): place is Marked => place !== undefined && "mark" in place

/** The values of the row that was looked up. */
export const valuesAt = (
  order: ReadonlyArray<Sort>,
  { mark }: Marked,
  row: Row | undefined
): Result.Result<Values, InvalidInput> => {
  const values = row === undefined ? [] : valuesIn(order, row)
  return row !== undefined && markOf(JSON.stringify(values)) === mark
    ? Result.succeed(values as Values)
    : Result.fail(
        Issues.refusal([
          { path: "after", message: "names a row that has changed since, or is gone; start again without it" }
        ])
      )
}

/** A row's instant may be finer than milliseconds, and a page would begin with rows of the one before without that. */
const readPlace = (column: Column.Column, text: string): Result.Result<ColumnValue.Scalar, string> => {
  const finer = column.kind === "timestamp" ? /\.\d{3}(\d{1,3})Z$/.exec(text)?.[1] : undefined
  const read = ColumnValue.read(column, text)
  return finer === undefined ? read : Result.map(read, (instant) => `${String(instant).slice(0, -1)}${finer}Z`)
}

/** A cursor is a caller's input like any other: each of its values is read as one of its column's. */
const valuesOf = (order: ReadonlyArray<Sort>, given: Values): Values | undefined => {
  if (given.length !== order.length) return undefined
  const values = Result.all(order.map(({ column }, index) => readPlace(column, String(given[index]))))
  return Result.isSuccess(values) && !given.includes(null) ? values.success : undefined
}
