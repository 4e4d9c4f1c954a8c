import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Complaint from "@tenon/cli/Complaint"
import * as AdminSql from "@tenon/sql/AdminSql"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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

it("--json prints one JSON value and nothing else, and the exit code says that the database did not answer", () => {
  const { status, stderr, stdout } = main("explain", "Widget.get", "--key", "1", "--tenant", "acme", "--json")
  assert.strictEqual(status, 1, stderr)
  assert.strictEqual(JSON.parse(stdout).failure.tag, "Unavailable")
  assert.include(stderr, "ECONNREFUSED")
  assert.notInclude(stdout + stderr, "hunter2")
})
