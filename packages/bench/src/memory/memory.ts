/**
 * `npm run bench -- memory`: the server's memory under ten minutes of mixed load: what is resident, which says how much
 * the garbage collector has let come together, and what is in use once it has run, which says whether anything leaks:
 * on the heap, and beside it.
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
import { fire, type Shot } from "../actions/load.ts"
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
  const turns = 20
  const earlyTurns = turns / 5
  const turn = (minutes * 60_000) / turns / 3
  const resident: Array<number> = []
  let answered = 0
  const load = (count: number) =>
    Effect.promise(async () => {
      for (let done = 0; done < count; done++) {
        answered += await mixed(`http://127.0.0.1:${port}`, token, turn)
        const now = residentMegabytes(pid)
        resident.push(now)
        say(`${((resident.length * minutes) / turns).toFixed(1)} min, ${answered} requests: ${now} MB`)
      }
    })
  const inUse = Effect.promise(() => MemoryPort.read(`http://127.0.0.1:${memoryPort}`))
  yield* load(earlyTurns)
  const early = { answered, resident: Report.median(resident.slice(1)), ...(yield* inUse) }
  yield* load(turns - earlyTurns)
  const late = { answered, resident: Report.median(resident.slice(-4)), ...(yield* inUse) }
  return Object.entries({ "early in": early, "at the end of": late }).flatMap(([when, each]) => {
    const name = (what: string) => `${what}, ${when} ${minutes} minutes of load`
    return [
      Report.alone(name("requests answered"), "requests", each.answered),
      Report.alone(name("heap in use, garbage collected"), "MB", each.heap / 1e6),
      Report.alone(name("in use beside the heap, garbage collected"), "MB", each.outside / 1e6),
      Report.alone(name("resident memory"), "MB", each.resident)
    ]
  })
}, Effect.scoped)

/** A turn of load; gives the number of requests answered. */
const mixed = async (origin: string, token: string, millis: number): Promise<number> => {
  const body = () => JSON.stringify({ name: randomUUID() })
  const shots: ReadonlyArray<Shot> = [
    { method: "POST", path: "/api/v1/parts", body },
    { method: "GET", path: "/api/v1/parts?limit=50" },
    { method: "POST", path: "/api/v1/tasks", body }
  ]
  let answered = 0
  for (const shot of shots) answered += (await fire(origin, token, shot, 32, millis)).count
  return answered
}

const residentMegabytes = (pid: number): number => {
  const [, kilobytes = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Math.round(Number(kilobytes) / 1024)
}
