/** `npm run bench -- actions`: what a create, a get, a list and a durable create cost beside the same by hand. */
import { randomBytes, randomUUID } from "node:crypto"
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as FreePort from "@tenon/embedded/FreePort"
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Redacted from "effect/Redacted"
import { SignJWT } from "jose"
import pg from "pg"
import * as Report from "../Report.ts"
import * as Child from "./Child.ts"
import { many, registry } from "./Domain.ts"
import * as Durable from "./durable.ts"
import { fire, type Round, type Shot } from "./load.ts"

const rounds = 5
const roundMillis = Number(process.env["BENCH_ROUND_MILLIS"] ?? 1500)
const tenant = "bench"
/** Part of a name, to measure some rows only. */
const only = process.env["BENCH_ONLY"] ?? ""

/** Runs the suite; `say` hears of its progress. */
export const run = Effect.fn("bench.actions")(function* (say: (message: string) => void) {
  say("starting servers …")
  const databaseUrl = yield* scratchDatabase
  yield* Migrations.ensure({ registry }).pipe(Effect.provide(AdminSql.layer({ url: Redacted.make(databaseUrl) })))
  const restate = yield* EmbeddedRestate.start()
  const secret = randomBytes(32).toString("hex")
  const token = yield* Effect.promise(() => mint(secret))
  const { endpoint, peer, port } = yield* FreePort.many("port", "peer", "endpoint")
  const environment = {
    NODE_ENV: "production",
    DATABASE_URL: databaseUrl,
    JWT_SECRET: secret,
    JWT_ISSUER: "bench",
    JWT_AUDIENCE: "bench",
    ACCESS_LOG: "false",
    RESTATE_INGRESS_URL: restate.ingressUrl,
    RESTATE_ADMIN_URL: restate.adminUrl,
    RESTATE_IDENTITY_KEY: restate.identityKey,
    RESTATE_ENDPOINT_PORT: String(endpoint),
    TENON_CONTEXT_KEY: `bench:${randomBytes(32).toString("hex")}`
  }
  yield* Child.start("ours.ts", [], { ...environment, PORT: String(port) })
  yield* Child.start("peerHttp.ts", [], { ...environment, PORT: String(peer), TOKEN_SECRET: secret })
  const origins = { ours: `http://127.0.0.1:${port}`, peer: `http://127.0.0.1:${peer}` }
  yield* Effect.promise(() => fill(databaseUrl))
  const rows: Array<Report.Row> = []
  for (const { name, shot } of yield* Effect.promise(() => shots(origins.ours, token))) {
    if (!name.includes(only)) continue
    for (const concurrency of [1, 10, 64]) {
      const { ours, peer } = yield* Effect.promise(() => alternate(origins, token, shot, concurrency))
      const row = Report.compare(
        `${name}, ${concurrency} at once`,
        "requests/s",
        ours,
        peer,
        "Fastify + node-postgres",
        "more"
      )
      say(`${row.name}: ${row.ratio}x`)
      rows.push(row)
    }
  }
  if ("durable create".includes(only)) rows.push(...(yield* durable(environment, restate, say)))
  if ("derive and start 200 resources".includes(only))
    rows.push(Report.alone("derive and start 200 resources", "ms", yield* startMany(environment, databaseUrl)))
  return rows
}, Effect.scoped)

/** A token for the benchmark's tenant. */
export const mint = (secret: string) =>
  new SignJWT({ tenant_id: tenant, tenant, roles: ["admin"] })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject("bench")
    .setIssuer("bench")
    .setAudience("bench")
    .setIssuedAt()
    .setExpirationTime("2h")
    .sign(new TextEncoder().encode(secret))

/** A database of its own on the server that DATABASE_URL names, else on an embedded one. */
export const scratchDatabase = Effect.gen(function* () {
  return yield* scratchBeside(process.env["DATABASE_URL"] ?? Redacted.value((yield* EmbeddedPostgres.start()).url))
})

/** A thousand parts to read and list. */
const fill = async (databaseUrl: string) => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(
    `insert into parts (tenant_id, id, name, status, created_at)
     select $1, 'part-' || lpad(n::text, 5, '0'), 'part ' || n, 'ACTIVE', now() from generate_series(1, 1000) as n`,
    [tenant]
  )
  await client.query("analyze parts")
  await client.end()
}

