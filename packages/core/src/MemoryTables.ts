/** Rows by tenant and resource, with the conflict rules, unique keys, references and numbering of PostgreSQL. */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type ActionFailure, AlreadyExists, BrokenReference, VersionConflict } from "./Failure.ts"
import type { Column } from "./Column.ts"
import * as ColumnValue from "./ColumnValue.ts"
import * as Positions from "./Positions.ts"
import type { Filter, Placed, Scalar, Sort } from "./Query.ts"
import type { BelongsTo } from "./Relation.ts"
import type * as Resource from "./Resource.ts"
import * as Transitions from "./Transitions.ts"
import type { Change, EncodedRow, Standing } from "./UnitOfWork.ts"

type Rows = ReadonlyMap<string, EncodedRow>
type Save = Extract<Change, { readonly _tag: "Save" }>

/** A copy of everything, cheap because rows are never changed in place. */
export interface Snapshot {
  readonly rows: ReadonlyMap<string, Rows>
  readonly positions: ReadonlyMap<string, number>
}

/** All rows of a store. */
export class Tables {
  #rows = new Map<string, Rows>()
  #positions = new Map<string, number>()
  readonly #resources: ReadonlyArray<Resource.Any>

  constructor(resources: ReadonlyArray<Resource.Any>) {
    this.#resources = resources
  }

