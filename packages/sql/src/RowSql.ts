/**
 * The statements of one resource, written once, and its rows on their way to PostgreSQL and back.
 *
 * A row crosses in its JSON encoding: instants as ISO 8601 text, integers as numbers, those of any size as text,
 * everything that is not a scalar as jsonb. Every statement names the tenant, on top of row security, because
 * PostgreSQL then plans with exact estimates. Text compares by code points (the "C" collation), as it does in memory.
 */
import type * as Column from "@tenon/core/Column"
import * as ColumnValue from "@tenon/core/ColumnValue"
import type { Page } from "@tenon/core/Load"
import * as Query from "@tenon/core/Query"
import type * as Resource from "@tenon/core/Resource"
import type { EncodedRow } from "@tenon/core/UnitOfWork"
import * as BigDecimal from "effect/BigDecimal"
import { list, quote } from "./SqlName.ts"
import * as SqlValue from "./SqlValue.ts"
import type { Row, Statement } from "./TenantSql.ts"
import { moreRows } from "./TenantSqlConnection.ts"

/** What is known of a resource's table. */
export interface RowSql {
  readonly resource: Resource.Any
  /** The table's qualified name. Statements give it the alias `t`. */
  readonly table: string
  /** Every field's column, under the field's name, ready for `decode`. */
  readonly selected: string
  /** The tenant's parameters, first in every statement: one, or none for a resource without a tenant. */
  readonly tenant: (tenantId: string) => ReadonlyArray<string>
  /** `t."tenant_id" = $1 and `, or nothing. */
  readonly inTenant: string
  /** The number of the first parameter after the tenant's. */
  readonly first: number
  /** A row as it was selected, in its JSON encoding. Reuses the object. */
  readonly decode: (row: Row) => EncodedRow
  readonly find: (tenantId: string, key: string) => Statement
  /** Like `find`; holds the row until the transaction ends, without keeping others from pointing at it. */
  readonly lock: (tenantId: string, key: string) => Statement
  readonly findMany: (tenantId: string, keys: ReadonlyArray<string>) => Statement
  readonly remove: (tenantId: string, key: string) => Statement
  readonly where: (
    tenantId: string,
    where: EncodedRow,
    what: "count" | { readonly limit: number; readonly last: string | undefined; readonly page: Page | undefined }
  ) => Statement
  readonly page: (tenantId: string, query: Query.Placed) => Statement
  readonly count: (tenantId: string, filters: ReadonlyArray<Query.Filter>) => Statement
}

/** Whether PostgreSQL can hold a text: no NUL, no half of a surrogate pair. */
export const isStorable = (text: string): boolean => text.indexOf("\0") === -1 && text.isWellFormed()

/** Whether any row of PostgreSQL can have a value: what it cannot hold would end the statement. */
const isHeld = ({ kind }: Column.Column, value: EncodedRow[string]): boolean =>
  typeof value !== "string" || (isStorable(value) && ColumnValue.faultOf(kind, value) === undefined)

