/** A worker process is killed with -9 at every step of a hop, on real brokers and a real database. */
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import { Transport } from "@tenon/messaging/Transport"
import type { Point } from "@tenon/routing-slip/HopPoint"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as Keys from "@tenon/routing-slip/Keys"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Verify from "@tenon/routing-slip/Verify"
import * as PgClient from "@effect/sql-pg/PgClient"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import * as NodeChildProcess from "node:child_process"
import * as NodePath from "node:path"
import { deleteQueues, deleteStreams, listens, rabbitUrl, redisUrl } from "../support/Brokers.ts"
import { type ChildOptions, does, ends, registry } from "../support/SlipCrashes.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipStore from "../support/SlipStore.ts"
import * as SlipTransport from "../support/SlipTransport.ts"
import { settled } from "../support/Slips.ts"

/** With TENON_FAULTS=1 every point (about a minute per broker), else those that tell the most. */
const all = process.env["TENON_FAULTS"] === "1"
const points: ReadonlyArray<Point> = all
  ? ["admitted", "claimed", "executed", "stored", "published", "dispatched"]
  : ["executed", "stored"]
const phases = ["execute", "compensate"] as const
const prefix = `tenon-crash-${process.pid}-`
const queues = registry.activities.map(({ queue }) => queue)

/** A slip whose worker dies at one point of one hop: a step, the start of branches, or a branch that is gathered. */
interface Case {
  readonly id: string
  readonly phase: (typeof phases)[number]
  readonly point: Point
  /** The step of the hop: one that another follows, so that all points are reached. */
  readonly step: string
  readonly branches: boolean
}

const cases: ReadonlyArray<Case> = [
  ...phases.flatMap((phase) =>
    points.map((point) => ({
      id: `${phase}-${point}`,
      phase,
      point,
      step: phase === "execute" ? "1" : "2",
      branches: false
    }))
  ),
  ...(all ? phases : phases.slice(0, 1)).flatMap((phase) =>
    (all ? ["2", "2.1"] : ["2.1"]).flatMap((step) =>
      (["claimed", "executed", "stored"] as const)
        .filter((point) => all || point !== "claimed")
        .map((point) => ({ id: `${phase}-${step}-${point}`, phase, point, step, branches: true }))
    )
  )
]

const struckKey = ({ id, phase, step }: Case) => `default/${id}/${step}/${phase}`

/** The keys that the world has to have seen, once each. */
const wanted = ({ branches, phase }: Case): ReadonlyArray<string> => {
  const steps = branches ? ["1", "2.1.1", "2.2.1"] : ["1", "2"]
  return phase === "execute"
    ? [...steps, "3"].map((step) => `${step}/execute`)
    : steps.flatMap((step) => [`${step}/compensate`, `${step}/execute`])
}

/** A transport, and where its broker is if it is not the database. */
const brokers = {
  Redis: {
    brokerUrl: redisUrl,
    layerOf: () => TransportRedis.layer({ url: redisUrl, prefix, visibility: "600 millis" })
  },
  RabbitMQ: { brokerUrl: rabbitUrl, layerOf: () => TransportRabbitMq.layer({ url: rabbitUrl, prefix }) },
  PostgreSQL: {
    brokerUrl: undefined,
    layerOf: (url: string, roles: SlipStore.Roles) => SlipTransport.over(url, roles, { visibility: "600 millis" })
  }
} as const

afterAll(async () => {
  if (await listens(redisUrl)) await deleteStreams(queues, prefix)
  if (await listens(rabbitUrl)) await deleteQueues(queues.map((queue) => `${prefix}${queue}`))
})

/**
 * Keeps one worker running: where it kills itself, another takes its place; where it ends otherwise, the test fails.
 */