  snapshot(): Snapshot {
    return { rows: new Map(this.#rows), positions: new Map(this.#positions) }
  }

  restore(snapshot: Snapshot): void {
    this.#rows = new Map(snapshot.rows)
    this.#positions = new Map(snapshot.positions)
  }

  /** Whoever has or had rows. */
  tenants(): ReadonlyArray<string> {
    return [...this.#rows.keys()].flatMap((id) => (JSON.parse(id) as ReadonlyArray<string | null>)[0] ?? [])
  }

  find(tenantId: string, resource: Resource.Any, key: string): EncodedRow | undefined {
    return this.#of(tenantId, resource).get(key)
  }

  /** The rows whose fields equal the given ones, in the order of a field and of their keys. */
  where(
    tenantId: string,
    resource: Resource.Any,
    where: { readonly [field: string]: Schema.Json | undefined },
    {
      after,
      by = resource.key
    }: { readonly by?: string | undefined; readonly after?: string | number | undefined } = {}
  ): ReadonlyArray<EncodedRow> {
    const conditions = Object.entries(where)
    const order = [by, resource.key].flatMap((field) => resource.columns.filter((column) => column.field === field))
    return [...this.#of(tenantId, resource).values()]
      .filter((row) => after === undefined || ColumnValue.compare("text", row[resource.key], after) > 0)
      .filter((row) => conditions.every(([field, value]) => same(row[field] ?? null, value ?? null)))
      .toSorted((a, b) => compareBy(order.map(ascending), a, b))
  }

  /** The rows of a page and one more, where there is one. */
  query(tenantId: string, resource: Resource.Any, query: Placed): ReadonlyArray<EncodedRow> {
    return [...this.#of(tenantId, resource).values()]
      .filter((row) => query.filters.every((filter) => matches(row, filter)))
      .filter((row) => query.after === undefined || isAfter(row, query.order, query.after))
      .toSorted((a, b) => compareBy(query.order, a, b))
      .slice(0, query.limit + 1)
  }

  count(tenantId: string, resource: Resource.Any, filters: ReadonlyArray<Filter>): number {
    return [...this.#of(tenantId, resource).values()].filter((row) => filters.every((filter) => matches(row, filter)))
      .length
  }

  /** Makes the changes in order. The caller restores a snapshot where this fails. */
  apply(
    tenantId: string,
    changes: ReadonlyArray<Change>
  ): Result.Result<ReadonlyArray<Standing | undefined>, ActionFailure> {
    const standing: Array<Standing | undefined> = []
    const before = this.snapshot()
    for (const change of changes) {
      const applied =
        change._tag === "Save" ? this.#save(tenantId, change) : this.#remove(tenantId, change.resource, change.key)
      if (Result.isFailure(applied)) {
        this.restore(before)
        return Result.fail(applied.failure)
      }
      standing.push(applied.success)
    }
    return Result.succeed(standing)
  }

  #of(tenantId: string, resource: Resource.Any): Rows {
    return this.#rows.get(tableId(tenantId, resource)) ?? new Map()
  }

  #save(tenantId: string, { mode, resource, row: given }: Save): Result.Result<Standing, ActionFailure> {
    const rows = this.#of(tenantId, resource)
    const complete = withAllFields(resource, given)
    if (mode === "insert" && rows.has(keyOf(resource, complete)))
      return Result.fail(new AlreadyExists({ resource: resource.name, fields: [resource.key] }))
    const conflicting = [...rows.values()].find((row) => agree(row, complete, resource.conflict.on))
    if (conflicting !== undefined && resource.conflict.do === "nothing")
      return Result.succeed({ row: conflicting, fresh: false })
    // One row's key with another's natural key is not an earlier save of the same row.
    const other = rows.get(keyOf(resource, complete))
    if (conflicting !== undefined && other !== undefined && other !== conflicting) {
      return Result.fail(new AlreadyExists({ resource: resource.name, fields: [resource.key] }))
    }
    const row = this.#number(tenantId, resource, keeping(resource, complete, conflicting), conflicting)
    if (Result.isFailure(row)) return Result.fail(row.failure)
    const illegal =
      Transitions.refusalOf(resource, conflicting, row.success) ??
      Positions.refusalOf(resource, conflicting, row.success)
    if (illegal !== undefined) return Result.fail(illegal)
    const broken = this.#brokenReference(tenantId, resource, row.success)
    if (broken !== undefined) return Result.fail(broken)
    const rest = new Map(rows)
    if (conflicting !== undefined) rest.delete(keyOf(resource, conflicting))
    for (const fields of [[resource.key], ...uniques(resource)]) {
      if ([...rest.values()].some((other) => agree(other, row.success, fields))) {
        return Result.fail(new AlreadyExists({ resource: resource.name, fields }))
      }
    }
    this.#rows.set(tableId(tenantId, resource), rest.set(keyOf(resource, row.success), row.success))
    return Result.succeed({ row: row.success, fresh: true })
  }

  /** Fills the fields that count: versions and positions. */
  #number(
    tenantId: string,
    resource: Resource.Any,
    row: EncodedRow,
    existing: EncodedRow | undefined
  ): Result.Result<EncodedRow, VersionConflict> {
    const numbered: { [field: string]: Schema.Json | undefined } = { ...row }
    for (const { default: fill, field } of resource.columns) {
      if (fill?._tag === "Version") {
        const expected = Number(row[field] ?? 0)
        const actual = Number(existing?.[field] ?? 0)
        if (expected !== 0 && expected !== actual) {
          return Result.fail(new VersionConflict({ resource: resource.name, key: keyOf(resource, row), expected }))
        }
        numbered[field] = actual + 1
      }
      if (fill?._tag === "Position") {
        if (existing !== undefined) numbered[field] = existing[field] ?? 0
        else {
          const id = JSON.stringify([tenantId, resource.name, row[fill.parent]])
          const next = (this.#positions.get(id) ?? 0) + 1
          this.#positions.set(id, next)
          numbered[field] = next
        }
      }
    }
    return Result.succeed(numbered)
  }

  #brokenReference(tenantId: string, resource: Resource.Any, row: EncodedRow): BrokenReference | undefined {
    for (const [name, relation] of Object.entries(resource.relations)) {
      if (relation._tag !== "BelongsTo") continue
      const key = row[relation.field] ?? null
      const target = this.#resources.find((each) => each.name === relation.target)
      const points = key === null || target === undefined || this.find(tenantId, target, String(key)) !== undefined
      const itself = target?.name === resource.name && key === row[resource.key]
      if (!points && !itself) return new BrokenReference({ resource: resource.name, relation: name })
    }
    return undefined
  }

  #remove(tenantId: string, resource: Resource.Any, key: string): Result.Result<undefined, BrokenReference> {
    const rows = new Map(this.#of(tenantId, resource))
    if (!rows.delete(key)) return Result.succeed(undefined)
    this.#rows.set(tableId(tenantId, resource), rows)
    for (const { name, other, relation } of this.#pointingAt(resource)) {
      for (const row of this.where(tenantId, other, { [relation.field]: key })) {
        const removed = this.#release(tenantId, other, name, relation, row)
        if (Result.isFailure(removed)) return removed
      }
    }
    return Result.succeed(undefined)
  }

  #release(
    tenantId: string,
    other: Resource.Any,
    name: string,
    relation: BelongsTo,
    row: EncodedRow
  ): Result.Result<undefined, BrokenReference> {
    if (relation.onRemove === "restrict")
      return Result.fail(new BrokenReference({ resource: other.name, relation: name }))
    if (relation.onRemove === "cascade") return this.#remove(tenantId, other, keyOf(other, row))
    const rows = new Map(this.#of(tenantId, other))
    this.#rows.set(tableId(tenantId, other), rows.set(keyOf(other, row), { ...row, [relation.field]: null }))
    return Result.succeed(undefined)
  }

  #pointingAt(target: Resource.Any) {
    return this.#resources.flatMap((other) =>
      Object.entries(other.relations).flatMap(([name, relation]) =>
        relation._tag === "BelongsTo" && relation.target === target.name ? [{ name, other, relation }] : []
      )
    )
  }
}

const tableId = (tenantId: string, resource: Resource.Any) =>
  JSON.stringify([resource.tenantScoped ? tenantId : null, resource.name])

const keyOf = (resource: Resource.Any, row: EncodedRow) => String(row[resource.key])

const withAllFields = (resource: Resource.Any, row: EncodedRow): EncodedRow =>
  Object.fromEntries(resource.columns.map(({ field }) => [field, row[field] ?? null]))

/** What a row that is replaced keeps: its key, and the time of its creation. */
const keeping = (resource: Resource.Any, row: EncodedRow, standing: EncodedRow | undefined): EncodedRow => {
  if (standing === undefined) return row
  const kept = resource.columns.filter(({ default: fill, field }) => field === resource.key || fill?._tag === "Now")
  return { ...row, ...Object.fromEntries(kept.map(({ field }) => [field, standing[field]])) }
}

const uniques = (resource: Resource.Any): ReadonlyArray<ReadonlyArray<string>> => [
  resource.conflict.on,
  ...Object.values(resource.identities)
]

/** As in SQL, rows with a null in a unique key never agree on it. */
const agree = (a: EncodedRow, b: EncodedRow, fields: ReadonlyArray<string>) =>
  fields.every((field) => (a[field] ?? null) !== null && same(a[field] ?? null, b[field] ?? null))

const same = (a: Schema.Json, b: Schema.Json): boolean =>
  a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b))