/** Compiles a resource whose table is in `schema`. */
export const make = (resource: Resource.Any, schema: string): RowSql => {
  const table = `${quote(schema)}.${quote(resource.table)}`
  const scoped = resource.tenantScoped
  const inTenant = scoped ? `t.${quote(resource.tenancyKey)} = $1 and ` : ""
  const first = scoped ? 2 : 1
  const tenant = scoped ? (tenantId: string) => [tenantId] : () => nothing
  const key = columnOf(resource, resource.key)
  const selected = resource.columns.map(select).join(", ")
  const byKey = `select ${selected} from ${table} as t where ${inTenant}t.${quote(key.name)} = $${first}`
  const lock = `${byKey} for no key update`
  const byKeys = `select ${selected} from ${table} as t where ${inTenant}t.${quote(key.name)} = any($${first})`
  const remove = `delete from ${table} as t where ${inTenant}t.${quote(key.name)} = $${first} returning true as removed`

  /** `where` with the tenant and every condition, and the parameters so far. */
  const conditions = (tenantId: string) => {
    const params: Array<unknown> = [...tenant(tenantId)]
    const all: Array<string> = scoped ? [`t.${quote(resource.tenancyKey)} = $1`] : []
    return {
      params,
      and: (condition: string) => void all.push(condition),
      param: (value: unknown) => `$${params.push(value)}`,
      where: () => (all.length === 0 ? "" : ` where ${all.join(" and ")}`)
    }
  }
  type Conditions = ReturnType<typeof conditions>

  const filter = (to: Conditions, filters: ReadonlyArray<Query.Filter>) => {
    for (const { column, operator, value } of filters) {
      const name = compared(column)
      if (operator === "null") to.and(`t.${quote(column.name)} is ${value === true ? "" : "not "}null`)
      else if (operator === "in") to.and(`${name} = any(${to.param(listOf(value).map((each) => param(column, each)))})`)
      else to.and(`${name} ${symbols[operator]} ${to.param(param(column, value))}`)
    }
  }

  return {
    resource,
    table,
    selected,
    tenant,
    inTenant,
    first,
    decode: decoder(resource),
    find: (tenantId, id) => ({ sql: byKey, params: [...tenant(tenantId), id] }),
    lock: (tenantId, id) => ({ sql: lock, params: [...tenant(tenantId), id] }),
    findMany: (tenantId, keys) => ({ sql: byKeys, params: [...tenant(tenantId), keys] }),
    remove: (tenantId, id) => ({ sql: remove, params: [...tenant(tenantId), id] }),
    where: (tenantId, where, what) => {
      const to = conditions(tenantId)
      for (const [field, value] of Object.entries(where)) {
        const column = columnOf(resource, field)
        if (!isHeld(column, value)) to.and("false")
        else if ((value ?? null) === null && column.nullable) to.and(`t.${quote(column.name)} is null`)
        else to.and(`t.${quote(column.name)} = ${to.param(param(column, value))}`)
      }
      if (what === "count")
        return { sql: `select count(*)::int as n from ${table} as t${to.where()}`, params: to.params }
      const { last, limit, page } = what
      const place = page?.after
      if (place !== undefined) to.and(`${compared(key)} > ${to.param(param(key, place))}`)
      const field = last === undefined ? undefined : compared(columnOf(resource, last))
      const by = field === undefined ? compared(key) : `${field} desc, ${compared(key)} desc`
      const found = (most: number) => `from ${table} as t${to.where()} order by ${by} limit ${to.param(most)}`
      if (page === undefined) return { sql: `select ${selected} ${found(limit)}`, params: to.params }
      const { bytes } = page
      const sql = withinBytes(resource, { selected, found: found(limit + 1), by, bytes: to.param(bytes) })
      return { sql, params: to.params, maxBytes: bytes }
    },
    page: (tenantId, { after, bytes = Query.maxBytes, filters, limit, order }) => {
      const to = conditions(tenantId)
      filter(to, filters)
      if (after !== undefined)
        to.and(
          beyond(
            order,
            order.map(({ column }, at) => to.param(param(column, after[at])))
          )
        )
      const by = order.map(({ column, descending }) => `${compared(column)}${descending ? " desc" : ""}`).join(", ")
      const found = `from ${table} as t${to.where()} order by ${by} limit ${to.param(limit + 1)}`
      const sql =
        limit > Query.defaultLimit
          ? withinBytes(resource, { selected, found, by, bytes: to.param(bytes) })
          : `select ${selected} ${found}`
      return { sql, params: to.params, maxBytes: bytes }
    },
    count: (tenantId, filters) => {
      const to = conditions(tenantId)
      filter(to, filters)
      return { sql: `select count(*)::int as n from ${table} as t${to.where()}`, params: to.params }
    }
  }
}

const nothing: ReadonlyArray<string> = []

const symbols = { eq: "=", ne: "<>", lt: "<", lte: "<=", gt: ">", gte: ">=" } as const

const listOf = (value: Query.Filter["value"]) =>
  Array.isArray(value) ? (value as ReadonlyArray<Query.Scalar>) : [value]

/** Equality on this does not need the collation, but it does no harm: the columns have it too. */
const compared = (column: Column.Column): string =>
  column.kind === "text" ? `t.${quote(column.name)} collate "C"` : `t.${quote(column.name)}`

/** After a row in an order: a row comparison where all criteria go one way, which an index serves; else spelled out. */
const beyond = (order: ReadonlyArray<Query.Sort>, values: ReadonlyArray<string>): string => {
  const names = order.map(({ column }) => compared(column))
  if (order.every(({ descending }) => descending === order[0]?.descending)) {
    return `(${names.join(", ")}) ${order[0]?.descending === true ? "<" : ">"} (${values.join(", ")})`
  }
  const alternatives = order.map(({ descending }, at) => {
    const equal = names.slice(0, at).map((name, index) => `${name} = ${values[index]}`)
    return [...equal, `${names[at]} ${descending ? "<" : ">"} ${values[at]}`].join(" and ")
  })
  return `(${alternatives.join(" or ")})`
}

/**
 * Of the rows that are found, those up to one beyond the first that bring so many bytes: what a page could not hold is
 * not even read from where PostgreSQL keeps long values. A page of few rows is spared this, and is cut as it comes in.
 */
