/** The compiled statements of a registry's resources, and what PostgreSQL's complaints about their rows mean. */
import * as Failure from "@tenon/core/Failure"
import type { Registry } from "@tenon/core/Registry"
import type * as Resource from "@tenon/core/Resource"
import type { Change, EncodedRow } from "@tenon/core/UnitOfWork"
import * as Ddl from "./Ddl.ts"
import * as RowSql from "./RowSql.ts"
import * as SaveSql from "./SaveSql.ts"
import type { SqlFailure } from "./SqlFailure.ts"

/** Where the tables are, as `Ddl` was told. */
export type Options = Ddl.Options

/** A resource's statements. */
export interface TableSql {
  readonly rows: RowSql.RowSql
  readonly saves: SaveSql.SaveSql
}

/** The tables of a registry. */
export interface StoreTables {
  readonly of: (resource: Resource.Any) => TableSql
  /**
   * The failure of core that a failure of PostgreSQL comes to, given what was being written. A failure that no caller
   * can do anything about - a missing table or grant - is `undefined`: a defect.
   */
  readonly toFailure: (failure: SqlFailure, changes: ReadonlyArray<Change>) => Failure.Failure | undefined
}

/** Compiles what a registry needs. A resource that cannot be stored is refused here, at the start. */
export const make = (registry: Registry, options: Options = {}): StoreTables => {
  const meanings = Ddl.meanings(registry, options)
  const compiled = new WeakMap<Resource.Any, TableSql>()
  const of = (resource: Resource.Any): TableSql => {
    const found = compiled.get(resource)
    if (found !== undefined) return found
    const rows = RowSql.make(resource, options.schema ?? "public")
    const fresh = { rows, saves: SaveSql.make(rows) }
    compiled.set(resource, fresh)
    return fresh
  }
  for (const resource of registry.resources) of(resource)

  const resourceOf = (table: string) => registry.resources.find((each) => each.table === table)?.name ?? table

  return {
    of,
    toFailure: (failure, changes) => {
      switch (failure._tag) {
        case "UniqueViolation": {
          const meaning = meanings.get(failure.constraint)
          return meaning?._tag === "Unique"
            ? new Failure.AlreadyExists({ resource: meaning.resource, fields: meaning.fields })
            : new Failure.AlreadyExists({ resource: resourceOf(failure.table), fields: [failure.constraint] })
        }
        case "ForeignKeyViolation": {
          const meaning = meanings.get(failure.constraint)
          return meaning?._tag === "Reference"
            ? new Failure.BrokenReference({ resource: meaning.resource, relation: meaning.relation })
            : new Failure.BrokenReference({ resource: resourceOf(failure.table), relation: failure.constraint })
        }
        case "CheckViolation":
        case "NotNullViolation":
          return new Failure.InvalidOutcome({
            resource: resourceOf(failure.table),
            issues: [{ path: fieldOf(registry, failure), message: "is not a value that the column allows" }]
          })
        case "InvalidValue":
          return unstorable(changes) ?? new Failure.InvalidInput({ issues: [{ path: "", message: cannotStore }] })
        case "SerializationFailure":
        case "Deadlock":
        case "ConnectionLost":
        case "Unavailable":
        case "StatementTimeout":
          return new Failure.Unavailable({ what: "The database" })
        case "Other":
          // Program limits: a text too long for its index, a row too wide.
          return failure.sqlState.startsWith("54") ? (tooLarge(changes) ?? undefined) : undefined
        case "PermissionDenied":
          return undefined
      }
    }
  }
}

const cannotStore = "holds text that cannot be stored: a NUL character or half of a surrogate pair"

const fieldOf = (registry: Registry, failure: { readonly table: string; readonly column?: string }): string => {
  const columns = registry.resources.find((each) => each.table === failure.table)?.columns ?? []
  return columns.find(({ name }) => name === failure.column)?.field ?? ""
}

/** Names the fields that PostgreSQL cannot hold. */
const unstorable = (changes: ReadonlyArray<Change>): Failure.Failure | undefined => {
  for (const change of changes) {
    if (change._tag === "Remove") continue
    const issues = badFields(change.row).map((path) => ({ path, message: cannotStore }))
    if (issues.length > 0) return new Failure.InvalidOutcome({ resource: change.resource.name, issues })
  }
  const [save] = changes.filter((each) => each._tag === "Save")
  return save === undefined
    ? undefined
    : new Failure.InvalidOutcome({
        resource: save.resource.name,
        issues: [{ path: "", message: "holds a value out of range" }]
      })
}

const badFields = (row: EncodedRow): ReadonlyArray<string> =>
  Object.keys(row).filter((field) => {
    const value = row[field]
    if (typeof value === "string") return !RowSql.isStorable(value)
    // NULs and lone surrogates are escaped in JSON, and jsonb refuses them.
    return typeof value === "object" && /\\u(?:0000|[dD][89a-fA-F])/.test(JSON.stringify(value))
  })

const tooLarge = (changes: ReadonlyArray<Change>): Failure.Failure | undefined => {
  const [save] = changes.filter((each) => each._tag === "Save")
  return save === undefined
    ? undefined
    : new Failure.InvalidOutcome({
        resource: save.resource.name,
        issues: [{ path: "", message: "is too large to be stored" }]
      })
}
