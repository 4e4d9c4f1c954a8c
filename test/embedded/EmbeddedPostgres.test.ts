import * as NodeFs from "node:fs"
import * as NodeOs from "node:os"
import * as NodePath from "node:path"
import * as NodeUtil from "node:util"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Processes from "../support/Processes.ts"

const query = <A extends object>(url: Redacted.Redacted<string>, statement: string) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.make({ url })
    return yield* sql.unsafe<A>(statement)
  }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))

const temporaryDirectory = (parent: string) =>
  Effect.acquireRelease(
    Effect.sync(() => NodeFs.mkdtempSync(NodePath.join(parent, "tenon-test-"))),
    (path) => Effect.sync(() => NodeFs.rmSync(path, { recursive: true, force: true }))
  )

describe("EmbeddedPostgres", () => {
  it.effect(
    "answers, keeps its data over restart and crash, and is gone with its scope",
    () =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(yield* Effect.scope)
        const server = yield* EmbeddedPostgres.start().pipe(Scope.provide(scope))
        const [about] = yield* query<{ version: string; upper: string; listen: string }>(
          server.url,
          "select version(), upper('née') as upper, current_setting('listen_addresses') as listen"
        )
        assert.include(about!.version, "PostgreSQL 18")
        assert.strictEqual(about!.upper, "NÉE")
        assert.strictEqual(about!.listen, "127.0.0.1")

        yield* query(server.url, "create table kept as select 1 as n")
        const before = yield* server.pid
        yield* server.restart()
        yield* query(server.url, "insert into kept values (2)")
        yield* server.restart("immediate")
        assert.deepStrictEqual(yield* query(server.url, "select n from kept order by n"), [{ n: 1 }, { n: 2 }])

        const after = (yield* server.pid)!
        assert.notStrictEqual(after, before)
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(Processes.isAlive(after))
        assert.isFalse(NodeFs.existsSync(server.dataDir))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(server.restart())))
      }),
    60_000
  )

  it.live(
    "refuses a wrong password",
    () =>
      Effect.gen(function* () {
        const server = yield* EmbeddedPostgres.start({ fsync: false })
        const url = Redacted.make(Redacted.value(server.url).replace(/:[^:@]+@/, ":guess@"))
        const error = yield* Effect.flip(query(url, "select 1"))
        assert.include(NodeUtil.inspect(error, { depth: 9 }), "28P01")
        // To the tenant's door it is an outage, which is waited out, and no bug, which would pause durable work.
        const refused = yield* Layer.build(TenantSql.layer({ url })).pipe(
          Effect.flatMap((context) =>
            Context.get(context, TenantSql.TenantSql).batch({ tenantId: "t" }, [{ sql: "select 1", params: [] }])
          ),
          Effect.scoped,
          Effect.flip
        )
        assert.strictEqual(refused._tag, "Unavailable")
        assert.include(refused.message, "password authentication failed")
        assert.notInclude(refused.message, "guess")
      }),
    60_000
  )

  it.live(
    "starts on existing data, also under a directory that only this user can enter",
    () =>
      Effect.gen(function* () {
        const closed = yield* temporaryDirectory(NodeOs.homedir())
        NodeFs.chmodSync(closed, 0o700)
        const dataDir = NodePath.join(closed, "data dir")
        // What root's server keeps elsewhere because of the closed directory goes with the test.
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            const data = NodeFs.realpathSync(NodePath.join(dataDir, "data"))
            NodeFs.rmSync(NodePath.dirname(data), { recursive: true, force: true })
          })
        )
        yield* Effect.gen(function* () {
          const server = yield* EmbeddedPostgres.start({ dataDir, fsync: false, settings: { max_connections: "7" } })
          yield* query(server.url, "create table kept as select current_setting('max_connections') as n")
        }).pipe(Effect.scoped)
        const password = NodeFs.statSync(NodePath.join(dataDir, "password"))
        assert.strictEqual(password.mode & 0o777, 0o600)

        const server = yield* EmbeddedPostgres.start({ dataDir, fsync: false })
        assert.deepStrictEqual(yield* query(server.url, "select n from kept"), [{ n: "7" }])
      }),
    60_000
  )

  it.live(
    "says which port is taken",
    () =>
      Effect.gen(function* () {
        const server = yield* EmbeddedPostgres.start({ fsync: false })
        const error = yield* Effect.flip(EmbeddedPostgres.start({ fsync: false, port: server.port }))
        assert.strictEqual(error._tag, "EmbeddedPostgresError")
        assert.include(error.message, `Port ${server.port} is taken`)
      }),
    60_000
  )

  it.live(
    "is gone, temporary data and all, after kill -9 of its parent",
    () =>
      Effect.gen(function* () {
        const parent = yield* Processes.script("embedded-postgres-child.ts")
        const { dataDir, pid, url } = parent.said
        assert.lengthOf(yield* query(Redacted.make(url), "select 1"), 1)
        parent.process.kill("SIGKILL")
        assert.isTrue(yield* Processes.isGone(pid))
        yield* Effect.sleep(1000)
        assert.isFalse(NodeFs.existsSync(dataDir))
      }),
    60_000
  )

  it.live(
    "starts again at once after kill -9 of its parent, and after a crash that left a lock file",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* temporaryDirectory(NodeOs.tmpdir())
        NodeFs.chmodSync(dataDir, 0o755)
        const parent = yield* Processes.script("embedded-postgres-child.ts", dataDir)
        yield* query(Redacted.make(parent.said.url), "create table kept as select 1 as n")
        parent.process.kill("SIGKILL")

        const lock = NodePath.join(dataDir, "data", "postmaster.pid")
        const text = yield* Effect.gen(function* () {
          const server = yield* EmbeddedPostgres.start({ dataDir, fsync: false })
          assert.deepStrictEqual(yield* query(server.url, "select n from kept"), [{ n: 1 }])
          return NodeFs.readFileSync(lock, "utf8")
        }).pipe(Effect.scoped)

        // The number of the crashed server now belongs to another process: this one.
        NodeFs.writeFileSync(lock, text.replace(/^\d+/, String(process.pid)))
        const server = yield* EmbeddedPostgres.start({ dataDir, fsync: false })
        assert.deepStrictEqual(yield* query(server.url, "select n from kept"), [{ n: 1 }])
      }),
    60_000
  )
})
