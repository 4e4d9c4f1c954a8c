/**
 * Looks whether the database at hand has what workers need, before one starts that could only fail at every message.
 */
import * as MeshTables from "@tenon/sql/MeshTables"
import * as SqlName from "@tenon/sql/SqlName"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as MeshBackend from "./MeshBackend.ts"

/** The database was never migrated, or before it knew of all that a mesh keeps. */
class MeshNotMigrated extends Schema.TaggedError<MeshNotMigrated>()("MeshNotMigrated", { problem: Schema.String }) {
  override get message() {
    return (
      `The database is not set up for a mesh: ${this.problem}. Run \`tenon migrate generate\` and \`tenon migrate up\` ` +
      "with a tenon.config.ts; a registry without resources will do."
    )
  }
}

/**
 * Fails where workers could keep nothing. One that does not answer is waited for by whoever needs it, and where broker
 * and store are in memory there is none.
 */
export const check = Effect.gen(function* () {
  if (yield* MeshBackend.isAlone) return
  const missing = yield* lacking.pipe(
    Effect.catchTag("PermissionDenied", ({ message }) => new MeshNotMigrated({ problem: message })),
    Effect.catchIf(
      (failure) => failure._tag !== "MeshNotMigrated",
      () => Effect.succeed([])
    )
  )
  const [first] = missing
  if (first !== undefined) return yield* new MeshNotMigrated({ problem: `there is no table ${first}` })
})

const lacking = Effect.gen(function* () {
  const sql = yield* TenantSql.TenantSql
  const names = MeshTables.tables.map(SqlName.qualified)
  const [rows = []] = yield* sql.batch({ tenantId: null }, [
    { sql: "select name from unnest($1::text[]) as t(name) where to_regclass(name) is null", params: [names] }
  ])
  return rows.map(({ name }) => String(name))
}).pipe(Effect.provide(TenantSql.layerConfig))
