/** What to list: filters, an order and a place to go on from, over declared fields only. */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Column from "./Column.ts"
import * as ColumnValue from "./ColumnValue.ts"
import type { InvalidInput, Issue } from "./Failure.ts"
import type * as Resource from "./Resource.ts"
import * as Issues from "./Issues.ts"

export const operators = ["eq", "ne", "lt", "lte", "gt", "gte", "in", "null"] as const
export type Operator = (typeof operators)[number]

/** A value in its JSON encoding. */
export type Scalar = ColumnValue.Scalar

/** One condition. `in` takes a list, `null` a boolean, the others one value. */
export interface Filter {
  readonly column: Column.Column
  readonly operator: Operator
  readonly value: Scalar | ReadonlyArray<Scalar>
}

/** One sort criterion. */
export interface Sort {
  readonly column: Column.Column
  readonly descending: boolean
}

/** A page to read. `order` always ends with the key, so that it is total. */
export interface Query {
  readonly filters: ReadonlyArray<Filter>
  readonly order: ReadonlyArray<Sort>
  /** Rows at most: 1 to `maxLimit`. */
  readonly limit: number
  /** The values of `order`'s columns in the row after which the page begins. */
  readonly after: ReadonlyArray<Scalar | null> | undefined
}

/** A page of rows, and the cursor of the next one where there is one. */
export interface Page<out A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | undefined
}

export const defaultLimit = 50
export const maxLimit = 500

/** The columns that may be filtered and sorted by. */
export const queryable = (resource: Resource.Any): ReadonlyArray<Column.Column> =>
  resource.columns.filter((column) => column.kind !== "json" && column.ordered && !column.sensitive)

/** What a caller gives: everything as text, as it stands in a URL. */
export interface Parameters {
  readonly filters?: ReadonlyArray<{ readonly field: string; readonly operator: string; readonly value: string }>
  /** Fields separated by commas, a leading `-` for descending. */
  readonly sort?: string | undefined
  readonly limit?: string | undefined
  readonly after?: string | undefined
}

/** Reads a query, or fails with every fault in it. */
export const parse = (resource: Resource.Any, parameters: Parameters): Result.Result<Query, InvalidInput> => {
  const issues: Array<Issue> = []
  const columns = new Map(queryable(resource).map((column) => [column.field, column]))
  const filters = (parameters.filters ?? []).flatMap((given) => readFilter(columns, given, issues))
  const order = readOrder(resource, columns, parameters.sort, issues)
  const limit = readLimit(parameters.limit, issues)
  const after = readCursor(order, parameters.after, issues)
  return issues.length > 0 ? Result.fail(Issues.refusal(issues)) : Result.succeed({ filters, order, limit, after })
}

type Columns = ReadonlyMap<string, Column.Column>

const readFilter = (
  columns: Columns,
  given: { readonly field: string; readonly operator: string; readonly value: string },
  issues: Array<Issue>
): ReadonlyArray<Filter> => {
  const column = columns.get(given.field)
  const operator = operators.find((each) => each === given.operator)
  if (column === undefined) {
    issues.push({
      path: given.field,
      message: `is not a field to filter by; these are: ${[...columns.keys()].join(", ")}`
    })
    return []
  }
  if (operator === undefined) {
    issues.push({ path: given.field, message: `has no operator ${given.operator}; these are: ${operators.join(", ")}` })
    return []
  }
  const value = readOperand(column, operator, given.value)
  if (Result.isFailure(value)) {
    issues.push({ path: given.field, message: value.failure })
    return []
  }
  return [{ column, operator, value: value.success }]
}

const readOperand = (
  column: Column.Column,
  operator: Operator,
  text: string
): Result.Result<Scalar | ReadonlyArray<Scalar>, string> => {
  if (operator === "null")
    return text === "true" || text === "false" ? Result.succeed(text === "true") : Result.fail("must be true or false")
  if (operator === "in") return Result.all(text.split(",").map((each) => ColumnValue.read(column, each)))
  return ColumnValue.read(column, text)
}

