/**
 * How a row is saved: always `insert … on conflict`, on the declared target, as few statements as the conflict rule,
 * the version and the position allow.
 *
 * Where the row that will stand is known beforehand, `foreseen` says it, and the statements are written so that they
 * fail (division by zero, 22012) if it turns out otherwise; the commit can then go out in the same flight.
 */
import type * as Column from "@tenon/core/Column"
import type { InvalidOutcome, InvalidTransition } from "@tenon/core/Failure"
import * as Positions from "@tenon/core/Positions"
import type * as Resource from "@tenon/core/Resource"
import * as Transitions from "@tenon/core/Transitions"
import type { Change, EncodedRow, Standing } from "@tenon/core/UnitOfWork"
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
   * rolled back. Or the state machine does not allow it, or the row would leave those that it is numbered with.
   */
  readonly read: (answers: ReadonlyArray<ReadonlyArray<Row>>) => Came
}

/** What came of a save. */
export type Came = Standing | InvalidTransition | InvalidOutcome | "stale" | "taken" | "collided"

/** How a row is to be saved. */
export interface How {
  /** False reads back what stands, where it cannot be told for sure. */
  readonly foresee: boolean
  readonly mode: Extract<Change, { readonly _tag: "Save" }>["mode"]
}

/** Saves rows of one resource. */
export interface SaveSql {
  readonly save: (tenantId: string, row: EncodedRow, how: How) => Saving
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
  const parts = partsOf(rows)
  const checked = upserting(rows, parts, undefined)
  const machine = machineOf(rows, parts.next + (parts.version === undefined ? 0 : 1))
  const held = machine === undefined ? checked : upserting(rows, parts, machine)
  const saves = { checked, insert: inserting(rows, parts), held }
  return { save: (tenantId, row, how) => saves[how.mode ?? "held"](tenantId, row, how) }
}

/** A row whose key must be nobody's: PostgreSQL says so where it is somebody's. */
const inserting = ({ resource }: RowSql.RowSql, { insert, params, values, version }: Parts): SaveSql["save"] => {
  const sql = `${insert} values (${values}${version === undefined ? "" : ", 1"})`
  return (tenantId, row) => {
    const counts = version === undefined ? {} : { [version.field]: 1 }
    const foreseen = { row: { ...complete(resource, row), ...counts }, fresh: true }
    return { statements: [{ sql, params: params(tenantId, row) }], foreseen, expected: 0, read: () => foreseen }
  }
}

