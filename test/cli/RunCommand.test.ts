import * as FreePort from "@tenon/embedded/FreePort"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as CutProxy from "../support/CutProxy.ts"
import emptyMesh from "../support/empty-mesh-child.ts"
import slowMesh, { registry, slow } from "../support/slow-mesh-child.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipStore from "../support/SlipStore.ts"
import * as SlipTransport from "../support/SlipTransport.ts"
import { story } from "../support/Slips.ts"
import * as TenonProcess from "../support/TenonProcess.ts"

const mesh = join(import.meta.dirname, "../support/slow-mesh-child.ts")

const statusOf = (url: string) => Effect.promise(async () => (await fetch(url)).status)

it.live(
  "a worker that is asked to stop says so to probes, finishes what it has in hand, takes nothing new, and ends well",
  () =>
    Effect.gen(function* () {
      const { roles, url } = yield* SlipDatabase.make
      const port = yield* FreePort.one
      const worker = yield* TenonProcess.start(
        ["run", mesh, "--activity-name", "slow", "--prefetch", "1", "--health-port", String(port)],
        {
          LOG_FORMAT: "line",
          TRANSPORT: "postgres",
          DATABASE_URL: url,
          DATABASE_ROLE: roles.appRole,
          DATABASE_RELAY_ROLE: roles.relayRole
        }
      )
      yield* worker.says(/INFO +ready/)
      const health = `http://127.0.0.1:${port}/health`
      assert.strictEqual(yield* statusOf(`${health}/ready`), 200)
      yield* Effect.gen(function* () {
        const dispatch = RoutingSlip.builder(registry).pipe(RoutingSlip.add(slow, {}), RoutingSlip.dispatch)
        const first = yield* dispatch
        yield* worker.says(/INFO +begun/)
        const second = yield* dispatch
        worker.child.kill("SIGTERM")
        yield* worker.says(/INFO +draining/)
        assert.strictEqual(yield* statusOf(`${health}/ready`), 503)
        assert.strictEqual(yield* statusOf(`${health}/live`), 200)
        const { code } = yield* worker.ended
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(yield* story(first), ["dispatched 0", "executed 1"])
        assert.deepStrictEqual(yield* story(second), ["dispatched 0"])
      }).pipe(Effect.provide(Layer.merge(SlipTransport.over(url, roles), SlipStore.over(url, roles))))
    }),
  60_000
)

for (const [who, args] of [
  ["a worker", ["--activity-name", "slow"]],
  ["a mesh", []]
] as const) {
  it.live(
    `${who} that is asked to stop ends soon after its grace, though the database has stopped answering`,
    () =>
      Effect.gen(function* () {
        const { roles, url } = yield* SlipDatabase.make
        const proxy = yield* CutProxy.make(url)
        const worker = yield* TenonProcess.start(["run", mesh, ...args, "--grace", "1 second"], {
          LOG_FORMAT: "line",
          TRANSPORT: "postgres",
          DATABASE_URL: proxy.url,
          DATABASE_ROLE: roles.appRole,
          DATABASE_RELAY_ROLE: roles.relayRole
        })
        yield* worker.says(/INFO +ready/)
        yield* Effect.gen(function* () {
          yield* RoutingSlip.builder(registry).pipe(RoutingSlip.add(slow, {}), RoutingSlip.dispatch)
          yield* worker.says(/INFO +begun/)
        }).pipe(Effect.provide(Layer.merge(SlipTransport.over(url, roles), SlipStore.over(url, roles))))
        proxy.hang()
        const from = Date.now()
        worker.child.kill("SIGTERM")
        yield* worker.ended
        // The grace, and what ending takes; a busy machine gets some more.
        assert.isBelow(Date.now() - from, 15_000)
      }).pipe(Effect.scoped),
    60_000
  )
}

it.live(
  "a mesh without a database of its own is started again on what it has kept",
  () =>
    Effect.gen(function* () {
      const state = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "tenon-run-"))),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
      )
      const alone = { LOG_FORMAT: "line", DATABASE_URL: undefined, REDIS_URL: undefined, RABBITMQ_URL: undefined }
      for (let time = 1; time <= 2; time++) {
        const run = yield* TenonProcess.start(["run", mesh, "--state", state], { ...alone, TRANSPORT: undefined })
        yield* run.says(/INFO +ready/)
        run.child.kill("SIGTERM")
        assert.strictEqual((yield* run.ended).code, 0, run.said.stderr)
      }
    }).pipe(Effect.scoped),
  120_000
)

it.live(
  "what cannot run is said in one sentence",
  () =>
    Effect.gen(function* () {
      const unknown = yield* TenonProcess.tenon(["run", mesh, "--activity-name", "fast"])
      const known = slowMesh.activities.map(({ name }) => name).join(", ")
      assert.deepStrictEqual([unknown.code, unknown.stderr], [1, `There is no activity fast; there are ${known}.\n`])
      const memory = yield* TenonProcess.tenon(["run", mesh, "--replicas", "2"], { TRANSPORT: "memory" })
      assert.strictEqual(memory.code, 1)
      assert.include(memory.stderr, "TRANSPORT=memory reaches one process only, and this mesh has 2")
      const empty = yield* TenonProcess.tenon(["run", join(import.meta.dirname, "../support/empty-mesh-child.ts")])
      assert.deepStrictEqual(
        [empty.code, empty.stdout, empty.stderr],
        [
          1,
          "",
          `The mesh ${emptyMesh.title} has no activities, so there is nothing to run: put some into its registry.\n`
        ]
      )
      const gone = yield* TenonProcess.tenon(["run", "no-such-mesh.ts"])
      assert.strictEqual(gone.code, 1)
      assert.include(gone.stderr, "There is no no-such-mesh.ts")
    }),
  60_000
)

it.live(
  "limits that make no sense are refused before anything starts, and none with a stack trace",
  () =>
    Effect.forEach(
      [
        ["--prefetch", "0"],
        ["--prefetch", "-3"],
        ["--grace", "Infinity"],
        ["--grace", "40 days"],
        ["--health-port", "70000"],
        ["--health-port", "65535", "--replicas", "2"]
      ],
      Effect.fnUntraced(function* (args) {
        const { code, stderr } = yield* TenonProcess.tenon(["run", mesh, ...args], { TRANSPORT: "postgres" })
        assert.strictEqual(code, 1, args.join(" "))
        assert.include(stderr, args[0] ?? "")
        assert.notMatch(stderr, /^ +at .*:\d+:\d+/m)
      }),
      { concurrency: 2 }
    ),
  60_000
)