const shots = async (
  origin: string,
  token: string
): Promise<ReadonlyArray<{ readonly name: string; readonly shot: Shot }>> => {
  const response = await fetch(`${origin}/api/v1/parts/part-00500`, { headers: { authorization: `Bearer ${token}` } })
  if (response.status !== 200) throw new Error(`The part cannot be read: ${response.status} ${await response.text()}`)
  return [
    {
      name: "create",
      shot: { method: "POST", path: "/api/v1/parts", body: () => JSON.stringify({ name: randomUUID() }) }
    },
    { name: "get by id", shot: { method: "GET", path: "/api/v1/parts/part-00500" } },
    { name: "list of 50", shot: { method: "GET", path: "/api/v1/parts?limit=50" } }
  ]
}

const alternate = async (
  origins: { readonly ours: string; readonly peer: string },
  token: string,
  shot: Shot,
  concurrency: number
) => {
  const rates: { ours: Array<number>; peer: Array<number> } = { ours: [], peer: [] }
  const once = (origin: string, millis: number): Promise<Round> => fire(origin, token, shot, concurrency, millis)
  await once(origins.ours, roundMillis / 3)
  await once(origins.peer, roundMillis / 3)
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? (["ours", "peer"] as const) : (["peer", "ours"] as const)) {
      rates[side].push((await once(origins[side], roundMillis)).perSecond)
    }
  }
  return rates
}

const durable = Effect.fnUntraced(function* (
  environment: { readonly [name: string]: string },
  restate: EmbeddedRestate.EmbeddedRestate,
  say: (message: string) => void
) {
  const port = yield* FreePort.one
  yield* Child.start("peerRestate.ts", [], { ...environment, PORT: String(port) })
  yield* RestateAdmin.registerDeployment(restate.adminUrl, `http://127.0.0.1:${port}`).pipe(
    Effect.provide(FetchHttpClient.layer)
  )
  const rows: Array<Report.Row> = []
  for (const concurrency of [1, 32]) {
    const rounds = yield* Effect.promise(() =>
      Durable.alternate({
        ingressUrl: restate.ingressUrl,
        contextKey: environment["TENON_CONTEXT_KEY"] ?? "",
        tenant,
        concurrency,
        roundMillis
      })
    )
    const { ours, peer } = rounds
    const peerName = "a Restate object by hand"
    rows.push(
      Report.compare(
        `durable create, ${concurrency} at once`,
        "actions/s",
        ours.map((each) => each.perSecond),
        peer.map((each) => each.perSecond),
        peerName,
        "more"
      ),
      Report.compare(
        `durable create, ${concurrency} at once, median`,
        "ms",
        ours.map((each) => each.medianMillis),
        peer.map((each) => each.medianMillis),
        peerName,
        "less"
      )
    )
    for (const row of rows.slice(-2)) say(`${row.name}: ${row.ratio}x`)
  }
  return rows
})

/** From the start of the process to serving; tables made before. */
const startMany = Effect.fnUntraced(function* (environment: { readonly [name: string]: string }, databaseUrl: string) {
  const url = Redacted.make(yield* scratchBeside(databaseUrl))
  yield* Migrations.ensure({ registry: many(200) }).pipe(Effect.provide(AdminSql.layer({ url })))
  const times: Array<number> = []
  for (let round = 0; round < 3; round++) {
    const { millis } = yield* Effect.scoped(
      Effect.gen(function* () {
        const PORT = String(yield* FreePort.one)
        const RESTATE_ENDPOINT_PORT = String(yield* FreePort.one)
        return yield* Child.start("ours.ts", ["200"], {
          ...environment,
          DATABASE_URL: Redacted.value(url),
          PORT,
          RESTATE_ENDPOINT_PORT
        })
      })
    )
    times.push(millis)
  }
  return Report.median(times)
})

/** A new database on the server of another; dropped with the scope. */
const scratchBeside = (databaseUrl: string) =>
  Effect.gen(function* () {
    const name = `tenon_bench_${randomBytes(4).toString("hex")}`
    const admin = (text: string) =>
      Effect.promise(async () => {
        const client = new pg.Client({ connectionString: databaseUrl })
        await client.connect()
        await client.query(text)
        await client.end()
      })
    yield* Effect.acquireRelease(admin(`create database ${name}`), () => admin(`drop database ${name} with (force)`))
    const url = new URL(databaseUrl)
    url.pathname = `/${name}`
    return url.href
  })