const upserting = (rows: RowSql.RowSql, parts: Parts, machine: Machine | undefined): SaveSql["save"] => {
  const { decode, resource, table } = rows
  const { insert, natural, next, set, target, unchanged, untaken, values, version } = parts
  const counted = version === undefined ? "" : `t.${quote(version.name)}`
  const given = `$${next}::int8`
  const inserted = `${values}${version === undefined ? "" : ", 1"}`
  const upsert = (source: string, to: ReadonlyArray<string>, where: ReadonlyArray<string>) =>
    `${insert} ${source} ${target} do update set ` +
    [...set, ...to].join(", ") +
    (where.length === 0 ? "" : ` where ${where.join(" and ")}`)
  const asForeseen = [unchanged, machine?.allowed].filter((each) => each !== undefined).join(" and ")
  const foreseenly = upsert(
    `values (${inserted})`,
    version === undefined ? [] : [`${quote(version.name)} = (${counted} + 1) / (${counted} = ${given})::int`],
    asForeseen === "" ? [] : [`1 / (${asForeseen})::int = 1`]
  )
  // A row that was inserted was not there to have the expected version.
  const stillThere = `${foreseenly} returning 1 / (${counted} > 1)::int as checked`
  const isCurrent = version === undefined ? [] : [`(${given} = 0 or ${counted} = ${given})`]
  const readBack = (source: string) =>
    upsert(source, version === undefined ? [] : [`${quote(version.name)} = ${counted} + 1`], [
      ...isCurrent,
      ...(untaken === undefined ? [] : [untaken]),
      ...(machine === undefined ? [] : [machine.allowed])
    ]) + ` returning ${rows.selected}`
  const anyhow = readBack(`values (${inserted})`)
  // A state that no row begins in: saved only where there is a row already.
  const inPlace = readBack(`select ${inserted} where exists (select from ${table} as t where ${natural} for key share)`)
  const taken = takenOf(rows)
  const earlier = earlierOf(rows)
  return (tenantId, row, { foresee }) => {
    const expected = version === undefined ? 0 : Number(row[version.field] ?? 0)
    const params = [
      ...parts.params(tenantId, row),
      ...(version === undefined ? [] : [expected]),
      ...(machine?.params(row) ?? [])
    ]
    const mayInsert = machine === undefined || Transitions.mayInsert(resource, row)
    if (foresee && mayInsert) {
      const counts = version === undefined ? {} : { [version.field]: expected + 1 }
      const foreseen = { row: { ...complete(resource, row), ...counts }, fresh: true }
      const sql = expected === 0 ? foreseenly : stillThere
      return { statements: [{ sql, params }], foreseen, expected, read: () => foreseen }
    }
    return {
      statements: [
        { sql: mayInsert ? anyhow : inPlace, params },
        ...(untaken === undefined ? [] : [taken(tenantId, row)]),
        ...(machine === undefined ? [] : [earlier(tenantId, row)])
      ],
      foreseen: undefined,
      expected,
      read: ([saving, ...looking]) => {
        const saved = saving?.[0]
        if (saved === undefined) {
          if (untaken !== undefined && looking[0]?.[0] !== undefined) return "taken"
          return machine === undefined ? "stale" : refusalOf(rows, version, expected, row, looking.at(-1)?.[0])
        }
        return version !== undefined && expected !== 0 && saved[version.field] === 1
          ? "stale"
          : { row: decode(saved), fresh: true }
      }
    }
  }
}

/** A state machine as a condition on the row that stands. */
interface Machine {
  readonly allowed: string
  /** For each of its fields, the states that it may come from. */
  readonly params: (row: EncodedRow) => ReadonlyArray<ReadonlyArray<string>>
}

/** `undefined` where the resource has none. Its parameters come from the given number on. */
const machineOf = ({ resource }: RowSql.RowSql, at: number): Machine | undefined => {
  const fields = Transitions.fieldsOf(resource)
  if (fields.length === 0) return undefined
  const state = (field: string) => `coalesce(t.${quote(RowSql.columnOf(resource, field).name)}::text, '')`
  return {
    allowed: fields.map((field, index) => `${state(field)} = any($${at + index}::text[])`).join(" and "),
    params: (row) => fields.map((field) => Transitions.sourcesOf(resource, field, Transitions.stateOf(row, field)))
  }
}

/** Why nothing was saved, by the row that stands. */
const refusalOf = (
  { decode, resource }: RowSql.RowSql,
  version: Column.Column | undefined,
  expected: number,
  row: EncodedRow,
  found: Row | undefined
): Came => {
  const stands = found === undefined ? undefined : decode(found)
  if (version !== undefined && expected !== 0 && stands?.[version.field] !== expected) return "stale"
  return Transitions.refusalOf(resource, stands, row) ?? Positions.refusalOf(resource, stands, row) ?? "collided"
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
  const { decode, resource, selected } = rows
  const { insert, params, target, values, version } = partsOf(rows)
  const one = version === undefined ? "" : ", 1"
  const sql = `${insert} values (${values}${one}) ${target} do nothing returning ${selected}`
  const earlier = earlierOf(rows)
  return {
    save: (tenantId, row) => {
      const mayInsert = Transitions.mayInsert(resource, row)
      return {
        statements: [...(mayInsert ? [{ sql, params: params(tenantId, row) }] : []), earlier(tenantId, row)],
        foreseen: undefined,
        expected: 0,
        read: (answers) => {
          const saved = mayInsert ? answers[0]?.[0] : undefined
          if (saved !== undefined) return { row: decode(saved), fresh: true }
          const kept = answers.at(-1)?.[0]
          if (kept !== undefined) return { row: decode(kept), fresh: false }
          return (mayInsert ? undefined : Transitions.refusalOf(resource, undefined, row)) ?? "collided"
        }
      }
    }
  }
}

