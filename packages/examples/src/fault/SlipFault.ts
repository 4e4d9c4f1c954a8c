/**
 * Slips through worker processes whose broker is killed and started again under load, and the ledger at the end: every
 * slip is over, each step was done and undone as its outcome says, once as the world outside sees it, and nothing was
 * set aside.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as CoreRegistry from "@tenon/core/Registry"
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import { Transport } from "@tenon/messaging/Transport"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Migrations from "@tenon/sql/Migrations"
import * as BrokerServer from "@tenon/testing/BrokerServer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { spawn } from "node:child_process"
import { join } from "node:path"
import type { Result } from "./Fault.ts"
import * as SlipMesh from "./SlipMesh.ts"

/** How large, and how hard to strike. */
export interface Options {
  readonly slips: number
  readonly steps: number
  readonly activities: number
  /** Worker processes of each activity. */
  readonly replicas: number
  readonly strikes: number
  readonly progress: (message: string) => void
}

interface Servers {
  readonly settings: SlipMesh.Settings
  readonly strike: Effect.Effect<void, { readonly message: string }>
}

const servers = Effect.fnUntraced(function* (broker: SlipMesh.Broker, activities: number) {
  const postgres = yield* EmbeddedPostgres.start({ settings: { max_connections: "300" } })
  const settings = { broker, brokerUrl: "", databaseUrl: Redacted.value(postgres.url), activities }
  if (broker === "PostgreSQL") {
    const found: Servers = { settings, strike: postgres.restart("immediate") }
    return found
  }
  const { restart, url } = yield* BrokerServer.start(broker)
  const found: Servers = { settings: { ...settings, brokerUrl: url }, strike: restart }
  return found
})

