/**
 * API keys for development, one per tenant and role. The database keeps hashes only, so the keys themselves are kept
 * in a file that only its owner can read; a key whose hash the database does not have is made anew.
 */
import * as ApiKeys from "@tenon/core/ApiKeys"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { DevelopmentTenant } from "./TenonConfig.ts"

/** Keys by tenant and role. */
export type Keys = { readonly [tenant: string]: { readonly [role: string]: string } }

const roles = ["admin", "editor", "viewer"]
const File = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.String)))

/** The keys of all tenants, made where they are missing. */
export const ensure = Effect.fn("DevelopmentKeys.ensure")(function* (
  directory: string,
  tenants: ReadonlyArray<DevelopmentTenant>
) {
  const path = join(directory, "keys.json")
  const before = existsSync(path) ? Schema.decodeUnknownOption(File)(readFileSync(path, "utf8")) : Option.none()
  const known: Keys = Option.getOrElse(before, () => ({}))
  const keys: { [tenant: string]: { [role: string]: string } } = {}
  for (const { id } of tenants) {
    keys[id] = {}
    for (const role of roles) keys[id][role] = yield* ensureOne(id, role, known[id]?.[role])
  }
  writeFileSync(path, JSON.stringify(keys), { mode: 0o600 })
  const result: Keys = keys
  return result
})

/** Makes the tenants that are not there yet, under the role that may. */
export const ensureTenants = Effect.fn("DevelopmentKeys.ensureTenants")(function* (
  tenants: ReadonlyArray<DevelopmentTenant>
) {
  const sql = yield* TenantSql.TenantSql
  yield* sql.batch(
    { tenantId: null, role: "tenon_relay" },
    tenants.map(({ id, name }) => ({
      sql: "insert into tenon.tenants (id, name) values ($1, $2) on conflict (id) do nothing",
      params: [id, name]
    }))
  )
})

const ensureOne = Effect.fnUntraced(function* (tenantId: string, role: string, known: string | undefined) {
  const store = yield* ApiKeys.ApiKeys
  if (known !== undefined && (yield* store.find(yield* ApiKeys.hashOf(known))) !== undefined) return known
  const { secret } = yield* ApiKeys.create({ tenantId, name: `development ${role}`, roles: [role] })
  return Redacted.value(secret)
})
