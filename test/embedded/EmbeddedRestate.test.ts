import * as NodeFs from "node:fs"
import * as NodeHttp2 from "node:http2"
import type * as NodeNet from "node:net"
import * as NodeOs from "node:os"
import * as NodePath from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as restate from "@restatedev/restate-sdk"
import * as clients from "@restatedev/restate-sdk-clients"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Processes from "../support/Processes.ts"
import { counter } from "../support/restate-endpoint.ts"

/** Serves `counter` and succeeds with its address. */
const endpoint = (identityKeys: Array<string>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly uri: string; readonly close: () => void }>((resume) => {
      const handler = restate.createEndpointHandler({ services: [counter], identityKeys, logger: () => {} })
      const server = NodeHttp2.createServer(handler)
      const sessions = new Set<NodeHttp2.ServerHttp2Session>()
      server.on("session", (session) => sessions.add(session))
      const close = () => {
        server.close()
        for (const session of sessions) session.destroy()
      }
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as NodeNet.AddressInfo
        resume(Effect.succeed({ uri: `http://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** The status that the endpoint gives to someone who just calls it. */
const direct = (uri: string, path: string, method: "GET" | "POST") =>
  Effect.callback<number>((resume) => {
    const session = NodeHttp2.connect(uri)
    const request = session.request({
      ":path": path,
      ":method": method,
      accept: "application/vnd.restate.endpointmanifest.v3+json"
    })
    request.on("response", (headers) => {
      resume(Effect.succeed(headers[":status"]!))
      session.destroy()
    })
    request.end()
  })

const add = (ingressUrl: string, amount: number) =>
  Effect.promise(() =>
    clients.connect({ url: ingressUrl }).objectClient<typeof counter>({ name: "Counter" }, "one").add(amount)
  )

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => NodeFs.mkdtempSync(NodePath.join(NodeOs.tmpdir(), "tenon-test-"))),
  (path) => Effect.sync(() => NodeFs.rmSync(path, { recursive: true, force: true }))
)

describe("EmbeddedRestate", () => {
  it.effect(
    "invokes handlers, keeps their state over restart and crash, and is gone with its scope",
    () =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(yield* Effect.scope)
        const server = yield* EmbeddedRestate.start().pipe(Scope.provide(scope))
        yield* RestateAdmin.health(server.adminUrl)
        const { uri } = yield* endpoint([])
        const deployment = yield* RestateAdmin.registerDeployment(server.adminUrl, uri, { force: true })
        assert.deepStrictEqual(
          deployment.services.map(({ name }) => name),
          ["Counter"]
        )

        assert.strictEqual(yield* add(server.ingressUrl, 1), 1)
        const before = yield* server.pid
        yield* server.restart
        assert.strictEqual(yield* add(server.ingressUrl, 2), 3)
        yield* server.kill
        assert.isUndefined(yield* server.pid)
        yield* server.restart
        assert.strictEqual(yield* add(server.ingressUrl, 3), 6)

        const after = (yield* server.pid)!
        assert.notStrictEqual(after, before)
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(Processes.isAlive(after))
        assert.isFalse(NodeFs.existsSync(server.baseDir))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(server.restart)))
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    120_000
  )

  it.live(
    "an endpoint with its identity key serves it and refuses everyone else",
    () =>
      Effect.gen(function* () {
        const server = yield* EmbeddedRestate.start()
        const { uri } = yield* endpoint([server.identityKey])
        yield* RestateAdmin.registerDeployment(server.adminUrl, uri)
        assert.strictEqual(yield* add(server.ingressUrl, 1), 1)
        assert.strictEqual(yield* direct(uri, "/discover", "GET"), 401)
        assert.strictEqual(yield* direct(uri, "/invoke/Counter/add", "POST"), 401)

        const open = yield* endpoint([])
        assert.strictEqual(yield* direct(open.uri, "/discover", "GET"), 200)

        const stranger = yield* EmbeddedRestate.start()
        const error = yield* Effect.flip(
          RestateAdmin.registerDeployment(stranger.adminUrl, uri, { patience: "1 second" })
        )
        assert.strictEqual(error._tag, "RestateAdminError")
        assert.include(error.message, "401")
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    120_000
  )

  it.live(
    "starts on existing data with other ports and the same key; answers queries, cancels and purges",
    () =>
      Effect.gen(function* () {
        const baseDir = yield* temporaryDirectory
        const { uri } = yield* endpoint([])
        const identityKey = yield* Effect.gen(function* () {
          const server = yield* EmbeddedRestate.start({ baseDir })
          yield* RestateAdmin.registerDeployment(server.adminUrl, uri)
          assert.strictEqual(yield* add(server.ingressUrl, 5), 5)
          return server.identityKey
        }).pipe(Effect.scoped)
        assert.strictEqual(NodeFs.statSync(NodePath.join(baseDir, "identity.pem")).mode & 0o777, 0o600)

        const server = yield* EmbeddedRestate.start({ baseDir })
        assert.strictEqual(server.identityKey, identityKey)
        assert.strictEqual(yield* add(server.ingressUrl, 5), 10)

        const { invocationId } = yield* Effect.promise(() =>
          clients
            .connect({ url: server.ingressUrl })
            .objectSendClient<typeof counter>({ name: "Counter" }, "two")
            .wait()
        )
        const status = RestateAdmin.query(
          server.adminUrl,
          `select status, completion_result from sys_invocation where id = '${invocationId}'`
        )
        const until = (done: (row: Record<string, unknown> | undefined) => boolean) =>
          status.pipe(
            Effect.delay(100),
            Effect.repeat({ until: ([row]) => done(row), times: 100 }),
            Effect.map(([row]) => row)
          )
        yield* until((row) => row?.["status"] === "running" || row?.["status"] === "suspended")
        yield* RestateAdmin.cancel(server.adminUrl, invocationId)
        const ended = yield* until((row) => row?.["status"] === "completed")
        assert.deepStrictEqual(ended, { status: "completed", completion_result: "failure" })
        yield* RestateAdmin.purge(server.adminUrl, invocationId)
        assert.isUndefined(yield* until((row) => row === undefined))

        const refused = yield* Effect.flip(RestateAdmin.query(server.adminUrl, "select nothing from nowhere"))
        assert.isAbove(refused.status!, 399)
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    120_000
  )

  it.live(
    "says which port is taken",
    () =>
      Effect.gen(function* () {
        const server = yield* EmbeddedRestate.start()
        const admin = Number(new URL(server.adminUrl).port)
        const error = yield* Effect.flip(
          EmbeddedRestate.start({ ports: { admin, ingress: 1 + admin, node: 2 + admin } })
        )
        assert.strictEqual(error._tag, "EmbeddedRestateError")
        assert.include(error.message, "is taken")
      }),
    120_000
  )

  it.live(
    "is gone, temporary data and all, after kill -9 of its parent",
    () =>
      Effect.gen(function* () {
        const parent = yield* Processes.script("embedded-restate-child.ts")
        const { adminUrl, baseDir, pid } = parent.said
        yield* RestateAdmin.health(adminUrl)
        parent.process.kill("SIGKILL")
        assert.isTrue(yield* Processes.isGone(pid))
        yield* Effect.sleep(1000)
        assert.isFalse(NodeFs.existsSync(baseDir))
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    120_000
  )

  it.live(
    "starts again at once on the data of a parent that got kill -9",
    () =>
      Effect.gen(function* () {
        const baseDir = yield* temporaryDirectory
        const parent = yield* Processes.script("embedded-restate-child.ts", baseDir)
        parent.process.kill("SIGKILL")
        const server = yield* EmbeddedRestate.start({ baseDir })
        assert.strictEqual(server.identityKey, parent.said.identityKey)
        yield* RestateAdmin.health(server.adminUrl)
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    120_000
  )
})
