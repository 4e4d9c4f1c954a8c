import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Complaint from "@tenon/cli/Complaint"
import * as Setting from "@tenon/core/Setting"
import { registry } from "@tenon/examples/app/App"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as RuntimeRestate from "@tenon/restate/RuntimeRestate"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as SqlClient from "effect/sql/SqlClient"
import { spawnSync } from "node:child_process"
import { createServer } from "node:http"
import { type AddressInfo, createServer as createSocket } from "node:net"
import { join } from "node:path"

const packages = join(import.meta.dirname, "../../packages")

describe("a command that fails says why", () => {
  it.effect("where its port is taken", () =>
    Effect.gen(function* () {
      const taken = createSocket()
      yield* Effect.promise(() => new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve)))
      const { port } = taken.address() as AddressInfo
      const failure = yield* Effect.flip(
        Effect.scoped(Layer.build(NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" })))
      )
      taken.close()
      assert.include(Complaint.wordsFor(failure), `address already in use 127.0.0.1:${port}. PORT and HOST name`)
    })
  )

  it.effect("where the database is not there, without its password", () =>
    Effect.gen(function* () {
      const env = { DATABASE_URL: "postgres://me:hunter2@127.0.0.1:1/x" }
      const failure = yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1`).pipe(
        Effect.provide(Layer.provide(AdminSql.layerConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))),
        Effect.flip
      )
      assert.include(Complaint.wordsFor(failure), "ECONNREFUSED")
      assert.include(Complaint.wordsFor(failure), "DATABASE_URL says where")
      assert.notInclude(Complaint.wordsFor(failure), "hunter2")
    })
  )

  it.effect("where the database lets nobody in", () =>
    Effect.gen(function* () {
      const server = refusing('database "nowhere" does not exist')
      yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
      const { port } = server.address() as AddressInfo
      const env = { DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${port}/nowhere` }
      const failure = yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1`).pipe(
        Effect.provide(Layer.provide(AdminSql.layerConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))),
        Effect.flip
      )
      server.close()
      assert.include(Complaint.wordsFor(failure), 'database "nowhere" does not exist. DATABASE_URL says where')
    })
  )
})

/** A server that refuses every session with these words, as PostgreSQL does. */
const refusing = (words: string) =>
  createSocket((socket) => {
    const body = Buffer.from(`SFATAL\0VFATAL\0C3D000\0M${words}\0\0`)
    const length = Buffer.alloc(4)
    length.writeInt32BE(body.length + 4)
    socket.once("data", () => socket.end(Buffer.concat([Buffer.from("E"), length, body])))
    socket.on("error", () => undefined)
  })

describe("a setting that will not do is named, with what it must be", () => {
  const infrastructure = Layer.mergeAll(FetchHttpClient.layer, ReadinessChecks.layer, Testing.layer(registry))
  const restate = Effect.scoped(Layer.build(Layer.provide(RuntimeRestate.layerConfig, infrastructure)))
  const database = Effect.scoped(Layer.build(TenantSql.layerConfig))
  const cases: ReadonlyArray<readonly [{ readonly [name: string]: string }, Effect.Effect<unknown, unknown>, string]> =
    [
      [
        { RESTATE_INGRESS_URL: "localhost:8080" },
        restate,
        "RESTATE_INGRESS_URL must be an address that begins with http"
      ],
      [{ RESTATE_INGRESS_URL: "nonsense" }, restate, "RESTATE_INGRESS_URL must be an address that begins with http"],
      [{ DATABASE_POOL_SIZE: "0" }, database, "DATABASE_POOL_SIZE must be a value between 1 and"],
      [{ DATABASE_ACQUIRE_TIMEOUT: "forever" }, database, "DATABASE_ACQUIRE_TIMEOUT must be a valid Duration string."],
      [{}, database, "DATABASE_URL is not set. `tenon dev` starts a database, but"],
      [{ PORT: "99999" }, Setting.port("PORT"), "PORT must be a value between 0 and 65535."],
      [{ PORT: "x" }, Setting.port("PORT"), "PORT must be an integer."],
      [{ JWT_SECRET: "hunter2" }, Setting.secret("JWT_SECRET", 32), "JWT_SECRET must be a secret of 32 bytes at least."]
    ]
  it.effect("a key to sign with that is missing is named by the layer itself, without a command line around it", () =>
    Effect.gen(function* () {
      const failure = yield* restate.pipe(
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))),
        Effect.flip
      )
      assert.instanceOf(failure, Error)
      assert.match(failure instanceof Error ? failure.message : "", /^TENON_CONTEXT_KEY is not set\..*openssl rand/)
    })
  )

  for (const [env, wanting, words] of cases)
    it.effect(words, () =>
      Effect.gen(function* () {
        const failure = yield* wanting.pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
          Effect.flip
        )
        assert.include(Complaint.wordsFor(failure), words)
        assert.notInclude(Complaint.wordsFor(failure), "hunter2")
      })
    )
})

const main = (...args: ReadonlyArray<string>) =>
  spawnSync(
    process.execPath,
    [join(packages, "cli/src/main.ts"), ...args, "--config", join(packages, "examples/tenon.config.ts")],
    { encoding: "utf8", env: { ...process.env, DATABASE_URL: "postgres://me:hunter2@127.0.0.1:1/x" } }
  )

it("an explanation for no tenant is refused, since nothing can happen there", () => {
  const { status, stderr } = main("explain", "Widget.create", "--input", '{"name":"x"}')
  assert.strictEqual(status, 1)
  assert.include(stderr, "--tenant")
})

it("an action that is misspelt is asked back", () => {
  const asked = (action: string) => main("explain", action, "--tenant", "acme")
  assert.strictEqual(asked("Widget.creat").stderr, "There is no action Widget.creat. Did you mean Widget.create?\n")
  assert.strictEqual(asked("widgt.Create").stderr, "There is no action widgt.Create. Did you mean Widget.create?\n")
  assert.match(asked("Widget").stderr, /^There is no action Widget\. Those of Widget are .*Widget\.create, /)
  assert.match(
    asked("Elephant.trumpet").stderr,
    /^There is no action Elephant\.trumpet\. `tenon explain` lists them\.$/m
  )
  const { status } = asked("Widget.creat")
  assert.strictEqual(status, 1)
})

it("--json prints one JSON value and nothing else, and the exit code says that the database did not answer", () => {
  const { status, stderr, stdout } = main("explain", "Widget.get", "--key", "1", "--tenant", "acme", "--json")
  assert.strictEqual(status, 1, stderr)
  assert.strictEqual(JSON.parse(stdout).failure.tag, "Unavailable")
  assert.include(stderr, "ECONNREFUSED")
  assert.notInclude(stdout + stderr, "hunter2")
})