const withinBytes = (
  resource: Resource.Any,
  { bytes, by, found, selected }: Readonly<Record<"selected" | "found" | "by" | "bytes", string>>
): string => {
  // No more than what comes over the wire, or a page would be cut here before it is full.
  const sizes = resource.columns.flatMap(({ kind, name }) =>
    kind === "text"
      ? [`coalesce(octet_length(t.${quote(name)}), 0)`]
      : kind === "json"
        ? [`coalesce(octet_length(t.${quote(name)}::text), 0)`]
        : []
  )
  const before = `sum(${sizes.join(" + ")}) over (order by ${by} rows between unbounded preceding and 2 preceding)`
  return (
    `select ${selected} from (select t.*, ${before} as "~before" from (select t.* ${found}) as t) as t ` +
    `where coalesce(t."~before", 0) < ${bytes}::int8 order by ${by}`
  )
}

/** Of what was found for a page with room for so many rows, its rows, and whether there are others behind them. */
export const fitting = (found: ReadonlyArray<Row>, limit: number) => {
  const count = Math.min(found.at(-1) === moreRows ? found.length - 1 : found.length, limit)
  return { rows: found.length > count ? found.slice(0, count) : found, more: found.length > count }
}

/** The column of a field that the registry has checked to be there. */
export const columnOf = (resource: Resource.Any, field: string): Column.Column => {
  const column = resource.columns.find((each) => each.field === field)
  if (column === undefined) throw new Error(`${resource.name} has no field "${field}"`)
  return column
}

/** `"tenant_id", "id"`: the columns of fields, the tenant's first. */
export const columnList = (resource: Resource.Any, fields: ReadonlyArray<string>): string =>
  list([
    ...(resource.tenantScoped ? [resource.tenancyKey] : []),
    ...fields.map((field) => columnOf(resource, field).name)
  ])

// Instants as text, since reading a Date and writing it again costs more than moving its characters; integers as
// floats, which are exact to 2^53, since the wire gives bigints otherwise.
const select = ({ field, kind, name }: Column.Column): string => {
  const cast = kind === "timestamp" ? "::text" : kind === "integer" ? "::float8" : ""
  return `t.${quote(name)}${cast} as ${quote(field)}`
}

const decoder = (resource: Resource.Any): RowSql["decode"] => {
  const instants = resource.columns.filter(({ kind }) => kind === "timestamp").map(({ field }) => field)
  const numbers = resource.columns.filter(({ kind }) => kind === "number").map(({ field }) => field)
  const decimals = resource.columns.filter(({ kind }) => kind === "bigdecimal").map(({ field }) => field)
  return (row) => {
    const encoded = row as { [field: string]: unknown }
    for (const field of instants) {
      const text = encoded[field]
      if (typeof text === "string") encoded[field] = toIso(text)
    }
    for (const field of numbers) {
      const number = encoded[field]
      if (typeof number === "number" && !Number.isFinite(number)) encoded[field] = String(number)
    }
    for (const field of decimals) {
      const digits = encoded[field]
      if (typeof digits === "string") encoded[field] = BigDecimal.format(BigDecimal.fromStringUnsafe(digits))
    }
    return encoded as EncodedRow
  }
}

/**
 * `2026-11-21 03:05:00.12+00` → `2026-11-21T03:05:00.120Z`. Digits beyond milliseconds stay, or a cursor would slip.
 */
const toIso = (text: string): string => {
  if (text.charCodeAt(4) !== 45 || text.endsWith("BC")) return toIsoSlowly(text)
  const zone = text.indexOf("+", 19)
  if (zone < 0) return toIsoSlowly(text)
  const fraction = zone === 19 ? ".000" : zone < 23 ? text.slice(19, zone).padEnd(4, "0") : text.slice(19, zone)
  return `${text.slice(0, 10)}T${text.slice(11, 19)}${fraction}Z`
}

const toIsoSlowly = (text: string): string => {
  const parts = /^(\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?\+00( BC)?$/.exec(text)
  if (parts === null) throw new Error("A stored instant cannot be read")
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number)
  const millis = Number((parts[7] ?? "").slice(0, 3).padEnd(3, "0"))
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, second, millis))
  date.setUTCFullYear(parts[8] === undefined ? year : 1 - year, month - 1, day)
  return date.toISOString()
}

/** A value of a column in its JSON encoding, as a parameter. */
export const param = (column: Column.Column, value: unknown): unknown => {
  if (value === undefined || value === null) return column.kind === "json" && !column.nullable ? jsonNull : null
  if (column.kind === "json") return SqlValue.json(value)
  // PostgreSQL writes years beyond 9999 and before 1 in its own way.
  if (column.kind === "timestamp" && typeof value === "string" && !/^(?!0000)\d{4}-/.test(value)) return new Date(value)
  return value
}

const jsonNull = SqlValue.json(null)
