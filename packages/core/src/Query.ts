/** What to list: filters, an order and a place to go on from, over declared fields only. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Column from "./Column.ts"
import * as ColumnValue from "./ColumnValue.ts"
import * as Cursor from "./Cursor.ts"
import type { InvalidInput, Issue } from "./Failure.ts"
import type * as Resource from "./Resource.ts"
import * as Issues from "./Issues.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

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
  /** Bytes after which the page ends early, however few its rows. Default `maxBytes`. */
  readonly bytes?: number
  /** The row after which the page begins. */
  readonly after: Cursor.Place | undefined
}

/** A query of which the values are known after which its page begins. */
export interface Placed extends Query {
  readonly after: Cursor.Values | undefined
}

/** A page of rows, and the cursor of the next one where there is one. */
export interface Page<out A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | undefined
}

export const defaultLimit = 50
export const maxLimit = 500

/** A page ends with the row with which its values come to so many bytes, unless its query says otherwise: 8 MiB. */
export const maxBytes = 8_388_608

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
  const after = Cursor.read(order, parameters.after, issues)
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

/** Places a page; looks up the row that its cursor names where it only names one. */
export const place = <E>(
  query: Query,
  find: (key: string) => Effect.Effect<EncodedRow | undefined, E>
): Effect.Effect<Placed, E | InvalidInput> => {
  const { after } = query
  if (!Cursor.isMarked(after)) return Effect.succeed({ ...query, after })
  return Effect.flatMap(find(after.key), (row) =>
    Effect.fromResult(Result.map(Cursor.valuesAt(query.order, after, row), (values) => ({ ...query, after: values })))
  )
}

/** A page of the rows that were found for it, behind which there are others or not. */
export const pageOf = (
  { key }: Resource.Any,
  { order }: Query,
  items: ReadonlyArray<EncodedRow>,
  more: boolean
): Page<EncodedRow> => {
  const last = items.at(-1)
  return { items, next: more && last !== undefined ? Cursor.after(order, last, key) : undefined }
}
