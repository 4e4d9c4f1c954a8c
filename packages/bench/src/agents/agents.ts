/**
 * `npm run bench -- agents`: what a durable step costs on both runtimes beside the same run by hand and with DBOS; how
 * soon a person sees an agent's first word, and that it has stopped; and what a run costs that waits for an answer.
 */
import { randomBytes } from "node:crypto"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as FreePort from "@tenon/embedded/FreePort"
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Redacted from "effect/Redacted"
import { mint, scratchDatabase } from "../actions/actions.ts"
import * as Child from "../actions/Child.ts"
import * as MemoryPort from "../MemoryPort.ts"
import type * as Report from "../Report.ts"
import * as OnPostgres from "./onPostgres.ts"
import * as OnRestate from "./onRestate.ts"
import * as PeerDbos from "./peerDbos.ts"
import { registry } from "./Programs.ts"
import type { Side } from "./Shape.ts"
import * as Steps from "./steps.ts"
import * as Talk from "./talk.ts"

const roundMillis = Number(process.env["BENCH_ROUND_MILLIS"] ?? 1500)
/** Part of a name, to measure some rows only: `restate`, `postgres`, `first token`, `cancel` or `waiting`. */
const only = process.env["BENCH_ONLY"] ?? ""

type Say = (message: string) => void

const comparing = (name: string, peerName: string, ours: Promise<Side>, peer: Promise<Side>, say: Say) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => ({ ours: await ours, peer: await peer })),
    (sides) => Effect.promise(() => Steps.compare({ name, peerName, roundMillis, ...sides }, say)),
    (sides) => Effect.promise(() => Promise.all([sides.ours.close(), sides.peer.close()]))
  )

/** Runs the suite; `say` hears of its progress. */
export const run = Effect.fn("bench.agents")(function* (say: Say) {
  const rows: Array<Report.Row> = []
  const wanted = (...names: ReadonlyArray<string>) => names.some((name) => name.includes(only))
  say("starting servers …")
  const databaseUrl = yield* migrated
  if (wanted("postgres")) {
    const [ours, peer] = [OnPostgres.ours(databaseUrl), PeerDbos.start(databaseUrl)]
    rows.push(...(yield* comparing("on PostgreSQL", "DBOS Transact", ours, peer, say)))
  }
  if (!wanted("restate", ...Talk.names)) return rows
  const restate = yield* EmbeddedRestate.start()
  const environment = yield* settings(restate)
  const onRestate = yield* start(environment, { DATABASE_URL: databaseUrl, RUNTIME: "restate" })
  if (wanted("restate")) {
    yield* startPeer(restate)
    const ours = OnRestate.ours(restate.ingressUrl, environment["TENON_CONTEXT_KEY"])
    const peer = Promise.resolve(OnRestate.peer(restate.ingressUrl))
    rows.push(...(yield* comparing("on Restate", "the Restate SDK by hand", ours, peer, say)))
  }
  if (!wanted(...Talk.names)) return rows
  const onPostgres = yield* start(environment, { DATABASE_URL: yield* migrated, RUNTIME: "postgres" })
  const token = yield* Effect.promise(() => mint(environment["JWT_SECRET"]))
  const applications = { "on PostgreSQL": onPostgres, "on Restate": onRestate }
  rows.push(...(yield* Effect.promise(() => Talk.measure(applications, token, only, say))))
  return rows
}, Effect.scoped)

const migrated = Effect.gen(function* () {
  const url = yield* scratchDatabase
  yield* Migrations.ensure({ registry }).pipe(Effect.provide(AdminSql.layer({ url: Redacted.make(url) })))
  return url
})

const settings = Effect.fnUntraced(function* (restate: EmbeddedRestate.EmbeddedRestate) {
  return {
    NODE_ENV: "production",
    JWT_SECRET: randomBytes(32).toString("hex"),
    JWT_ISSUER: "bench",
    JWT_AUDIENCE: "bench",
    ACCESS_LOG: "false",
    NODE_OPTIONS: MemoryPort.nodeOptions,
    RESTATE_INGRESS_URL: restate.ingressUrl,
    RESTATE_ADMIN_URL: restate.adminUrl,
    RESTATE_IDENTITY_KEY: restate.identityKey,
    RESTATE_ENDPOINT_PORT: String(yield* FreePort.one),
    TENON_CONTEXT_KEY: `bench:${randomBytes(32).toString("hex")}`
  }
})

/** Starts the application under measurement. */
const start = Effect.fnUntraced(function* (
  environment: { readonly [name: string]: string },
  more: { readonly [name: string]: string }
) {
  const { memory, port } = yield* FreePort.many("port", "memory")
  const own = { PORT: String(port), MEMORY_PORT: String(memory) }
  yield* Child.start("../agents/ours.ts", [], { ...environment, ...more, ...own })
  return { origin: `http://127.0.0.1:${port}`, memoryUrl: `http://127.0.0.1:${memory}` }
})

const startPeer = Effect.fnUntraced(function* (restate: EmbeddedRestate.EmbeddedRestate) {
  const PORT = String(yield* FreePort.one)
  yield* Child.start("../agents/peerRestate.ts", [], { PORT, RESTATE_IDENTITY_KEY: restate.identityKey })
  yield* RestateAdmin.registerDeployment(restate.adminUrl, `http://127.0.0.1:${PORT}`).pipe(
    Effect.provide(FetchHttpClient.layer)
  )
})
