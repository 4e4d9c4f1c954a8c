import { layer as adminLayer } from "@tenon/sql/AdminSql"
import * as SqlFailure from "@tenon/sql/SqlFailure"
import * as SqlValue from "@tenon/sql/SqlValue"
import { layer, layerConfig, type Options, type Statement, TenantSql } from "@tenon/sql/TenantSql"
import { eventually } from "@tenon/testing/Testing"
import { assert, describe, layer as suite } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Net from "node:net"
import { postgres } from "../support/services.ts"

const url = await postgres()
const schema = `tenon_wire_${process.pid}`
const role = `${schema}_app`
const options: Options = { url: Redacted.make(url), role, maxConnections: 4 }

const policy = `tenant_id = (select nullif(current_setting('app.tenant_id', true), ''))`

const Database = Layer.effectDiscard(
  Effect.acquireRelease(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const statement of [
        `create schema ${schema}`,
        `create role ${role} nologin`,
        `create table ${schema}.notes (
          tenant_id text not null default nullif(current_setting('app.tenant_id', true), ''),
          id text not null, body text not null check (body <> 'refused'), n int8,
          primary key (tenant_id, id))`,
        `create table ${schema}.replies (tenant_id text not null, id text not null, note_id text not null,
          primary key (tenant_id, id),
          constraint replies_note foreign key (tenant_id, note_id) references ${schema}.notes (tenant_id, id) deferrable initially immediate)`,
        ...["notes", "replies"].flatMap((table) => [
          `alter table ${schema}.${table} enable row level security`,
          `alter table ${schema}.${table} force row level security`,
          `create policy tenant on ${schema}.${table} using (${policy}) with check (${policy})`,
          `grant select, insert, update, delete on ${schema}.${table} to ${role}`
        ]),
        `create table ${schema}.secrets (id text)`,
        `grant usage on schema ${schema} to ${role}`
      ])
        yield* sql.unsafe(statement)
      return sql
    }),
    (sql) => Effect.orDie(Effect.andThen(sql.unsafe(`drop schema ${schema} cascade`), sql.unsafe(`drop role ${role}`)))
  )
)

const a = { tenantId: "tenant-a", actorId: "alice" }
const b = { tenantId: "tenant-b", actorId: "bob" }
const insert = (id: string, body = "hello"): Statement => ({
  sql: `insert into ${schema}.notes (id, body) values ($1, $2) returning id, tenant_id, body`,
  params: [id, body]
})
const byId = (id: string): Statement => ({ sql: `select id, body from ${schema}.notes where id = $1`, params: [id] })
const one: Statement = { sql: "select 1 as one", params: [] }
const sleep = (seconds: number): Statement => ({ sql: "select pg_sleep($1)", params: [seconds] })
const whoami: Statement = {
  sql: "select current_user::text as role, current_setting('app.tenant_id', true) as tenant, current_setting('app.actor_id', true) as actor, pg_backend_pid() as pid",
  params: []
}

const found = (id: string, scope = a) =>
  Effect.gen(function* () {
    const sql = yield* TenantSql
    return (yield* sql.batch(scope, [byId(id)]))[0]!.length
  })

const clean = Effect.gen(function* () {
  const sql = yield* TenantSql
  const pids = new Set<unknown>()
  const all = yield* Effect.all(
    Array.from({ length: 40 }, () => sql.batch(a, [whoami])),
    { concurrency: "unbounded" }
  )
  for (const [rows] of all) {
    pids.add(rows![0]!["pid"])
    assert.deepStrictEqual([rows![0]!["role"], rows![0]!["tenant"], rows![0]!["actor"]], [role, "tenant-a", "alice"])
  }
  // Back in the pool, nothing of the tenant is left on any session.
  const admin = yield* SqlClient.SqlClient
  const open = yield* admin.unsafe(
    `select count(*)::int as n from pg_stat_activity where application_name = 'tenon' and state like 'idle in transaction%' and pid = any($1)`,
    [[...pids] as Array<number>]
  )
  assert.strictEqual((open[0] as { n: number }).n, 0)
  return pids
})

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(effect)

const terminate = (pid: unknown) =>
  Effect.gen(function* () {
    const admin = yield* SqlClient.SqlClient
    yield* admin.unsafe("select pg_terminate_backend($1)", [pid as number])
  })

const isSoon = <E, R>(check: Effect.Effect<boolean, E, R>) => eventually(check, (isSo) => isSo)

