/**
 * The tenant transaction on the wire: ours against node-postgres by hand, with
 * the same role, context and statement, alternating on one PostgreSQL.
 *
 *     node packages/bench/src/wire.ts [--json]
 *
 * `DATABASE_URL` names a database it may create the schema `tenon_wire_bench`
 * and the role `tenon_app` in. Figures are transactions per second: medians of
 * five rounds.
 */
import * as PgPool from "@effect/sql-pg/PgPool"
import { layer, TenantSql } from "@tenon/sql/TenantSql"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import pg from "pg"

const url = process.env["DATABASE_URL"] ?? "postgres://postgres@127.0.0.1:5432/postgres"
const poolSize = 10
const rounds = 5
const roundMillis = Number(process.env["BENCH_ROUND_MILLIS"] ?? 1000)
const tenants = ["t1", "t2", "t3", "t4"]
const tenant = () => tenants[Math.floor(Math.random() * tenants.length)]!

const context =
  "select set_config('role', $1, true), set_config('app.tenant_id', $2, true), set_config('app.actor_id', $3, true)"
const insert =
  "insert into tenon_wire_bench.widgets (tenant_id, id, name) values ($1, $2, $3) on conflict (tenant_id, id) do update set name = excluded.name returning *"
const read = "select * from tenon_wire_bench.widgets where tenant_id = $1 and id = $2"

const setUp = `
do $$ begin create role tenon_app nologin; exception when duplicate_object then null; end $$;
drop schema if exists tenon_wire_bench cascade;
create schema tenon_wire_bench;
create table tenon_wire_bench.widgets (
  tenant_id text not null, id uuid not null, name text not null, created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
alter table tenon_wire_bench.widgets enable row level security;
alter table tenon_wire_bench.widgets force row level security;
create policy tenant on tenon_wire_bench.widgets
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')));
grant usage on schema tenon_wire_bench to tenon_app;
grant select, insert, update, delete on tenon_wire_bench.widgets to tenon_app;
`

const peerPool = new pg.Pool({ connectionString: url, max: poolSize })
await peerPool.query(setUp)
const known = randomUUID()
for (const id of tenants) {
  await peerPool.query("insert into tenon_wire_bench.widgets values ($1, $2, 'known')", [id, known])
}

type Params = Array<string>
type Run = (sql: string, params: Params) => Promise<unknown>

// Four round trips, as one writes it by hand; `named` keeps the statements prepared.
const peer =
  (named: boolean): Run =>
  async (sql, params) => {
    const client = await peerPool.connect()
    const query = (text: string, values: Params) =>
      client.query(named ? { name: text.slice(0, 40), text, values } : { text, values })
    try {
      await client.query("begin")
      await query(context, ["tenon_app", params[0]!, "bench"])
      const result = await query(sql, params)
      await client.query("commit")
      return result.rows
    } catch (error) {
      await client.query("rollback")
      throw error
    } finally {
      client.release()
    }
  }

const runtime = ManagedRuntime.make(layer({ url: Redacted.make(url), maxConnections: poolSize }))
const ours = await runtime.runPromise(TenantSql)

const batch: Run = (sql, params) =>
  Effect.runPromise(ours.batch({ tenantId: params[0]!, actorId: "bench" }, [{ sql, params }]))

// A read decides, then the statement and the commit.
const transaction: Run = (sql, params) =>
  Effect.runPromise(
    ours.transaction({ tenantId: params[0]!, actorId: "bench" }, (tx) =>
      Effect.andThen(tx.run([{ sql: read, params: [params[0]!, known] }]), tx.commit([{ sql, params }]))
    )
  )

const peerDecides: Run = async (sql, params) => {
  const client = await peerPool.connect()
  try {
    await client.query("begin")
    await client.query(context, ["tenon_app", params[0]!, "bench"])
    await client.query(read, [params[0]!, known])
    const result = await client.query(sql, params)
    await client.query("commit")
    return result.rows
  } finally {
    client.release()
  }
}

// The driver's own pipelining: one write, but a Sync for each of the four.
const scope = await Effect.runPromise(Scope.make())
const pool = await Effect.runPromise(
  Scope.provide(
    PgPool.make({ url: Redacted.make(url), maxConnections: poolSize, multiplex: true, multiplexConcurrency: 1 }),
    scope
  )
)
const multiplex: Run = (sql, params) =>
  Effect.runPromise(
    pool.use((connection) =>
      Effect.flatMap(
        Effect.all(
          [
            Effect.exit(connection.query("begin", [], false)),
            Effect.exit(connection.query(context, ["tenon_app", params[0]!, "bench"])),
            Effect.exit(connection.query(sql, params)),
            Effect.exit(connection.query("commit", [], false))
          ],
          { concurrency: "unbounded" }
        ),
        (exits) => exits.find(Exit.isFailure) ?? exits[2]!
      )
    )
  )

const work = {
  write: (run: Run) => run(insert, [tenant(), randomUUID(), "a widget"]),
  read: (run: Run) => run(read, [tenant(), known])
}

const measure = async (run: Run, kind: keyof typeof work, concurrency: number): Promise<number> => {
  const until = performance.now() + roundMillis
  let done = 0
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() < until) {
        await work[kind](run)
        done++
      }
    })
  )
  return (done / roundMillis) * 1000
}

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const suites: ReadonlyArray<readonly [string, keyof typeof work, Run, Run, string]> = [
  ["batch, write", "write", batch, peer(false), "node-postgres, 4 round trips"],
  ["batch, read", "read", batch, peer(false), "node-postgres, 4 round trips"],
  ["batch, write, against prepared", "write", batch, peer(true), "node-postgres, 4 round trips, prepared"],
  ["driver's multiplex, write", "write", multiplex, peer(false), "node-postgres, 4 round trips"],
  ["driver's multiplex, read", "read", multiplex, peer(false), "node-postgres, 4 round trips"],
  ["read, then write and commit", "write", transaction, peerDecides, "node-postgres, 5 round trips"]
]

const rows: Array<Record<string, unknown>> = []
for (const [name, kind, mine, theirs, peerName] of suites) {
  for (const concurrency of [1, 10, 64]) {
    const a: Array<number> = []
    const b: Array<number> = []
    for (let round = -1; round < rounds; round++) {
      const x = await measure(mine, kind, concurrency)
      const y = await measure(theirs, kind, concurrency)
      // The first round warms up.
      if (round < 0) continue
      a.push(x)
      b.push(y)
    }
    const row = {
      name: `${name}, c=${concurrency}`,
      unit: "tx/s",
      ours: Math.round(median(a)),
      peer: Math.round(median(b)),
      peerName,
      ratio: Math.round((median(a) / median(b)) * 100) / 100
    }
    rows.push(row)
    if (!process.argv.includes("--json")) console.log(`${row.name}: ${row.ours} / ${row.peer} = ${row.ratio}x`)
  }
}
if (process.argv.includes("--json")) console.log(JSON.stringify({ suite: "wire", rows }))

await peerPool.query("drop schema tenon_wire_bench cascade")
await peerPool.end()
await Effect.runPromise(Scope.close(scope, Exit.void))
await runtime.dispose()
