/**
 * `npm run bench -- memory`: the server's memory under ten minutes of mixed load: what is resident, which says how much
 * the garbage collector has let come together, and what is in use once it has run, which says whether anything leaks.
 */
import { randomBytes, randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as FreePort from "@tenon/embedded/FreePort"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mint, scratchDatabase } from "../actions/actions.ts"
import * as Child from "../actions/Child.ts"
import { registry } from "../actions/Domain.ts"
import { fire } from "../actions/load.ts"
import * as MemoryPort from "../MemoryPort.ts"
import * as Report from "../Report.ts"

const minutes = Number(process.env["BENCH_MINUTES"] ?? 10)

/** Runs the load and reports the memory after a fifth of it and at its end. */
export const run = Effect.fn("bench.memory")(function* (say: (message: string) => void) {
  const databaseUrl = yield* scratchDatabase
  yield* Migrations.ensure({ registry }).pipe(Effect.provide(AdminSql.layer({ url: Redacted.make(databaseUrl) })))
  const restate = yield* EmbeddedRestate.start()
  const secret = randomBytes(32).toString("hex")
  const token = yield* Effect.promise(() => mint(secret))
  const { memoryPort, port } = yield* FreePort.many("port", "memoryPort")
  const { pid } = yield* Child.start("ours.ts", [], {
    DATABASE_URL: databaseUrl,
    JWT_SECRET: secret,
    JWT_ISSUER: "bench",
    JWT_AUDIENCE: "bench",
    ACCESS_LOG: "false",
    MEMORY_PORT: String(memoryPort),
    NODE_OPTIONS: MemoryPort.nodeOptions,
    PORT: String(port),
    RESTATE_INGRESS_URL: restate.ingressUrl,
    RESTATE_ADMIN_URL: restate.adminUrl,
    RESTATE_IDENTITY_KEY: restate.identityKey,
    RESTATE_ENDPOINT_PORT: String(yield* FreePort.one),
    TENON_CONTEXT_KEY: `bench:${randomBytes(32).toString("hex")}`
  })
  const samples: Array<number> = []
  const turns = 20
  const used = Effect.promise(async () => {
    const memory = await MemoryPort.read(`http://127.0.0.1:${memoryPort}`)
    return memory.used / 1e6
  })
  let before = Number.NaN
  const turn = (minutes * 60_000) / turns / 3
  for (let index = 0; index < turns; index++) {
    yield* Effect.promise(() => mixed(`http://127.0.0.1:${port}`, token, turn))
    samples.push(residentMegabytes(pid))
    if (index === turns / 5 - 1) before = yield* used
    say(`${(((index + 1) * minutes) / turns).toFixed(1)} min: ${samples.at(-1)} MB`)
  }
  const early = Report.median(samples.slice(1, 5))
  const late = Report.median(samples.slice(-4))
  const rows = [
    Report.alone(`resident memory, early in ${minutes} minutes of load`, "MB", early),
    Report.alone(`resident memory, at the end of ${minutes} minutes of load`, "MB", late),
    Report.alone(`memory in use, garbage collected, early in ${minutes} minutes of load`, "MB", before),
    Report.alone(`memory in use, garbage collected, at the end of ${minutes} minutes of load`, "MB", yield* used)
  ]

  return rows
}, Effect.scoped)

const mixed = async (origin: string, token: string, millis: number) => {
  const body = () => JSON.stringify({ name: randomUUID() })
  await fire(origin, token, { method: "POST", path: "/api/v1/parts", body }, 32, millis)
  await fire(origin, token, { method: "GET", path: "/api/v1/parts?limit=50" }, 32, millis)
  await fire(origin, token, { method: "POST", path: "/api/v1/tasks", body }, 32, millis)
}

const residentMegabytes = (pid: number): number => {
  const [, kilobytes = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Math.round(Number(kilobytes) / 1024)
}
