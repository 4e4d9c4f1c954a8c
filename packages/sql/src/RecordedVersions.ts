/** The versions of resources that a database was migrated to, held against the declared ones (E3). */
import type { Registry } from "@tenon/core/Registry"
import { SchemaMismatch } from "@tenon/core/Failure"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** One failure per resource whose version differs from the one that was found; version 0 where none was. */
export const compare = (
  registry: Registry,
  found: ReadonlyArray<{ readonly [column: string]: unknown }>
): ReadonlyArray<SchemaMismatch> => {
  const versions = new Map(found.map(({ resource, version }) => [String(resource), Number(version)]))
  return registry.resources.flatMap(({ name, version: expected }) => {
    const actual = versions.get(name) ?? 0
    return actual === expected ? [] : [new SchemaMismatch({ resource: name, expected, actual })]
  })
}

/** The same for the database as its owner sees it. */
export const mismatches = Effect.fn("RecordedVersions.mismatches")(function* (registry: Registry) {
  const sql = yield* SqlClient.SqlClient
  const [there] = yield* sql.unsafe<{ found: boolean }>(
    `select to_regclass('"tenon"."_schema_versions"') is not null as found`
  )
  if (there?.found !== true) return compare(registry, [])
  const found = yield* sql.unsafe<{ resource: string; version: string }>(
    `select "resource", "version"::text from "tenon"."_schema_versions"`
  )
  return compare(registry, found)
})