suite(Layer.provideMerge(Layer.mergeAll(Database, layer(options)), adminLayer({ url: Redacted.make(url) })), {
  excludeTestServices: true
})("TenantSql", (it) => {
  describe("isolation", () => {
    it.effect("shows each tenant its own rows, under the role, with tenant and actor", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const [mine] = yield* sql.batch(a, [insert("iso-1")])
        assert.deepStrictEqual(mine, [{ id: "iso-1", tenant_id: "tenant-a", body: "hello" }])
        yield* sql.batch(b, [insert("iso-1", "b's")])
        const [rows] = yield* sql.batch(b, [byId("iso-1")])
        assert.deepStrictEqual(rows, [{ id: "iso-1", body: "b's" }])
        const [changed] = yield* sql.batch(b, [
          {
            sql: `update ${schema}.notes set body = 'taken' where tenant_id = $1 returning id`,
            params: ["tenant-a"]
          }
        ])
        assert.deepStrictEqual(changed, [])
        yield* clean
      })
    )

    for (const tenantId of [null, ""]) {
      it.effect(`shows nothing and writes nothing for tenant ${JSON.stringify(tenantId)}`, () =>
        Effect.gen(function* () {
          const sql = yield* TenantSql
          yield* sql.batch(a, [insert(`none-${tenantId}`)])
          const [rows] = yield* sql.batch({ tenantId }, [{ sql: `select * from ${schema}.notes`, params: [] }])
          assert.deepStrictEqual(rows, [])
          const error = yield* failure(sql.batch({ tenantId }, [insert("x")]))
          assert.include(["PermissionDenied", "NotNullViolation"], error._tag)
          const open = yield* sql.transaction({ tenantId }, (tx) =>
            tx.run([{ sql: `select * from ${schema}.notes`, params: [] }])
          )
          assert.deepStrictEqual(open, [[]])
        })
      )
    }

    it.effect("refuses to write another tenant's row, or a table without a grant", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const other = yield* failure(
          sql.batch(a, [
            {
              sql: `insert into ${schema}.notes (tenant_id, id, body) values ($1, $2, $3)`,
              params: ["tenant-b", "forged", "x"]
            }
          ])
        )
        assert.strictEqual(other._tag, "PermissionDenied")
        const secret = yield* failure(sql.batch(a, [{ sql: `select * from ${schema}.secrets`, params: [] }]))
        assert.strictEqual(secret._tag, "PermissionDenied")
      })
    )

    it.effect("keeps tenants apart when they interleave on few sessions", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        yield* Effect.forEach(
          Array.from({ length: 200 }, (_, n) => n),
          (n) => {
            const tenantId = `many-${n % 7}`
            const scope = { tenantId, actorId: `actor-${n}` }
            const check = (rows: ReadonlyArray<ReadonlyArray<Record<string, unknown>>>) => {
              assert.strictEqual(rows[0]![0]!["tenant"], tenantId)
              assert.strictEqual(rows[0]![0]!["actor"], `actor-${n}`)
              assert.strictEqual(rows[0]![0]!["role"], role)
            }
            if (n % 3 === 0) {
              return sql.transaction(scope, (tx) =>
                Effect.gen(function* () {
                  check(yield* tx.run([whoami]))
                  yield* Effect.yieldNow
                  check(yield* tx.run([whoami]))
                  check(yield* tx.commit([whoami, insert(`many-${n}`)]))
                })
              )
            }
            if (n % 3 === 1) {
              return Effect.ignore(sql.batch(scope, [whoami, insert(`many-${n}`), { sql: "select 1 / 0", params: [] }]))
            }
            return Effect.map(sql.batch(scope, [whoami, insert(`many-${n}`)]), check)
          },
          { concurrency: "unbounded", discard: true }
        )
        const admin = yield* SqlClient.SqlClient
        const rows = yield* admin.unsafe<{ id: string; tenant_id: string }>(
          `select id, tenant_id from ${schema}.notes where id like 'many-%'`
        )
        assert.strictEqual(rows.length, 133)
        for (const row of rows) assert.strictEqual(row.tenant_id, `many-${Number(row.id.slice(5)) % 7}`)
        const stats = yield* sql.stats
        assert.isAtMost(stats.open, 4)
        assert.strictEqual(stats.waiting, 0)
        assert.isAtMost((yield* clean).size, 4)
      })
    )

    for (const command of [
      "commit",
      "rollback",
      " COMMIT",
      "/* select */ commit",
      "-- select\ncommit",
      "reset role",
      "set role postgres",
      "set session authorization default",
      "do $$ begin commit; end $$",
      "call x()",
      "discard all",
      "select 1; commit",
      ""
    ]) {
      it.effect(`refuses ${JSON.stringify(command)} in a flight`, () =>
        Effect.gen(function* () {
          const sql = yield* TenantSql
          const error = yield* failure(sql.batch(a, [{ sql: command, params: [] }, insert("escaped")]))
          assert.strictEqual(error._tag, "Other")
          assert.strictEqual(yield* found("escaped"), 0)
          yield* clean
        })
      )
    }

    for (const bad of ["postgres", "no_such_role"]) {
      it.effect(`refuses to connect under the role ${bad}`, () =>
        Effect.gen(function* () {
          const sql = yield* TenantSql
          const error = yield* failure(sql.batch(a, [one]))
          assert.strictEqual(error._tag, "PermissionDenied")
        }).pipe(Effect.provide(Layer.fresh(layer({ ...options, role: bad }))))
      )
    }

    it.effect("refuses a superuser's login as its own role", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        assert.strictEqual((yield* failure(sql.batch(a, [one])))._tag, "PermissionDenied")
      }).pipe(Effect.provide(Layer.fresh(layer({ ...options, role: null }))))
    )
  })

  describe("all or nothing", () => {
    it.effect("undoes a batch whose last statement fails", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const error = yield* failure(sql.batch(a, [insert("whole-1"), insert("whole-2"), insert("whole-1")]))
        assert.deepInclude(error, { _tag: "UniqueViolation", constraint: "notes_pkey", table: "notes" })
        assert.strictEqual((yield* found("whole-1")) + (yield* found("whole-2")), 0)
        yield* clean
      })
    )

    it.effect("undoes a batch refused at its commit by a deferred constraint", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const admin = yield* SqlClient.SqlClient
        yield* admin.unsafe(`alter table ${schema}.replies alter constraint replies_note deferrable initially deferred`)
        const reply: Statement = {
          sql: `insert into ${schema}.replies values ($1, $2, $3) returning id`,
          params: ["tenant-a", "r1", "nowhere"]
        }
        assert.deepInclude(yield* failure(sql.batch(a, [insert("defer-1"), reply])), {
          _tag: "ForeignKeyViolation",
          constraint: "replies_note"
        })
        assert.strictEqual(
          (yield* failure(sql.transaction(a, (tx) => Effect.andThen(tx.run([insert("defer-1")]), tx.commit([reply])))))
            ._tag,
          "ForeignKeyViolation"
        )
        assert.strictEqual(
          (yield* failure(sql.transaction(a, (tx) => tx.run([insert("defer-1"), reply]))))._tag,
          "ForeignKeyViolation"
        )
        yield* admin.unsafe(
          `alter table ${schema}.replies alter constraint replies_note deferrable initially immediate`
        )
        assert.strictEqual(yield* found("defer-1"), 0)
        yield* clean
      })
    )

    it.effect("commits at the end of a body, or with its last statements, or all in one flight", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        yield* sql.transaction(a, (tx) => tx.run([insert("commit-1")]))
        const [rows] = yield* sql.transaction(a, (tx) =>
          Effect.flatMap(tx.run([insert("commit-2")]), () => tx.commit([insert("commit-3"), byId("commit-2")]))
        )
        assert.strictEqual(rows![0]!["id"], "commit-3")
        yield* sql.transaction(a, (tx) => tx.commit([insert("commit-4")]))
        assert.strictEqual(yield* sql.transaction(a, () => Effect.succeed("nothing")), "nothing")
        for (const n of [1, 2, 3, 4]) assert.strictEqual(yield* found(`commit-${n}`), 1)
        yield* clean
      })
    )

    it.effect("rolls back when the body fails, dies, or caught a failed statement", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        assert.strictEqual(
          yield* failure(sql.transaction(a, (tx) => Effect.andThen(tx.run([insert("undo-1")]), Effect.fail("no")))),
          "no"
        )
        const died = yield* Effect.exit(
          sql.transaction(a, (tx) => Effect.andThen(tx.run([insert("undo-1")]), Effect.die(new Error("bug"))))
        )
        assert.isTrue(Exit.isFailure(died))
        const swallowed = yield* failure(
          sql.transaction(a, (tx) =>
            Effect.gen(function* () {
              yield* tx.run([insert("undo-1")])
              yield* Effect.ignore(tx.run([insert("undo-1")]))
              return "fine"
            })
          )
        )
        assert.strictEqual(swallowed._tag, "UniqueViolation")
        const committed = yield* failure(
          sql.transaction(a, (tx) =>
            Effect.gen(function* () {
              yield* Effect.ignore(tx.run([insert("undo-1"), { sql: "select 1 / 0", params: [] }]))
              return yield* tx.commit([one])
            })
          )
        )
        assert.deepInclude(committed, { _tag: "InvalidValue", sqlState: "22012" })
        assert.strictEqual(yield* found("undo-1"), 0)
        yield* clean
      })
    )

    it.effect("rolls back when the body is interrupted, idle or within a statement", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        for (const wait of [Effect.never, Effect.void]) {
          const reached = yield* Deferred.make<unknown>()
          const fiber = yield* Effect.forkChild(
            sql.transaction(a, (tx) =>
              Effect.gen(function* () {
                const [rows] = yield* tx.run([whoami, insert("cut-1")])
                yield* Deferred.succeed(reached, rows![0]!["pid"])
                yield* wait
                yield* tx.run([sleep(10)])
              })
            )
          )
          yield* Deferred.await(reached)
          yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 30)))
          const start = performance.now()
          yield* Fiber.interrupt(fiber)
          assert.isBelow(performance.now() - start, 1000)
          assert.strictEqual(yield* found("cut-1"), 0)
          // Its lock is gone too: the same key can be written at once.
          assert.strictEqual(
            yield* failure(sql.transaction(a, (tx) => Effect.andThen(tx.run([insert("cut-1")]), Effect.fail("undo")))),
            "undo"
          )
        }
        yield* clean
      })
    )

    it.effect("goes on after a statement that its body has given up, once that has ended", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const cut = <A, E>(run: Effect.Effect<A, E>) => Effect.ignore(Effect.timeout(run, "30 millis"))
        for (const end of ["run", "commit"] as const) {
          const id = `given-up-${end}`
          yield* sql.transaction(a, (tx) =>
            Effect.gen(function* () {
              yield* cut(tx.run([insert(`${id}-1`), sleep(0.3)]))
              yield* cut(tx.run([insert(`${id}-2`)]))
              yield* tx[end]([insert(`${id}-3`)])
            })
          )
          assert.strictEqual(yield* found(`${id}-1`), 1)
          // It was given up before it was its turn.
          assert.strictEqual(yield* found(`${id}-2`), 0)
          assert.strictEqual(yield* found(`${id}-3`), 1)
          const broken = sql.transaction(a, (tx) =>
            Effect.gen(function* () {
              yield* cut(tx.run([insert(`${id}-4`), sleep(0.1), { sql: "select 1 / 0", params: [] }]))
              yield* tx[end]([insert(`${id}-5`)])
            })
          )
          assert.strictEqual((yield* failure(broken))._tag, "InvalidValue")
          assert.strictEqual(yield* found(`${id}-4`), 0)
        }
        yield* clean
      })
    )

    it.effect("gives a batch nobody waits for a moment to land, then ends its session", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const fiber = yield* Effect.forkChild(sql.batch(a, [insert("left-1"), sleep(10)]))
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 30)))
        yield* Fiber.interrupt(fiber)
        const admin = yield* SqlClient.SqlClient
        yield* isSoon(
          Effect.map(
            admin.unsafe(
              `select 1 from pg_stat_activity where query like 'select pg_sleep(%' and state = 'active' and application_name = 'tenon'`
            ),
            (rows) => rows.length === 0
          )
        )
        assert.strictEqual(yield* found("left-1"), 0)
        yield* clean
      })
    )
  })

  describe("faults", () => {
    it.effect("reports a session terminated between statements, and goes on", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const error = yield* failure(
          sql.transaction(a, (tx) =>
            Effect.gen(function* () {
              const [rows] = yield* tx.run([whoami, insert("killed-1")])
              yield* terminate(rows![0]!["pid"])
              yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))
              return yield* tx.commit([insert("killed-2")])
            })
          )
        )
        assert.deepInclude(error, { _tag: "ConnectionLost", outcome: "rolledBack", retryable: true })
        assert.strictEqual(yield* found("killed-1"), 0)
        yield* clean
      })
    )

    it.effect("reports a session terminated within a flight, certain that nothing was committed", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        for (const attempt of [
          () => sql.batch(a, [insert("midair-1"), { sql: "select pg_sleep($1), 'midair'", params: [5] }]),
          () =>
            sql.transaction(a, (tx) =>
              tx.run([insert("midair-1"), { sql: "select pg_sleep($1), 'midair'", params: [5] }])
            )
        ]) {
          const fiber = yield* Effect.forkChild(failure(attempt()))
          const admin = yield* SqlClient.SqlClient
          yield* isSoon(
            Effect.map(
              admin.unsafe(
                `select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep($1), ''midair''' and state = 'active'`
              ),
              (rows) => rows.length > 0
            )
          )
          assert.deepInclude(yield* Fiber.join(fiber), { _tag: "ConnectionLost", outcome: "rolledBack" })
          assert.strictEqual(yield* found("midair-1"), 0)
        }
        yield* clean
      })
    )

    it.effect("says so when it cannot know whether the commit arrived", () =>
      Effect.gen(function* () {
        // A proxy that swallows the answers once told to, then cuts.
        const target = new URL(url)
        const pairs = new Set<Net.Socket>()
        let deaf = false
        const server = Net.createServer((client) => {
          const upstream = Net.connect(Number(target.port || 5432), target.hostname)
          pairs.add(client)
          client.on("data", (chunk) => {
            upstream.write(chunk)
            if (deaf) setTimeout(() => client.destroy(), 50)
          })
          upstream.on("data", (chunk) => deaf || client.write(chunk))
          client.on("close", () => upstream.destroy())
          client.on("error", () => upstream.destroy())
          upstream.on("error", () => client.destroy())
          upstream.on("close", () => client.destroy())
        })
        const port = yield* Effect.promise(
          () =>
            new Promise<number>((resolve) =>
              server.listen(0, "127.0.0.1", () => resolve((server.address() as Net.AddressInfo).port))
            )
        )
        const through = new URL(url)
        through.hostname = "127.0.0.1"
        through.port = String(port)
        yield* Effect.gen(function* () {
          const sql = yield* TenantSql
          yield* sql.batch(a, [one])
          deaf = true
          const batched = yield* failure(sql.batch(a, [insert("unknown-1")]))
          deaf = false
          assert.deepInclude(batched, { _tag: "ConnectionLost", outcome: "unknown" })
          const committed = yield* failure(
            sql.transaction(a, (tx) =>
              Effect.gen(function* () {
                yield* tx.run([insert("unknown-2")])
                deaf = true
                return yield* tx.commit([])
              })
            )
          )
          deaf = false
          assert.deepInclude(committed, { _tag: "ConnectionLost", outcome: "unknown" })
          const open = yield* failure(
            sql.transaction(a, (tx) =>
              Effect.gen(function* () {
                yield* tx.run([one])
                deaf = true
                return yield* tx.run([insert("unknown-3")])
              })
            )
          )
          deaf = false
          assert.deepInclude(open, { _tag: "ConnectionLost", outcome: "rolledBack" })
          yield* sql.batch(a, [one])
        }).pipe(Effect.provide(Layer.fresh(layer({ ...options, url: Redacted.make(through.href), maxConnections: 1 }))))
        // It was in fact committed: that is why the outcome must not be called a rollback.
        assert.strictEqual(yield* found("unknown-1"), 1)
        yield* isSoon(Effect.map(found("unknown-3"), (n) => n === 0))
        server.close()
      })
    )

    it.effect("gives up on a server that never answers, and on one that is not there", () =>
      Effect.gen(function* () {
        const server = Net.createServer((socket) => socket.resume())
        const port = yield* Effect.promise(
          () =>
            new Promise<number>((resolve) =>
              server.listen(0, "127.0.0.1", () => resolve((server.address() as Net.AddressInfo).port))
            )
        )
        const silent = yield* failure(Effect.flatMap(TenantSql, (sql) => sql.batch(a, [one]))).pipe(
          Effect.provide(
            Layer.fresh(
              layer({
                ...options,
                url: Redacted.make(`postgres://127.0.0.1:${port}/x`),
                connectTimeout: "200 millis"
              })
            )
          )
        )
        assert.strictEqual(silent._tag, "Unavailable")
        yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
        const absent = yield* failure(Effect.flatMap(TenantSql, (sql) => sql.batch(a, [one]))).pipe(
          Effect.provide(Layer.fresh(layer({ ...options, url: Redacted.make(`postgres://127.0.0.1:${port}/x`) })))
        )
        assert.strictEqual(absent._tag, "Unavailable")
      })
    )

    it.effect("turns away, in time, whoever finds no session free", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const gate = yield* Deferred.make<void>()
        const holder = yield* Effect.forkChild(
          sql.transaction(a, (tx) => Effect.andThen(tx.run([one]), Deferred.await(gate)))
        )
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))
        const waiters = yield* Effect.all(
          Array.from({ length: 5 }, () => failure(sql.batch(a, [one]))),
          {
            concurrency: "unbounded"
          }
        )
        for (const error of waiters) assert.strictEqual(error._tag, "Unavailable")
        // A waiter that is interrupted leaves the queue.
        const waiter = yield* Effect.forkChild(sql.batch(a, [one]))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(waiter)
        assert.strictEqual((yield* sql.stats).waiting, 0)
        yield* Deferred.succeed(gate, void 0)
        yield* Fiber.join(holder)
        yield* sql.batch(a, [one])
        assert.strictEqual((yield* sql.stats).open, 1)
      }).pipe(
        Effect.provide(
          Layer.fresh(layer({ ...options, maxConnections: 1, acquireTimeout: "200 millis", maxWaiting: 4 }))
        )
      )
    )

    it.effect("ends a statement, and a body, that take too long", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        assert.deepInclude(yield* failure(sql.batch(a, [insert("slow-1"), sleep(5)])), {
          _tag: "StatementTimeout",
          sqlState: "57014"
        })
        const idle = yield* failure(
          sql.transaction(a, (tx) =>
            Effect.gen(function* () {
              yield* tx.run([insert("slow-1")])
              yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 600)))
              return yield* tx.run([one])
            })
          )
        )
        assert.deepInclude(idle, { _tag: "ConnectionLost", outcome: "rolledBack" })
        assert.strictEqual(yield* found("slow-1"), 0)
      }).pipe(
        Effect.provide(
          Layer.fresh(
            layer({
              ...options,
              statementTimeout: "200 millis",
              idleInTransactionTimeout: "300 millis"
            })
          )
        )
      )
    )
  })

  describe("the pool", () => {
    it.effect("closes sessions that are idle, and replaces those that are old", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const first = yield* sql.batch(a, [whoami])
        const second = yield* sql.batch(a, [whoami])
        assert.strictEqual(first[0]![0]!["pid"], second[0]![0]!["pid"])
        yield* isSoon(Effect.map(sql.stats, (stats) => stats.open === 0))
        yield* sql.batch(a, [one])
      }).pipe(Effect.provide(Layer.fresh(layer({ ...options, idleTimeout: "100 millis" }))))
    )

    it.effect("is configured by the environment", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        yield* Effect.all(
          Array.from({ length: 10 }, () => sql.batch(a, [whoami])),
          { concurrency: "unbounded" }
        )
        const stats = yield* sql.stats
        assert.strictEqual(stats.open + stats.opening, 2)
        assert.strictEqual((yield* failure(sql.batch(a, [sleep(5)])))._tag, "StatementTimeout")
      }).pipe(
        Effect.provide(
          Layer.fresh(layerConfig).pipe(
            Layer.provide(
              ConfigProvider.layer(
                ConfigProvider.fromUnknown({
                  DATABASE_URL: url,
                  DATABASE_ROLE: role,
                  DATABASE_POOL_SIZE: "2",
                  DATABASE_STATEMENT_TIMEOUT: "100 millis"
                })
              )
            )
          )
        )
      )
    )

    it.effect("fails a transaction that found no session, even if its body shrugs", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const error = yield* failure(sql.transaction(a, (tx) => Effect.ignore(tx.run([one]))))
        assert.strictEqual(error._tag, "PermissionDenied")
      }).pipe(Effect.provide(Layer.fresh(layer({ ...options, role: "no_such_role" }))))
    )

    it.effect("ends what is open when its scope closes", () =>
      Effect.gen(function* () {
        const pid = yield* Effect.gen(function* () {
          const sql = yield* TenantSql
          const [rows] = yield* sql.batch(a, [whoami])
          return rows![0]!["pid"]
        }).pipe(Effect.provide(Layer.fresh(layer(options))))
        const admin = yield* SqlClient.SqlClient
        yield* isSoon(
          Effect.map(
            admin.unsafe("select 1 from pg_stat_activity where pid = $1", [pid as number]),
            (rows) => rows.length === 0
          )
        )
      })
    )
  })

  describe("prepared statements", () => {
    it.effect("survive a change of schema", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const admin = yield* SqlClient.SqlClient
        yield* admin.unsafe(`create table ${schema}.shifting (v int)`)
        yield* admin.unsafe(`grant select, insert on ${schema}.shifting to ${role}`)
        const all: Statement = { sql: `select * from ${schema}.shifting`, params: [] }
        const add: Statement = { sql: `insert into ${schema}.shifting (v) values (1) returning *`, params: [] }
        yield* sql.batch(a, [add, all])
        yield* admin.unsafe(`alter table ${schema}.shifting add column w text default 'new'`)
        // Both are stale, and the flight is tried again whole: one row more, not two.
        const [, rows] = yield* sql.batch(a, [add, all])
        assert.deepStrictEqual(rows, [
          { v: 1, w: "new" },
          { v: 1, w: "new" }
        ])
        yield* admin.unsafe(`alter table ${schema}.shifting add column x int`)
        const [first] = yield* sql.transaction(a, (tx) => tx.run([add]))
        assert.deepStrictEqual(first, [{ v: 1, w: "new", x: null }])
        yield* sql.batch(a, [all])
        const later = yield* failure(
          sql.transaction(a, (tx) =>
            Effect.gen(function* () {
              yield* tx.run([one])
              yield* admin.unsafe(`alter table ${schema}.shifting add column y int`)
              return yield* tx.run([all])
            })
          )
        )
        assert.deepInclude(later, { _tag: "SerializationFailure", retryable: true })
        assert.strictEqual((yield* sql.transaction(a, (tx) => tx.run([all])))[0]!.length, 3)
      }).pipe(Effect.provide(Layer.fresh(layer({ ...options, maxConnections: 1 }))))
    )

    it.effect("are bounded, and one that failed to parse leaves nothing behind", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        for (let n = 0; n < 40; n++) {
          yield* sql.batch(a, [{ sql: `select ${n} as n`, params: [] }])
          yield* Effect.ignore(sql.batch(a, [{ sql: `select ${n} from nowhere`, params: [] }]))
          yield* Effect.ignore(sql.batch(a, [{ sql: `select $1::int + ${n}`, params: ["x"] }]))
        }
        const [rows] = yield* sql.batch(a, [
          {
            sql: "select count(*)::int as n from pg_prepared_statements",
            params: [],
            prepare: false
          }
        ])
        assert.isAtMost(rows![0]!["n"] as number, 12)
        const [again] = yield* sql.batch(a, [
          { sql: "select 7 as n", params: [] },
          { sql: "select 7 as n", params: [] }
        ])
        assert.deepStrictEqual(again, [{ n: 7 }])
      }).pipe(Effect.provide(Layer.fresh(layer({ ...options, maxConnections: 1, maxPrepared: 8 }))))
    )
  })

  describe("values", () => {
    const roundtrip = (type: string, value: unknown) =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const [rows] = yield* sql.batch(a, [{ sql: `select $1::${type} as value`, params: [value] }])
        return rows![0]!["value"]
      })

    const instant = new Date("2026-11-21T03:05:00.123Z")
    const nested = { 'a"b': ["'", "\\", "é😀", null, { deep: [1, 2.5, false] }], "; drop table": "--" }
    for (const [type, value, expected] of [
      ["json", nested, nested],
      ["jsonb", nested, nested],
      ["jsonb", SqlValue.json([1, [2], "x"]), [1, [2], "x"]],
      ["jsonb", SqlValue.json("text"), "text"],
      ["jsonb", SqlValue.json(null), null],
      ["text[]", ["a", "b,c", "{}", '"q"', "back\\slash", "", "NULL", null, "é😀"], undefined],
      ["text[]", [], []],
      [
        "int4[]",
        [
          [1, 2],
          [3, 4]
        ],
        undefined
      ],
      ["int8[]", [1n, null], undefined],
      ["jsonb[]", [{ a: '"' }, { b: [1] }], undefined],
      ["timestamptz", instant, instant],
      ["timestamptz", new Date("0044-03-15T12:00:00Z"), undefined],
      ["timestamptz", "infinity", "infinity"],
      ["timestamp", instant, instant],
      ["date", "2026-11-21", "2026-11-21"],
      ["int8", 9007199254740993n, 9007199254740993n],
      ["int4", -5, -5],
      ["numeric", "12345678901234567890.123", "12345678901234567890.123"],
      ["float8", 0.1, 0.1],
      ["float8", NaN, NaN],
      ["bool", true, true],
      ["bool", false, false],
      ["text", null, null],
      ["text", undefined, null],
      ["bytea", new Uint8Array([0, 1, 255]), new Uint8Array([0, 1, 255])],
      ["uuid", "3c9f0e7e-6a3f-4b43-9c0c-2f1f1f0f0f0f", "3c9f0e7e-6a3f-4b43-9c0c-2f1f1f0f0f0f"],
      ["point", "(1,2)", "(1,2)"],
      ["money", "1", "$1.00"],
      ["tsvector", "a b", "'a' 'b'"],
      ["interval", "1 day", "1 day"]
    ] as const) {
      it.effect(`carries ${type} ${show(value)}`, () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(
            yield* roundtrip(type, value),
            expected === undefined && value !== undefined ? value : expected
          )
        })
      )
    }

    it.effect.prop("carries any text, as data and never as SQL", [Schema.String], ([text]) =>
      Effect.gen(function* () {
        const storable = text.isWellFormed() && !text.includes("\0")
        for (const hostile of [text, `'; drop table ${schema}.notes; -- ${text}`, `$1 \\' ${text}"`]) {
          if (storable) {
            assert.strictEqual(yield* roundtrip("text", hostile), hostile)
            assert.deepStrictEqual(yield* roundtrip("text[]", [hostile, null]), [hostile, null])
          } else {
            assert.strictEqual((yield* failure(roundtrip("text", hostile)))._tag, "InvalidValue")
          }
        }
      })
    )

    it.effect.prop("carries any JSON", [Schema.Json], ([value]) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(roundtrip("jsonb", SqlValue.json(value)))
        const text = JSON.stringify(value)
        if (Exit.isSuccess(exit)) {
          assert.deepEqual(JSON.parse(JSON.stringify(exit.value, sorted)), JSON.parse(JSON.stringify(value, sorted)))
        } else {
          assert.match(text, /\\u0000|\\ud[89a-f]/i)
        }
      })
    )

    it.effect("refuses what cannot be stored, and the session lives on", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const before = (yield* sql.stats).open
        for (const value of [
          "a\0b",
          "\ud800",
          Symbol("x"),
          () => 1,
          new Date(NaN),
          ["a\0"],
          { toJSON: () => undefined }
        ]) {
          const error = yield* failure(sql.batch(a, [insert("bad-1"), { sql: "select $1::text", params: [value] }]))
          assert.strictEqual(error._tag, "InvalidValue")
          const inside = yield* failure(
            sql.transaction(a, (tx) =>
              Effect.andThen(tx.run([insert("bad-1")]), tx.commit([{ sql: "select $1::text", params: [value] }]))
            )
          )
          assert.strictEqual(inside._tag, "InvalidValue")
        }
        assert.strictEqual(
          (yield* failure(sql.batch(a, [{ sql: "select $1::jsonb", params: [{ a: "\0" }] }])))._tag,
          "InvalidValue"
        )
        assert.strictEqual((yield* failure(sql.batch({ tenantId: "a\0" }, [one])))._tag, "InvalidValue")
        assert.strictEqual(yield* found("bad-1"), 0)
        assert.strictEqual((yield* sql.stats).open, before)
        yield* clean
      })
    )

    it.effect("never repeats a value in a message", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const secret = "hunter2-secret"
        yield* sql.batch(a, [insert(secret)])
        for (const statement of [
          insert(secret),
          { sql: "select $1::int", params: [secret] },
          { sql: "select $1::jsonb", params: [secret] },
          { sql: "select $1::uuid", params: [secret] },
          { sql: `insert into ${schema}.notes (id, body) values ($1, null)`, params: [secret] },
          { sql: `insert into ${schema}.notes (id, body) values ($1, 'refused')`, params: [secret] },
          { sql: `insert into ${schema}.replies values ('tenant-a', $1, $1 || '-gone')`, params: [secret] },
          { sql: `insert into ${schema}.replies values ('tenant-b', $1, $1)`, params: [secret] }
        ]) {
          const error = yield* failure(sql.batch(a, [statement]))
          assert.notInclude(JSON.stringify(Schema.encodeUnknownSync(SqlFailure.SqlFailure)(error)), secret)
          assert.notInclude(String(error), secret)
        }
      })
    )

    it.effect("reads ten megabytes and ten thousand rows", () =>
      Effect.gen(function* () {
        const sql = yield* TenantSql
        const big = "é".repeat(5 * 1024 * 1024)
        assert.strictEqual(yield* roundtrip("text", big), big)
        const [rows] = yield* sql.batch(a, [
          { sql: "select n, n::text as t from generate_series(1, 10000) n", params: [] }
        ])
        assert.strictEqual(rows!.length, 10000)
        assert.deepStrictEqual(rows![9999], { n: 10000, t: "10000" })
      })
    )
  })
})

const sorted = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)))
    : value

function show(value: unknown): string {
  return value instanceof Uint8Array
    ? "bytes"
    : (JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined")
}
