/**
 * The part of `Drift` that a process looks at before it serves (T2): whether the live database keeps tenants apart as
 * declared. It asks as the application itself, so that a host needs no owner's login for it. What else differs, such as
 * a column that a later release has added, is left to `Migrations.check` and to the versions of the schema.
 */
import type { Registry } from "@tenon/core/Registry"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Catalogue from "./Catalogue.ts"
import * as CatalogueForms from "./CatalogueForms.ts"
import type * as DatabaseModel from "./DatabaseModel.ts"
import * as Ddl from "./Ddl.ts"
import type { Finding } from "./Drift.ts"
import * as DriftAccess from "./DriftAccess.ts"
import * as SqlName from "./SqlName.ts"
import { type Statement, TenantSql } from "./TenantSql.ts"

/** The database does not keep tenants apart as declared, so nothing is served from it. */
export class IsolationBroken extends Schema.TaggedError<IsolationBroken>()("IsolationBroken", {
  findings: Schema.Array(Schema.Struct({ place: Schema.String, problem: Schema.String, mend: Schema.String }))
}) {
  override get message() {
    return `The database does not keep tenants apart as declared, so nothing is served from it:\n${this.findings
      .map(({ place, problem, mend }) => `  ${place}: ${problem}. ${mend}.`)
      .join("\n")}\nMend these and start again; \`tenon migrate check\` shows whatever else differs.`
  }
}

/** To compile the query takes longer than to run it. */
const noJit: Statement = { sql: "select set_config('jit', 'off', true)", params: [] }

/**
 * What is wrong, in one round trip: empty where all is well. Fails where the database cannot be asked; a role that
 * row security would not bind is refused when connecting, and is a finding.
 */
export const find = Effect.fn("IsolationCheck.find")(function* (registry: Registry, options?: Ddl.Options) {
  const sql = yield* TenantSql
  const model = Ddl.fromRegistry(registry, options)
  const answers = yield* sql
    .batch({ tenantId: null }, [noJit, Catalogue.statementOf(model), CatalogueForms.statementOf(model)])
    .pipe(Effect.catchTag("PermissionDenied", ({ message }) => Effect.succeed(message)))
  if (typeof answers === "string") return [unfit(answers)]
  const [, [catalogue] = [], [forms] = []] = answers
  return holes(model, yield* Catalogue.fromRow(catalogue), CatalogueForms.fromRow(model, forms))
})

const unfit = (problem: string): Finding => ({
  place: "the application's role",
  problem,
  mend: "Apply the migrations (`tenon migrate up`), and let DATABASE_URL and DATABASE_ROLE name a login and a role that own nothing"
})

/** Every way past isolation, and every wall of it that is missing. A table that is not there yet has none. */
export const holes = (
  model: DatabaseModel.Model,
  live: Catalogue.Catalogue,
  forms: CatalogueForms.Forms
): ReadonlyArray<Finding> => {
  const byPlace = new Map(live.relations.map((each) => [`${each.schema}.${each.name}`, each]))
  return [
    ...DriftAccess.roles(model, live),
    ...model.tables.flatMap((table) => {
      const place = `${table.schema}.${table.name}`
      const found = byPlace.get(place)
      if (found === undefined) return []
      return [
        ...tenantColumn(place, table, found, forms),
        ...keysWithoutTenant(place, model, table, found),
        ...DriftAccess.holes(place, model, table, found, forms)
      ]
    }),
    ...unknown(model, live)
  ]
}

const tenantColumn = (
  place: string,
  table: DatabaseModel.Table,
  live: Catalogue.Relation,
  forms: CatalogueForms.Forms
): ReadonlyArray<Finding> => {
  const wanted = table.columns.find(({ name }) => name === table.tenantColumn)
  if (wanted === undefined) return []
  const found = live.columns.find(({ name }) => name === wanted.name)
  const at = `${place}.${wanted.name}`
  if (found === undefined)
    return [{ place: at, problem: "the tenant's column is missing", mend: "Apply the migrations" }]
  const alter = `alter table ${SqlName.qualified(table)} alter column ${SqlName.quote(wanted.name)}`
  return [
    ...(found.nullable && !wanted.nullable
      ? [{ place: at, problem: "the tenant's column may be null", mend: `${alter} set not null` }]
      : []),
    ...((found.default ?? "") === (forms.default(wanted) ?? "")
      ? []
      : [
          {
            place: at,
            problem: `the default of the tenant's column is ${found.default ?? "none"} and should be ${forms.default(wanted) ?? "none"}`,
            mend: `${alter} set default ${forms.default(wanted) ?? "null"}`
          }
        ])
  ]
}

/** Keys across tenants reveal what others have: a value is taken, a row is there. */
const keysWithoutTenant = (
  place: string,
  model: DatabaseModel.Model,
  { tenantColumn: tenant, ...table }: DatabaseModel.Table,
  live: Catalogue.Relation
): ReadonlyArray<Finding> => {
  if (tenant === undefined) return []
  const ofTenants = new Set(
    model.tables.filter((each) => each.tenantColumn !== undefined).map((each) => `${each.schema}.${each.name}`)
  )
  const declared = new Set([table.primaryKey, ...table.indexes].map(({ columns }) => columns.join()))
  return [
    ...live.indexes
      .filter(({ columns, unique }) => unique && !columns.includes(tenant) && !declared.has(columns.join()))
      .map(({ columns, name }) => ({
        place,
        problem: `the unique key ${name} (${columns.join(", ")}) leaves out the tenant, so it reveals other tenants' values`,
        mend: `Drop it, and let it begin with ${tenant}`
      })),
    ...live.constraints
      .filter(
        ({ columns, target, targetSchema, type }) =>
          type === "f" && !columns.includes(tenant) && ofTenants.has(`${targetSchema}.${target}`)
      )
      .map(({ columns, name }) => ({
        place,
        problem: `the foreign key ${name} (${columns.join(", ")}) leaves out the tenant, so it reaches other tenants' rows`,
        mend: `alter table ${SqlName.qualified(table)} drop constraint ${SqlName.quote(name)}, and let it begin with ${tenant}`
      }))
  ]
}

/** A table without tenants may be a later release's, and holds nothing that one tenant could see of another. */
const unknown = (model: DatabaseModel.Model, live: Catalogue.Catalogue): ReadonlyArray<Finding> => {
  const columns = new Set(model.tables.flatMap(({ resource, tenantColumn }) => (resource && tenantColumn) ?? []))
  const harmless = ({ columns: of, kind }: Catalogue.Relation) =>
    ["r", "p"].includes(kind) && !of.some(({ name }) => columns.has(name))
  return DriftAccess.unknown(model, { ...live, relations: live.relations.filter((each) => !harmless(each)) })
}