const ascending = (column: Column): Sort => ({ column, descending: false })

/** Nulls come after all others, as in SQL. */
const compareIn = ({ field, kind }: Column, a: EncodedRow, b: EncodedRow): number => {
  const [left = null, right = null] = [a[field], b[field]]
  return left === null || right === null
    ? Number(left === null) - Number(right === null)
    : ColumnValue.compare(kind, left, right)
}

const compareBy = (order: ReadonlyArray<Sort>, a: EncodedRow, b: EncodedRow): number => {
  for (const { column, descending } of order) {
    const difference = compareIn(column, a, b)
    if (difference !== 0) return descending ? -difference : difference
  }
  return 0
}

const isAfter = (row: EncodedRow, order: ReadonlyArray<Sort>, after: ReadonlyArray<Scalar | null>) =>
  compareBy(order, row, Object.fromEntries(order.map(({ column }, index) => [column.field, after[index] ?? null]))) > 0

/** As in SQL, a comparison with null holds for no row. */
const matches = (row: EncodedRow, { column, operator, value }: Filter): boolean => {
  const actual = row[column.field] ?? null
  if (operator === "null") return (actual === null) === value
  if (actual === null) return false
  if (operator === "in")
    return (value as ReadonlyArray<Scalar>).some((each) => ColumnValue.compare(column.kind, actual, each) === 0)
  const difference = ColumnValue.compare(column.kind, actual, value as Scalar)
  switch (operator) {
    case "eq":
      return difference === 0
    case "ne":
      return difference !== 0
    case "lt":
      return difference < 0
    case "lte":
      return difference <= 0
    case "gt":
      return difference > 0
    case "gte":
      return difference >= 0
  }
}