const readOrder = (
  resource: Resource.Any,
  columns: Columns,
  sort: string | undefined,
  issues: Array<Issue>
): ReadonlyArray<Sort> => {
  const order: Array<Sort> = []
  for (const part of (sort ?? "").split(",").filter((each) => each !== "")) {
    const descending = part.startsWith("-")
    const column = columns.get(descending ? part.slice(1) : part)
    if (column === undefined)
      issues.push({
        path: "sort",
        message: `${part} is not a field to sort by; these are: ${[...columns.keys()].join(", ")}`
      })
    else if (column.nullable)
      issues.push({ path: "sort", message: `${part} can be absent and is not a field to sort by` })
    else if (!order.some((each) => each.column === column)) order.push({ column, descending })
  }
  const key = resource.columns.find((column) => column.field === resource.key)
  if (key !== undefined && !order.some((each) => each.column === key)) {
    order.push({ column: key, descending: order[0]?.descending ?? false })
  }
  return order
}

const readLimit = (limit: string | undefined, issues: Array<Issue>): number => {
  if (limit === undefined) return defaultLimit
  const number = /^\d{1,6}$/.test(limit) ? Number(limit) : 0
  if (number >= 1 && number <= maxLimit) return number
  issues.push({ path: "limit", message: `must be an integer from 1 to ${maxLimit}` })
  return defaultLimit
}

const Cursor = Schema.fromJsonString(
  Schema.Struct({
    order: Schema.String,
    after: Schema.Array(Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null]))
  })
)
const decodeCursor = Schema.decodeUnknownOption(Schema.StringFromBase64Url.pipe(Schema.decodeTo(Cursor)))

const orderText = (order: ReadonlyArray<Sort>) =>
  order.map(({ column, descending }) => `${descending ? "-" : ""}${column.field}`).join(",")

/** The cursor after a row. It is opaque to callers and bound to the order it was made for. */
export const cursorAfter = (
  order: ReadonlyArray<Sort>,
  row: { readonly [field: string]: Schema.Json | undefined }
): string =>
  toBase64Url(JSON.stringify({ order: orderText(order), after: order.map(({ column }) => row[column.field] ?? null) }))

const toBase64Url = (text: string) =>
  btoa(String.fromCodePoint(...new TextEncoder().encode(text)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "")

const readCursor = (
  order: ReadonlyArray<Sort>,
  after: string | undefined,
  issues: Array<Issue>
): ReadonlyArray<Scalar | null> | undefined => {
  if (after === undefined) return undefined
  const cursor = decodeCursor(after)
  const values =
    Option.isSome(cursor) && cursor.value.order === orderText(order) ? valuesOf(order, cursor.value.after) : undefined
  if (values === undefined)
    issues.push({ path: "after", message: "is not a cursor of this list in this order; start again without it" })
  return values
}

/** A row's instant may be finer than milliseconds, and a page would begin with rows of the one before without that. */
const readPlace = (column: Column.Column, text: string): Result.Result<Scalar, string> => {
  const finer = column.kind === "timestamp" ? /\.\d{3}(\d{1,3})Z$/.exec(text)?.[1] : undefined
  const read = ColumnValue.read(column, text)
  return finer === undefined ? read : Result.map(read, (instant) => `${String(instant).slice(0, -1)}${finer}Z`)
}

/** A cursor is a caller's input like any other: each of its values is read as one of its column's. */
const valuesOf = (
  order: ReadonlyArray<Sort>,
  given: ReadonlyArray<Scalar | null>
): ReadonlyArray<Scalar> | undefined => {
  if (given.length !== order.length) return undefined
  const values = Result.all(order.map(({ column }, index) => readPlace(column, String(given[index]))))
  return Result.isSuccess(values) && !given.includes(null) ? values.success : undefined
}