/** Finds the row that holds the natural key. */
const earlierOf = ({ first, inTenant, resource, selected, table, tenant }: RowSql.RowSql) => {
  const on = resource.conflict.on.map((field) => RowSql.columnOf(resource, field))
  const where = inTenant + on.map(({ name }, index) => `t.${quote(name)} = $${first + index}`).join(" and ")
  const sql = `select ${selected} from ${table} as t where ${where}`
  return (tenantId: string, row: EncodedRow): Statement => ({
    sql,
    params: [...tenant(tenantId), ...on.map((column) => RowSql.param(column, row[column.field]))]
  })
}

/**
 * A row with a position. Its counter's row is locked first, by a statement of its own, so that the next statement's
 * snapshot holds all that was numbered before; then the counter is raised only if no row has the natural key. A missing
 * counter starts from the rows there are, so that it survives a restore from elsewhere.
 */
const numbering = (rows: RowSql.RowSql, position: Column.Column): SaveSql => {
  const { decode, first, inTenant, resource, selected, table, tenant } = rows
  const parent = Positions.parentOf(resource, position)
  if (parent === undefined) throw new Error("not a position")
  const parts = partsOf(rows)
  const { insert, natural, next, set, target, untaken, values, version } = parts
  const name = positionsOf(resource.name, position.field)
  const scoped = resource.tenantScoped
  const counters = scoped ? `"tenon"."positions"` : `"tenon"."shared_positions"`
  const ofTenant = (number: number) =>
    (scoped ? `c.tenant_id = $1 and ` : "") + `c.resource = $${number} and c.parent = $${number + 1}`
  const lock = (isParent: string) =>
    `insert into ${counters} as c (${scoped ? "tenant_id, " : ""}resource, parent, value) ` +
    `values (${scoped ? "$1, " : ""}$${first}, $${first + 1}, ` +
    `case when exists (select from ${counters} as c where ${ofTenant(first)}) then 0 else coalesce((` +
    `select max(t.${quote(position.name)}) from ${table} as t where ${inTenant}${isParent}), 0) end) ` +
    `on conflict (${scoped ? "tenant_id, " : ""}resource, parent) do update set value = c.value`
  const column = `t.${quote(parent.name)}`
  // Null is compared in a statement of its own, so that an index serves the other.
  const lockAmong = lock(`${column} = $${first + 2}`)
  const lockAmongNone = lock(`${column} is null and $${first + 2}::text is null`)
  const kept = resource.conflict.do === "nothing"
  // A row that is found by its parent has that parent.
  const moves = !kept && !resource.conflict.on.includes(parent.field)
  const expects = version !== undefined && !kept
  const mayInsert = `$${next + 2}::bool`
  const machine = kept ? undefined : machineOf(rows, next + 3 + (expects ? 1 : 0))
  const exists = `exists (select from ${table} as t where ${natural})`
  const raised = `raised as (update ${counters} as c set value = c.value + 1 where ${ofTenant(next)} and ${mayInsert} and not ${exists} returning c.value)`
  const counting =
    version === undefined ? [position] : resource.columns.filter((each) => each === version || each === position)
  const numbered = counting.map((each) => (each === version ? "1" : `raised.value`)).join(", ")
  const versionSet = version === undefined ? [] : [`${quote(version.name)} = t.${quote(version.name)} + 1`]
  const conditions = [
    ...(expects ? [`($${next + 3}::int8 = 0 or t.${quote(version.name)} = $${next + 3}::int8)`] : []),
    ...(untaken === undefined ? [] : [untaken])
  ]
  const taken = takenOf(rows)
  const upserted = (where: ReadonlyArray<string>) =>
    `saved as (${insert} select ${values}, ${numbered.replace("raised.value", "coalesce(raised.value, 0)")} ` +
    `from (select) as one left join raised on true where ${mayInsert} or ${exists} ` +
    `${target} do update set ${[...set, ...versionSet].join(", ")}` +
    (where.length === 0 ? "" : ` where ${where.join(" and ")}`) +
    ` returning ${selected})`
  const save = (saved: string) =>
    `with ${raised}, ${saved} select saved.*, raised.value::float8 as "~raised" ` +
    `from (select) as one left join raised on true left join saved on true`
  const keep = save(
    `saved as (${insert} select ${values}, ${numbered} from raised ${target} do nothing returning ${selected})`
  )
  const add = save(`saved as (${insert} select ${values}, ${numbered} from raised returning ${selected})`)
  const checked = save(upserted(conditions))
  const stays = moves ? [`${column} is not distinct from excluded.${quote(parent.name)}`] : []
  const held =
    machine === undefined && !moves
      ? checked
      : save(upserted([...conditions, ...stays, ...(machine === undefined ? [] : [machine.allowed])]))
  const earlier = earlierOf(rows)
  return {
    save: (tenantId, row, { mode }) => {
      const of = row[parent.field] ?? null
      const counter = [name, counterOf(of)]
      const expected = version === undefined ? 0 : Number(row[version.field] ?? 0)
      const adds = mode === "insert"
      const holds = (machine !== undefined || moves) && mode === undefined
      const begins = mode !== undefined || Transitions.mayInsert(resource, row)
      return {
        statements: [
          {
            sql: of === null ? lockAmongNone : lockAmong,
            params: [...tenant(tenantId), ...counter, RowSql.param(parent, of)]
          },
          {
            sql: adds ? add : kept ? keep : holds ? held : checked,
            params: [
              ...parts.params(tenantId, row),
              ...counter,
              begins,
              ...(expects && !adds ? [expected] : []),
              ...(holds ? (machine?.params(row) ?? []) : [])
            ]
          },
          ...(kept || untaken === undefined ? [] : [taken(tenantId, row)]),
          ...(kept || holds ? [earlier(tenantId, row)] : [])
        ],
        foreseen: undefined,
        expected,
        read: ([, saving, ...looking]) => {
          const { "~raised": number = null, ...stands } = saving?.[0] ?? {}
          const isSaved = (stands[resource.key] ?? null) !== null
          // Raised for nothing: the number would be lost. Or none was raised, and the row it was for is gone.
          if (number !== null && (!isSaved || stands[position.field] !== number)) return "collided"
          if (isSaved && stands[position.field] === 0) return "collided"
          if (isSaved) {
            const stale = version !== undefined && expected !== 0 && stands[version.field] === 1
            return stale ? "stale" : { row: decode(stands), fresh: true }
          }
          const found = looking.at(-1)?.[0]
          if (adds) return "taken"
          if (!kept) {
            if (untaken !== undefined && looking[0]?.[0] !== undefined) return "taken"
            return holds ? refusalOf(rows, version, expected, row, found) : "stale"
          }
          if (found !== undefined) return { row: decode(found), fresh: false }
          return (begins ? undefined : Transitions.refusalOf(resource, undefined, row)) ?? "collided"
        }
      }
    }
  }
}

/**
 * The name of a parent's counter: no two parents have one. Null's was the empty text before the empty text had its own.
 */
const counterOf = (parent: EncodedRow[string]): string => {
  if ((parent ?? null) === null) return ""
  const text = String(parent)
  return text === "" || text.startsWith("\u0001") ? `\u0001${text}` : text
}