/** Keeps one worker process running for the scope; what ends by itself is started again. */
const keepWorker = (settings: SlipMesh.Settings, activity: string, onEnd: () => void) =>
  Effect.callback<void>((resume) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "slipWorker.ts"), activity], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, TENON_FAULT_MESH: JSON.stringify(settings) }
    })
    child.once("exit", () => {
      onEnd()
      resume(Effect.void)
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(Effect.andThen(Effect.sleep("500 millis")), Effect.forever)

const patience = Schedule.spaced("200 millis")

/** Every tenth slip fails at its end. */
const isGood = (index: number) => index % 10 !== 9
const nameOf = (index: number) => `slip-${String(index).padStart(5, "0")}`

const dispatch = (index: number, { activities, steps }: Options) => {
  const numbered = SlipMesh.activities(activities)
  let builder = RoutingSlip.builder(SlipMesh.registry(activities), { correlationId: nameOf(index) })
  for (let step = 0; step < steps - 1; step++) {
    const activity = numbered[step % activities]
    if (activity !== undefined) builder = builder.pipe(RoutingSlip.add(activity, {}))
  }
  return builder.pipe(
    RoutingSlip.add(SlipMesh.last, { well: isGood(index) }),
    RoutingSlip.dispatch,
    // The store is away for as long as its server is.
    Effect.retry({ times: 300, while: ({ _tag }) => _tag === "Unavailable", schedule: patience })
  )
}

const over = ["completed", "faulted"] as const

const settledSlips = Effect.gen(function* () {
  const store = yield* HopStore
  const found = yield* Effect.forEach(over, (status) => store.slips("default", { status, limit: 100_000 }))
  return found.flat()
}).pipe(Effect.retry({ times: 300, schedule: patience }))

/** All in which the store, the world outside and the plan disagree. */
const audit = Effect.fnUntraced(function* (options: Options, registry: ReturnType<typeof SlipMesh.registry>) {
  const problems: Array<string> = []
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly key: string }>`select key from effects`
  const seen = new Map<string, Array<string>>()
  for (const { key } of rows) {
    const [, slip = "", ...rest] = key.split("/")
    seen.set(slip, [...(seen.get(slip) ?? []), rest.join("/")])
  }
  const statuses = new Map((yield* settledSlips).map(({ correlationId, status }) => [correlationId, status]))
  const steps = Array.from({ length: options.steps - 1 }, (_, index) => index + 1)
  for (let index = 0; index < options.slips; index++) {
    const name = nameOf(index)
    const status = isGood(index) ? "completed" : "faulted"
    if (statuses.get(name) !== status) problems.push(`${name} is ${statuses.get(name) ?? "not over"}, not ${status}`)
    const wanted = steps.flatMap((step) => [`${step}/execute`, ...(isGood(index) ? [] : [`${step}/compensate`])])
    const found = seen.get(name) ?? []
    if (wanted.toSorted().join() !== found.toSorted().join())
      problems.push(`${name}: the world saw ${found.join(", ")}`)
  }
  const transport = yield* Transport
  for (const { queue } of registry.activities) {
    for (const { detail, id, reason } of yield* transport.deadLetters(queue)) {
      problems.push(`${id} in ${queue} was set aside: ${reason} ${detail}`)
    }
  }
  return problems
})

const canStart = (broker: SlipMesh.Broker) => broker === "PostgreSQL" || BrokerServer.isHere(broker)

/** Runs one broker through it, on servers and processes of its own; one that this machine cannot start is left out. */
export const run = Effect.fn("SlipFault.run")(
  function* (broker: SlipMesh.Broker, options: Options, isHere = canStart) {
    const { progress, slips, strikes } = options
    const scenario = `slips over ${broker}, whose server is killed and started again`
    if (!isHere(broker)) {
      const skipped = `the program of ${broker}'s server is not on this machine`
      progress(`${scenario}: LEFT OUT, since ${skipped}`)
      const none: Result = { scenario, ok: true, skipped, accepted: 0, faults: 0, problems: [] }
      return none
    }
    progress(`${scenario}: starting servers …`)
    const { settings, strike } = yield* servers(broker, options.activities)
    const registry = SlipMesh.registry(options.activities)
    const database = PgClient.layer({ url: Redacted.make(settings.databaseUrl), maxConnections: 2 })
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Migrations.ensure({ registry: CoreRegistry.make({ resources: [] }) })
      yield* sql`create table effects (key text primary key, attempts int not null default 1)`
    }).pipe(Effect.provide(database))

    let ended = 0
    for (const { name } of registry.activities) {
      for (let replica = 0; replica < options.replicas; replica++) {
        yield* Effect.forkScoped(keepWorker(settings, name, () => ended++))
      }
    }
    const problems = yield* Effect.gen(function* () {
      const started = Date.now()
      const load = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: slips }, (_, index) => index),
          (index) => dispatch(index, options),
          {
            concurrency: 16,
            discard: true
          }
        )
      )
      for (let done = 0; done < strikes; done++) {
        // Spread over the work, however long it takes: strike when so much of it is done.
        const due = ((done + 0.5) / strikes) * slips * 0.8
        while ((yield* settledSlips).length < due) yield* Effect.sleep("250 millis")
        yield* strike
        progress(`  strike ${done + 1} of ${strikes}, ${(yield* settledSlips).length} of ${slips} slips over`)
      }
      yield* Fiber.join(load)
      for (let left = 600; left > 0 && (yield* settledSlips).length < slips; left--) yield* Effect.sleep("500 millis")
      progress(
        `  ${(yield* settledSlips).length} over after ${Math.round((Date.now() - started) / 1_000)} s; comparing …`
      )
      return yield* Effect.provide(audit(options, registry), database)
    }).pipe(Effect.provide(SlipMesh.infrastructure(settings)))
    const result: Result = { scenario, ok: problems.length === 0, accepted: slips, faults: strikes, problems }
    progress(`  workers that ended and were started again: ${ended}`)
    progress(
      `  ${result.ok ? "ok: nothing lost, nothing done twice, nothing stuck" : `FAIL: ${problems.slice(0, 10).join("; ")}`}`
    )
    return result
    // That servers are away is what the run is about; standard output is its result's.
  },
  Effect.provide(Logger.layer([])),
  Effect.scoped
)

/** The brokers. */
export const brokers: ReadonlyArray<SlipMesh.Broker> = ["PostgreSQL", "Redis", "RabbitMQ"]
