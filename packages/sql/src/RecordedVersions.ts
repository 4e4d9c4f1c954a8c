/** The versions of resources that a database was migrated to, held against the declared ones (E3). */
import type { Registry } from "@tenon/core/Registry"
import { SchemaMismatch } from "@tenon/core/Failure"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** One failure per resource whose version differs; version 0 where the database does not know it. */
export const mismatches = Effect.fn("RecordedVersions.mismatches")(function* (registry: Registry) {
  const sql = yield* SqlClient.SqlClient
  const [there] = yield* sql.unsafe<{ found: boolean }>(
    `select to_regclass('"tenon"."_schema_versions"') is not null as found`
  )
  const rows =
    there?.found === true
      ? yield* sql.unsafe<{ resource: string; version: string }>(
          `select "resource", "version"::text from "tenon"."_schema_versions"`
        )
      : []
  const actual = new Map(rows.map(({ resource, version }) => [resource, Number(version)]))
  return registry.resources.flatMap(({ name, version }) => {
    const found = actual.get(name) ?? 0
    return found === version ? [] : [new SchemaMismatch({ resource: name, expected: version, actual: found })]
  })
})
