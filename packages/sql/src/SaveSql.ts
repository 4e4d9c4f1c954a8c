/**
 * How a row is saved: always `insert … on conflict`, on the declared target, as few statements as the conflict rule,
 * the version and the position allow.
 *
 * Where the row that will stand is known beforehand, `foreseen` says it, and the statements are written so that they
 * fail (division by zero, 22012) if it turns out otherwise; the commit can then go out in the same flight.
 */
import type * as Column from "@tenon/core/Column"
import type * as Resource from "@tenon/core/Resource"
import type { EncodedRow, Standing } from "@tenon/core/UnitOfWork"
import { positionsOf } from "./MigrationPlan.ts"
import * as RowSql from "./RowSql.ts"
import { quote } from "./SqlName.ts"
import type { Row, Statement } from "./TenantSql.ts"

/** One row on its way. */
export interface Saving {
  readonly statements: ReadonlyArray<Statement>
  /** What will stand unless the statements fail. */
  readonly foreseen: Standing | undefined
  /** The version that the row must have; 0 where any will do. */
  readonly expected: number
  /**
   * What stands, by the rows that the statements gave. `stale`: not the expected version. `taken`: another row has the
   * key. `collided`: another transaction interfered in a way that only a new transaction can see; this one must be
   * rolled back.
   */
  readonly read: (answers: ReadonlyArray<ReadonlyArray<Row>>) => Standing | "stale" | "taken" | "collided"
}

/** Saves rows of one resource. */
export interface SaveSql {
  /** `foresee` false reads back what stands, where it cannot be told for sure. */
  readonly save: (tenantId: string, row: EncodedRow, foresee: boolean) => Saving
}

/** The SQLSTATE by which a foreseen save says that it was not as foreseen. */
export const misjudged = "22012"

/** Compiles the saving of a resource's rows. */
export const make = (rows: RowSql.RowSql): SaveSql => {
  const { columns } = rows.resource
  const positions = columns.filter((each) => each.default?._tag === "Position")
  if (positions.length > 1) throw new Error(`${rows.resource.name} has more than one position; keep one of them`)
  const [position] = positions
  if (position !== undefined) return numbering(rows, position)
  return rows.resource.conflict.do === "nothing" ? keeping(rows) : replacing(rows)
}

/** A row with every field, null where it has no value. */
const complete = (resource: Resource.Any, row: EncodedRow): { [field: string]: EncodedRow[string] } => {
  const all: { [field: string]: EncodedRow[string] } = {}
  for (const { field } of resource.columns) all[field] = row[field] ?? null
  return all
}

interface Parts {
  readonly version: Column.Column | undefined
  /** The columns that a parameter fills, in order. */
  readonly given: ReadonlyArray<Column.Column>
  readonly params: (tenantId: string, row: EncodedRow) => Array<unknown>
  /** `insert into … (…)`, with the counting columns last. */
  readonly insert: string
  /** `$1, $2, …` for the tenant and the given columns. */
  readonly values: string
  readonly target: string
  /** `"name" = excluded."name", …` without the counting columns and those that the standing row keeps. */
  readonly set: ReadonlyArray<string>
  /** That the standing row has the given values in the columns that it keeps; `undefined` where it keeps none. */
  readonly unchanged: string | undefined
  /** That no other row than the standing one has the given key; `undefined` where the key is the conflict target. */
  readonly untaken: string | undefined
  /** The number of the first parameter that is free. */
  readonly next: number
  /** The row that the conflict target names, by parameters. */
  readonly natural: string
}