const keepAlive = (options: ChildOptions, onDeath: () => void) =>
  Effect.callback<void>((resume) => {
    const path = NodePath.join(import.meta.dirname, "../support/slip-worker-child.ts")
    const child = NodeChildProcess.spawn(process.execPath, [path, JSON.stringify(options)], { stdio: "inherit" })
    child.once("exit", (code, signal) => {
      onDeath()
      resume(signal === "SIGKILL" ? Effect.void : Effect.die(new Error(`the worker ended with ${code ?? signal}`)))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(Effect.forever)

describe("a worker that is killed", async () => {
  for (const transport of ["Redis", "RabbitMQ", "PostgreSQL"] as const) {
    const { brokerUrl, layerOf } = brokers[transport]
    const here = brokerUrl === undefined || (await listens(brokerUrl))
    it.live.skipIf(!here)(
      `loses no slip and repeats no effect, at every point of a hop, over ${transport}`,
      () =>
        Effect.gen(function* () {
          const database = yield* SlipDatabase.make
          const issuer = yield* Keys.generate("issuer", "sig", { issues: true })
          const worker = yield* Keys.generate("worker", "sig", {
            activities: registry.activities.map(({ name }) => name)
          })
          const jwks = { keys: [issuer.publicKey, worker.publicKey] }
          const signing = worker.privateKey
          const { roles, url: databaseUrl } = database
          const options = { transport, brokerUrl: brokerUrl ?? databaseUrl, prefix, databaseUrl, roles, signing, jwks }
          let deaths = 0
          yield* Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            yield* sql`create table effects (key text primary key, attempts int not null default 1)`
            yield* sql`create table crashes (key text not null, point text not null)`
            for (const each of cases) yield* sql`insert into crashes values (${struckKey(each)}, ${each.point})`
            const sign = RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(issuer.privateKey)))
            yield* Effect.forkScoped(
              Effect.tapCause(
                keepAlive(options, () => deaths++),
                (cause) => Effect.logError(cause)
              )
            )

            for (const each of cases) {
              // One after the other: a death beside it may pass another's point by, as what is stored is not done
              // again.
              yield* RoutingSlip.builder(registry, { correlationId: each.id }).pipe(
                RoutingSlip.add(does, {}),
                each.branches
                  ? RoutingSlip.scatter(
                      { x: [RoutingSlip.step(does, {})], y: [RoutingSlip.step(does, {})] },
                      { undo: "parallel" }
                    )
                  : RoutingSlip.add(does, {}),
                RoutingSlip.add(ends, { well: each.phase === "execute" }),
                sign,
                RoutingSlip.dispatch
              )
              const { id, phase, point } = each
              const slip = yield* settled({ tenantId: "default", correlationId: id }, "20 millis")
              assert.strictEqual(slip?.status, phase === "execute" ? "completed" : "faulted", id)
              const rows = yield* sql<{ readonly key: string; readonly attempts: number }>`
                select key, attempts from effects where key like ${`default/${id}/%`} order by key`
              assert.deepStrictEqual(
                rows.map(({ key }) => key.slice(`default/${id}/`.length)),
                wanted(each),
                id
              )
              const struck = rows.find(({ key }) => key === struckKey(each))
              if (point === "executed" && !each.branches)
                assert.isAtLeast(struck?.attempts ?? 0, 2, `${id} was not struck`)
              const report = yield* Verify.verify(slip?.body ?? new Uint8Array())
              assert.strictEqual(report.outcome, phase === "execute" ? "completed" : "faulted")
            }
            assert.deepStrictEqual(yield* sql`select * from crashes`, [], "every planned crash has happened")
            assert.isAtLeast(deaths, cases.length)
            for (const queue of queues) {
              assert.deepStrictEqual(yield* (yield* Transport).deadLetters(queue), [], "nothing was set aside")
            }
            assert.deepStrictEqual(yield* (yield* HopStore).slips("default", { status: "executing" }), [])
          }).pipe(
            Effect.provide(
              Layer.mergeAll(
                layerOf(databaseUrl, roles),
                SlipStore.over(databaseUrl, roles),
                Keys.layer(jwks),
                PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 2 })
              )
            )
          )
        }).pipe(Effect.scoped),
      120_000
    )
  }
})
