/**
 * What the isolation proof tries with SQL of its own, under the application's role: row security alone is in the way.
 */
import * as Ddl from "@tenon/sql/Ddl"
import type * as DatabaseModel from "@tenon/sql/DatabaseModel"
import * as SqlName from "@tenon/sql/SqlName"
import type { TenantScope, TenantSql } from "@tenon/sql/TenantSql"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { World } from "./IsolationDoors.ts"
import type { Answer, Attempt } from "./IsolationLedger.ts"

/** Every table that has a tenant, the framework's own included. */
export const tables = Effect.fnUntraced(function* (
  world: World,
  sql: TenantSql["Service"],
  options: Ddl.Options | undefined
) {
  for (const table of Ddl.fromRegistry(world.registry, options).tables) {
    if (table.tenantColumn !== undefined && allows(table, "select"))
      yield* oneTable(world, sql, table, table.tenantColumn)
  }
})

const allows = (table: DatabaseModel.Table, privilege: DatabaseModel.Privilege) =>
  table.grants.some((grant) => grant.role === "app" && grant.privileges.includes(privilege))

const oneTable = Effect.fnUntraced(function* (
  world: World,
  sql: TenantSql["Service"],
  table: DatabaseModel.Table,
  tenantColumn: string
) {
  const { a, b, ledger } = world
  const name = SqlName.qualified(table)
  const tenant = SqlName.quote(tenantColumn)
  const them = b.actor.tenantId
  const nobody: TenantScope = { tenantId: null }
  const me: TenantScope = { tenantId: a.actor.tenantId }
  const run = (what: string, scope: TenantScope, statement: string, ...params: ReadonlyArray<string>) => {
    const attempt: Attempt = { door: "sql", resource: table.name, what }
    const rows = Effect.map(sql.batch(scope, [{ sql: statement, params }]), ([first]) => first ?? [])
    return Effect.map(ledger.write(attempt, [statement, params], rows), (answer) => ({ attempt, answer }))
  }
  const none = ({ answer, attempt }: { readonly answer: Answer; readonly attempt: Attempt }) => {
    if (!answer.ok || (answer.value as ReadonlyArray<unknown>).length > 0)
      ledger.breach(attempt, `comes to ${answer.text.slice(0, 500)}`)
  }
  const refused = ({ answer, attempt }: { readonly answer: Answer; readonly attempt: Attempt }) => {
    if (answer.ok || answer.tag !== "PermissionDenied") ledger.breach(attempt, `comes to ${answer.text.slice(0, 500)}`)
  }

  none(yield* run("read without a tenant", nobody, `select to_jsonb(t)::text as row from ${name} t`))
  none(yield* run("read with an empty tenant", { tenantId: "" }, `select to_jsonb(t)::text as row from ${name} t`))
  none(yield* run("read B's as A", me, `select to_jsonb(t)::text as row from ${name} t where ${tenant} = $1`, them))
  none(
    yield* run(
      "read all but A's as A",
      me,
      `select to_jsonb(t)::text as row from ${name} t where ${tenant} <> $1`,
      a.actor.tenantId
    )
  )
  // A row of A's to try to give away. It may name a key of B's that A was told, so it is not looked at.
  const own = yield* Effect.result(
    sql.batch(me, [{ sql: `select to_jsonb(t)::text as row from ${name} t limit 1`, params: [] }])
  )
  const mine = Result.isSuccess(own) ? own.success[0]?.[0]?.["row"] : undefined

  if (allows(table, "update")) {
    const update = `update ${name} set ${tenant} = ${tenant}`
    none(yield* run("change all without a tenant", nobody, `${update} returning 1 as one`))
    none(yield* run("change B's as A", me, `${update} where ${tenant} = $1 returning 1 as one`, them))
    if (typeof mine === "string") refused(yield* run("give A's to B", me, `update ${name} set ${tenant} = $1`, them))
  }
  if (allows(table, "delete")) {
    none(yield* run("delete all without a tenant", nobody, `delete from ${name} returning 1 as one`))
    none(yield* run("delete B's as A", me, `delete from ${name} where ${tenant} = $1 returning 1 as one`, them))
  }
  if (allows(table, "insert") && typeof mine === "string") {
    const columns = table.columns
      .filter(({ default: value }) => value?._tag !== "Identity")
      .map((each) => SqlName.quote(each.name))
      .join(", ")
    const insert = `insert into ${name} (${columns}) select ${columns} from jsonb_populate_record(null::${name}, $1::jsonb)`
    const withTenant = (of: string) => JSON.stringify({ ...JSON.parse(mine), [tenantColumn]: of })
    refused(yield* run("insert for B as A", me, insert, withTenant(them)))
    refused(yield* run("insert for A without a tenant", nobody, insert, withTenant(a.actor.tenantId)))
    refused(yield* run("insert for nobody without a tenant", nobody, insert, withTenant("")))
  }
})