const partsOf = ({ first, inTenant, resource, table, tenant }: RowSql.RowSql): Parts => {
  const version = resource.columns.find((each) => each.default?._tag === "Version")
  const counting = resource.columns.filter((each) => each === version || each.default?._tag === "Position")
  const given = resource.columns.filter((each) => !counting.includes(each))
  const on = resource.conflict.on.map((field) => RowSql.columnOf(resource, field))
  const key = RowSql.columnOf(resource, resource.key)
  const standing = given.filter((each) => (each === key || each.default?._tag === "Now") && !on.includes(each))
  const fixed = new Set([...on, ...counting, ...standing])
  const written = given.filter((each) => !fixed.has(each))
  const names = RowSql.columnList(
    resource,
    [...given, ...counting].map(({ field }) => field)
  )
  const next = first + given.length
  return {
    version,
    given,
    params: (tenantId, row) => {
      const params: Array<unknown> = [...tenant(tenantId)]
      for (const column of given) params.push(RowSql.param(column, row[column.field]))
      return params
    },
    insert: `insert into ${table} as t (${names})`,
    values: [
      ...(first === 2 ? ["$1"] : []),
      ...given.map(({ kind }, index) => `$${first + index}::${types[kind]}`)
    ].join(", "),
    target: `on conflict (${RowSql.columnList(resource, resource.conflict.on)})`,
    set: (written.length > 0 ? written : on).map(({ name }) => `${quote(name)} = excluded.${quote(name)}`),
    unchanged:
      standing.length === 0
        ? undefined
        : standing.map(({ name }) => `t.${quote(name)} = excluded.${quote(name)}`).join(" and "),
    untaken: on.includes(key)
      ? undefined
      : `(t.${quote(key.name)} = excluded.${quote(key.name)} or not exists (select from ${table} as o where ` +
        `${first === 2 ? `o.${quote(resource.tenancyKey)} = $1 and ` : ""}o.${quote(key.name)} = excluded.${quote(key.name)}))`,
    next,
    natural:
      inTenant +
      on
        .map((column) => `t.${quote(column.name)} = $${first + given.indexOf(column)}::${types[column.kind]}`)
        .join(" and ")
  }
}

const types: { readonly [kind in Column.ColumnKind]: string } = {
  text: "text",
  integer: "int8",
  number: "float8",
  bigint: "numeric",
  bigdecimal: "numeric",
  boolean: "bool",
  timestamp: "timestamptz",
  json: "jsonb"
}

/**
 * `do update`: the row given stands in the place of the one that was there, which keeps its key and the time of its
 * creation. A save that would give the key of one row the natural key of another is refused.
 */
const replacing = (rows: RowSql.RowSql): SaveSql => {
  const { decode, resource, selected } = rows
  const parts = partsOf(rows)
  const { insert, next, set, target, unchanged, untaken, values, version } = parts
  const counted = version === undefined ? "" : `t.${quote(version.name)}`
  const given = `$${next}::int8`
  const upsert = (to: ReadonlyArray<string>, where: ReadonlyArray<string>) =>
    `${insert} values (${values}${version === undefined ? "" : ", 1"}) ${target} do update set ` +
    [...set, ...to].join(", ") +
    (where.length === 0 ? "" : ` where ${where.join(" and ")}`)
  const foreseenly = upsert(
    version === undefined ? [] : [`${quote(version.name)} = (${counted} + 1) / (${counted} = ${given})::int`],
    unchanged === undefined ? [] : [`1 / (${unchanged})::int = 1`]
  )
  // A row that was inserted was not there to have the expected version.
  const stillThere = `${foreseenly} returning 1 / (${counted} > 1)::int as checked`
  const isCurrent = version === undefined ? [] : [`(${given} = 0 or ${counted} = ${given})`]
  const readBack =
    upsert(version === undefined ? [] : [`${quote(version.name)} = ${counted} + 1`], [
      ...isCurrent,
      ...(untaken === undefined ? [] : [untaken])
    ]) + ` returning ${selected}`
  const taken = takenOf(rows)
  return {
    save: (tenantId, row, foresee) => {
      const expected = version === undefined ? 0 : Number(row[version.field] ?? 0)
      const params = [...parts.params(tenantId, row), ...(version === undefined ? [] : [expected])]
      if (foresee) {
        const counts = version === undefined ? {} : { [version.field]: expected + 1 }
        const foreseen = { row: { ...complete(resource, row), ...counts }, fresh: true }
        const sql = expected === 0 ? foreseenly : stillThere
        return { statements: [{ sql, params }], foreseen, expected, read: () => foreseen }
      }
      return {
        statements: [{ sql: readBack, params }, ...(untaken === undefined ? [] : [taken(tenantId, row)])],
        foreseen: undefined,
        expected,
        read: ([saving, looking]) => {
          const saved = saving?.[0]
          if (saved === undefined) return looking?.[0] === undefined ? "stale" : "taken"
          return version !== undefined && expected !== 0 && saved[version.field] === 1
            ? "stale"
            : { row: decode(saved), fresh: true }
        }
      }
    }
  }
}

/** Finds a row that has the given key and another natural key. */
const takenOf = ({ first, inTenant, resource, table, tenant }: RowSql.RowSql) => {
  const on = resource.conflict.on.map((field) => RowSql.columnOf(resource, field))
  const key = RowSql.columnOf(resource, resource.key)
  const same = on.map((column, index) => `t.${quote(column.name)} = $${first + 1 + index}::${types[column.kind]}`)
  const sql =
    `select true as taken from ${table} as t where ${inTenant}t.${quote(key.name)} = $${first} ` +
    `and (${same.join(" and ")}) is not true`
  return (tenantId: string, row: EncodedRow): Statement => ({
    sql,
    params: [
      ...tenant(tenantId),
      RowSql.param(key, row[key.field]),
      ...on.map((column) => RowSql.param(column, row[column.field]))
    ]
  })
}

/** `do nothing`: an earlier row stays. Looked up by a statement of its own, which sees what the insert waited for. */
const keeping = (rows: RowSql.RowSql): SaveSql => {
  const { decode, selected, table } = rows
  const { insert, params, target, values, version } = partsOf(rows)
  const one = version === undefined ? "" : ", 1"
  const sql = `${insert} values (${values}${one}) ${target} do nothing returning ${selected}`
  const earlier = earlierOf(rows)
  return {
    save: (tenantId, row) => ({
      statements: [
        { sql, params: params(tenantId, row) },
        { sql: `select ${selected} from ${table} as t where ${earlier.where}`, params: earlier.params(tenantId, row) }
      ],
      foreseen: undefined,
      expected: 0,
      read: ([saving, looking]) => {
        const saved = saving?.[0]
        if (saved !== undefined) return { row: decode(saved), fresh: true }
        const kept = looking?.[0]
        return kept === undefined ? "collided" : { row: decode(kept), fresh: false }
      }
    })
  }
}

/** The row that holds the natural key, with parameters of its own. */
const earlierOf = ({ first, inTenant, resource, tenant }: RowSql.RowSql) => {
  const on = resource.conflict.on.map((field) => RowSql.columnOf(resource, field))
  return {
    where: inTenant + on.map(({ name }, index) => `t.${quote(name)} = $${first + index}`).join(" and "),
    params: (tenantId: string, row: EncodedRow): ReadonlyArray<unknown> => [
      ...tenant(tenantId),
      ...on.map((column) => RowSql.param(column, row[column.field]))
    ]
  }
}

/**
 * A row with a position. Its counter's row is locked first, by a statement of its own, so that the next statement's
 * snapshot holds all that was numbered before; then the counter is raised only if no row has the natural key. A missing
 * counter starts from the rows there are, so that it survives a restore from elsewhere.
 */
const numbering = (rows: RowSql.RowSql, position: Column.Column): SaveSql => {
  const { decode, first, inTenant, resource, selected, table, tenant } = rows
  if (position.default?._tag !== "Position") throw new Error("not a position")
  const parent = RowSql.columnOf(resource, position.default.parent)
  const parts = partsOf(rows)
  const { insert, natural, next, set, target, untaken, values, version } = parts
  const name = positionsOf(resource.name, position.field)
  const scoped = resource.tenantScoped
  const counters = scoped ? `"tenon"."positions"` : `"tenon"."shared_positions"`
  const ofTenant = (number: number) =>
    (scoped ? `c.tenant_id = $1 and ` : "") + `c.resource = $${number} and c.parent = $${number + 1}`
  const lock =
    `insert into ${counters} as c (${scoped ? "tenant_id, " : ""}resource, parent, value) ` +
    `values (${scoped ? "$1, " : ""}$${first}, $${first + 1}, ` +
    `case when exists (select from ${counters} as c where ${ofTenant(first)}) then 0 else coalesce((` +
    `select max(t.${quote(position.name)}) from ${table} as t where ${inTenant}t.${quote(parent.name)} = $${first + 2}), 0) end) ` +
    `on conflict (${scoped ? "tenant_id, " : ""}resource, parent) do update set value = c.value`
  const isNew = `not exists (select from ${table} as t where ${natural})`
  const raised = `raised as (update ${counters} as c set value = c.value + 1 where ${ofTenant(next)} and ${isNew} returning c.value)`
  const counting =
    version === undefined ? [position] : resource.columns.filter((each) => each === version || each === position)
  const numbered = counting.map((each) => (each === version ? "1" : `raised.value`)).join(", ")
  const versionSet = version === undefined ? [] : [`${quote(version.name)} = t.${quote(version.name)} + 1`]
  const kept = resource.conflict.do === "nothing"
  const conditions = [
    ...(version === undefined ? [] : [`($${next + 2}::int8 = 0 or t.${quote(version.name)} = $${next + 2}::int8)`]),
    ...(untaken === undefined ? [] : [untaken])
  ]
  const taken = takenOf(rows)
  const saved = kept
    ? `saved as (${insert} select ${values}, ${numbered} from raised ${target} do nothing returning ${selected})`
    : `saved as (${insert} select ${values}, ${numbered.replace("raised.value", "coalesce(raised.value, 0)")} ` +
      `from (select) as one left join raised on true ` +
      `${target} do update set ${[...set, ...versionSet].join(", ")}` +
      (conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`) +
      ` returning ${selected})`
  const save =
    `with ${raised}, ${saved} select saved.*, raised.value::float8 as "~raised" ` +
    `from (select) as one left join raised on true left join saved on true`
  const earlier = earlierOf(rows)
  const lookUp = `select ${selected} from ${table} as t where ${earlier.where}`
  return {
    save: (tenantId, row) => {
      const of = row[parent.field] ?? null
      const counter = [name, of === null ? "" : String(of)]
      const expected = version === undefined ? 0 : Number(row[version.field] ?? 0)
      return {
        statements: [
          { sql: lock, params: [...tenant(tenantId), ...counter, RowSql.param(parent, of)] },
          {
            sql: save,
            params: [...parts.params(tenantId, row), ...counter, ...(version === undefined || kept ? [] : [expected])]
          },
          ...(kept
            ? [{ sql: lookUp, params: earlier.params(tenantId, row) }]
            : untaken === undefined
              ? []
              : [taken(tenantId, row)])
        ],
        foreseen: undefined,
        expected,
        read: ([, saving, looking]) => {
          const { "~raised": number = null, ...stands } = saving?.[0] ?? {}
          const earlierRow = looking?.[0]
          const isSaved = (stands[resource.key] ?? null) !== null
          // Raised for nothing: the number would be lost. Or none was raised, and the row it was for is gone.
          if (number !== null && (!isSaved || stands[position.field] !== number)) return "collided"
          if (isSaved && stands[position.field] === 0) return "collided"
          if (isSaved) {
            const stale = version !== undefined && expected !== 0 && stands[version.field] === 1
            return stale ? "stale" : { row: decode(stands), fresh: true }
          }
          if (!kept) return earlierRow === undefined ? "stale" : "taken"
          return earlierRow === undefined ? "collided" : { row: decode(earlierRow), fresh: false }
        }
      }
    }
  }
}
