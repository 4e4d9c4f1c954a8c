/**
 * `npm run bench -- slips`: what a hop of a routing slip costs beside a worker written by hand on the same broker and
 * client; what signing and encrypting add; and three steps as a flow of BullMQ. Brokers that do not answer are left
 * out.
 *
 * Workers by hand know as much of a slip as ours do, have as many messages in hand, do a step once, keep its outcome
 * before they send it, and acknowledge after the broker has confirmed. Both sides remember in the same place: in this
 * process, which a crash makes forget, or in PostgreSQL. They neither check what they read nor tell tenants apart; they
 * keep no history, and have no retries, leases or operators.
 */
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as CoreRegistry from "@tenon/core/Registry"
import { listens } from "@tenon/embedded/Listens"
import { Transactions } from "@tenon/messaging/Transactions"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import * as TransportSql from "@tenon/messaging/TransportSql"
import * as Encryption from "@tenon/routing-slip/Encryption"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as HopStoreSql from "@tenon/routing-slip/HopStoreSql"
import * as Keys from "@tenon/routing-slip/Keys"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as Notifications from "@tenon/sql/Notifications"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Amqp from "amqplib"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createClient } from "redis"
import { scratchDatabase } from "../actions/actions.ts"
import { repeat, type Round, warmUpMillis } from "../actions/load.ts"
import * as Report from "../Report.ts"
import * as OncePostgres from "./oncePostgres.ts"
import * as Once from "./Once.ts"
import * as Ours from "./ours.ts"
import * as PeerBullMq from "./peerBullMq.ts"
import * as PeerPostgres from "./peerPostgres.ts"
import * as PeerRabbitMq from "./peerRabbitMq.ts"
import * as PeerRedis from "./peerRedis.ts"
import { activities, type Side } from "./Side.ts"

const rounds = 5
const roundMillis = Number(process.env["BENCH_ROUND_MILLIS"] ?? 1500)
/** Part of a name, to measure some rows only. */
const only = process.env["BENCH_ONLY"] ?? ""
/** What this process is to measure; absent in the one that starts the others. */
const part = process.env["BENCH_PART"]
const atOnce = 32
const redisUrl = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379"
const rabbitUrl = process.env["RABBITMQ_URL"] ?? "amqp://guest:guest@127.0.0.1:5672"
const run_ = `bench-${randomBytes(4).toString("hex")}`

type Say = (message: string) => void

const inMemory = HopStoreMemory.layer
const unsigned = Security.layerUnsigned
const oursQueue = (activity: string) => `${run_}.ours.${activity}`
const peerQueue = (activity: string) => `${run_}.peer.${activity}`

interface Pair {
  readonly ours: Side
  readonly peer: Side
}

/** A round, and how long this process was busy for each hop: what a busy machine distorts least. */
interface Measured extends Round {
  readonly cpuMicrosPerHop: number
}

/** Rounds of both by turns. */
const alternate = async ({ ours, peer }: Pair, steps: number, concurrency: number) => {
  const measured: { readonly ours: Array<Measured>; readonly peer: Array<Measured> } = { ours: [], peer: [] }
  const once = async (side: Side, millis: number): Promise<Measured> => {
    let slips = 0
    const before = process.cpuUsage()
    const carryOut = () => side.carryOut(steps).then(() => void slips++)
    const round = await repeat(carryOut, concurrency, millis)
    const { system, user } = process.cpuUsage(before)
    return { ...round, cpuMicrosPerHop: (system + user) / (slips * steps) }
  }
  await once(ours, warmUpMillis)
  await once(peer, warmUpMillis)
  for (let round = 0; round < rounds; round++) {
    measured.ours.push(await once(ours, roundMillis))
    measured.peer.push(await once(peer, roundMillis))
  }
  return measured
}

/** Throughput of a pair with many slips of three steps at once, and how long one takes alone. */
const comparePair = async (
  name: string,
  peerName: string,
  pair: Pair,
  say: Say
): Promise<ReadonlyArray<Report.Row>> => {
  const many = await alternate(pair, 3, atOnce)
  const alone = await alternate(pair, 3, 1)
  const hops = (each: Round) => each.perSecond * 3
  const rows = [
    Report.compare(
      `${name}, ${atOnce} slips at once`,
      "hops/s",
      many.ours.map(hops),
      many.peer.map(hops),
      peerName,
      "more"
    ),
    Report.compare(
      `${name}, ${atOnce} slips at once, processor time`,
      "µs/hop",
      many.ours.map((each) => each.cpuMicrosPerHop),
      many.peer.map((each) => each.cpuMicrosPerHop),
      peerName,
      "less"
    ),
    ...(["median", "p99"] as const).map((which) =>
      Report.compare(
        `${name}, three hops alone, ${which}`,
        "ms",
        alone.ours.map((each) => each[`${which}Millis`]),
        alone.peer.map((each) => each[`${which}Millis`]),
        peerName,
        "less"
      )
    )
  ]
  for (const row of rows) say(`${row.name}: ${row.ours} against ${row.peer}, ${row.ratio}x`)
  return rows
}

/** Uses two sides and closes them, whatever happens. */
const withPair = async <A>(ours: Promise<Side>, peer: Promise<Side>, use: (pair: Pair) => Promise<A>): Promise<A> => {
  const [mine, theirs] = await Promise.all([ours, peer])
  try {
    return await use({ ours: mine, peer: theirs })
  } finally {
    await mine.close()
    await theirs.close()
  }
}

const dropQueues = async () => {
  const connection = await Amqp.connect(rabbitUrl)
  const channel = await connection.createChannel()
  for (const name of activities.flatMap((each) => [oursQueue(each), `${oursQueue(each)}!dead`, peerQueue(each)])) {
    await channel.deleteQueue(name)
  }
  await connection.close()
}

const rabbitMq = async (say: Say) => {
  const infrastructure = Layer.mergeAll(TransportRabbitMq.layer({ url: rabbitUrl }), inMemory, unsigned)
  const rows = await withPair(
    Ours.start({ infrastructure, queue: oursQueue }),
    PeerRabbitMq.start(rabbitUrl, peerQueue, Once.inMemory()),
    (pair) => comparePair("RabbitMQ, kept in memory", "amqplib by hand", pair, say)
  )
  await dropQueues()
  return rows
}

const rabbitMqStored = async (url: string, say: Say) => {
  const { once, close } = await OncePostgres.make(url)
  const infrastructure = Layer.mergeAll(TransportRabbitMq.layer({ url: rabbitUrl }), sqlOver(url).store, unsigned)
  const rows = await withPair(
    Ours.start({ infrastructure, queue: oursQueue }),
    PeerRabbitMq.start(rabbitUrl, peerQueue, once),
    (pair) => comparePair("RabbitMQ, kept in PostgreSQL", "amqplib, inbox and outbox by hand", pair, say)
  )
  await close()
  await dropQueues()
  return rows
}

const redisTransport = TransportRedis.layer({ url: redisUrl, prefix: `${run_}:` })

const dropStreams = async () => {
  const client = createClient({ url: redisUrl })
  await client.connect()
  for await (const keys of client.scanIterator({ MATCH: `${run_}*`, COUNT: 1_000 }))
    if (keys.length > 0) await client.del(keys)
  client.destroy()
}

const redis = async (say: Say) => {
  const infrastructure = Layer.mergeAll(redisTransport, inMemory, unsigned)
  const start = () => Ours.start({ infrastructure, queue: oursQueue })
  const rows = await withPair(start(), PeerRedis.start(redisUrl, peerQueue, Once.inMemory()), async (pair) => {
    const three = await comparePair("Redis, kept in memory", "node-redis by hand", pair, say)
    const fifty = await alternate(pair, 50, 1)
    const medians = (round: ReadonlyArray<Round>) => round.map((each) => each.medianMillis)
    const long = Report.compare(
      "Redis, kept in memory, a slip of 50 steps, median",
      "ms",
      medians(fifty.ours),
      medians(fifty.peer),
      "node-redis by hand",
      "less"
    )
    say(`${long.name}: ${long.ours} against ${long.peer}, ${long.ratio}x`)
    return [...three, long]
  })
  await dropStreams()
  const flows = await withPair(start(), PeerBullMq.start(redisUrl, `${run_}-bull`), (pair) =>
    comparePair("Redis, kept in memory", "BullMQ flows", pair, say)
  )
  await dropStreams()
  return [...rows, ...flows.map((row) => ({ ...row, name: `${row.name}, against flows` }))]
}

const sqlOver = (url: string) => {
  const foundation = Layer.effect(Transactions, TenantSql.TenantSql).pipe(
    Layer.provide(TenantSql.layer({ url: Redacted.make(url), role: "tenon_app" }))
  )
  const listener = Layer.effect(TransportSql.Listener, Notifications.Notifications).pipe(
    Layer.provide(Notifications.layer({ url: Redacted.make(url) }))
  )
  return {
    store: HopStoreSql.layer({ relayRole: "tenon_relay" }).pipe(Layer.provide(foundation)),
    transport: TransportSql.layer({ relayRole: "tenon_relay" }).pipe(Layer.provide([foundation, listener]))
  }
}

const stored = async (url: string, say: Say) => {
  const { once, close } = await OncePostgres.make(url)
  const infrastructure = Layer.mergeAll(redisTransport, sqlOver(url).store, unsigned)
  const rows = await withPair(
    Ours.start({ infrastructure, queue: oursQueue }),
    PeerRedis.start(redisUrl, peerQueue, once),
    (pair) => comparePair("Redis, kept in PostgreSQL", "node-redis, inbox and outbox by hand", pair, say)
  )
  await close()
  await dropStreams()
  return rows
}

const postgres = (url: string, say: Say) => {
  const { store, transport } = sqlOver(url)
  const infrastructure = Layer.mergeAll(transport, store, unsigned)
  return withPair(Ours.start({ infrastructure, queue: oursQueue }), PeerPostgres.start(url), (pair) =>
    comparePair("PostgreSQL alone", "node-postgres by hand", pair, say)
  )
}

/** What signing and encrypting add to a hop, with nothing else to wait for. */
const costs = async (say: Say): Promise<ReadonlyArray<Report.Row>> => {
  const keys = await Effect.runPromise(
    Effect.all({
      issuer: Keys.generate("issuer", "sig", { issues: true }),
      worker: Keys.generate("worker", "sig", { activities }),
      data: Keys.generate("data", "enc", { activities })
    })
  )
  const keySet = Layer.orDie(Keys.layer({ keys: Object.values(keys).map(({ publicKey }) => publicKey) }))
  const security = SecuritySigned.layer({
    signing: keys.worker.privateKey,
    decryption: [keys.data.privateKey]
  }).pipe(Layer.provide(keySet))
  const issuer = SignedLog.issuer(await Effect.runPromise(SignedLog.signer(keys.issuer.privateKey)))
  const sealer = await Effect.runPromise(Effect.provide(Encryption.sealer, keySet))
  const parts = (layer: Layer.Layer<Security.Security>, change?: Ours.Parts<never>["change"]) =>
    Ours.start({
      infrastructure: Layer.mergeAll(TransportMemory.layer, inMemory, layer),
      queue: oursQueue,
      ...(change === undefined ? {} : { change })
    })
  const sides = {
    plain: await parts(unsigned),
    signed: await parts(security, (builder) => RoutingSlip.sign(issuer)(builder)),
    sealed: await parts(security, (builder) => RoutingSlip.encrypt(sealer)(RoutingSlip.sign(issuer)(builder)))
  }
  const times: { readonly [name in keyof typeof sides]: Array<number> } = { plain: [], signed: [], sealed: [] }
  const fifty: Array<number> = []
  for (let round = 0; round <= rounds; round++) {
    for (const name of ["plain", "signed", "sealed"] as const) {
      const { medianMillis } = await repeat(() => sides[name].carryOut(3), 1, roundMillis / 2)
      if (round > 0) times[name].push(medianMillis / 3)
    }
    if (round > 0) fifty.push((await repeat(() => sides.signed.carryOut(50), 1, roundMillis / 2)).medianMillis)
  }
  for (const side of Object.values(sides)) await side.close()
  const [plain, signed, sealed] = [times.plain, times.signed, times.sealed].map(Report.median)
  const rows = [
    Report.alone("in memory, one hop unsigned", "ms", plain ?? 0),
    Report.alone("signing and verifying, per hop of three", "ms", (signed ?? 0) - (plain ?? 0)),
    Report.alone("encrypting and decrypting, per hop of three", "ms", (sealed ?? 0) - (signed ?? 0)),
    Report.alone("in memory, a signed slip of 50 steps", "ms", Report.median(fifty))
  ]
  for (const row of rows) say(`${row.name}: ${row.ours} ${row.unit}`)
  return rows
}

/** A database with the framework's tables, dropped with the scope. */
const database = Effect.gen(function* () {
  const url = yield* scratchDatabase
  const registry = CoreRegistry.make({ resources: [] })
  yield* Migrations.ensure({ registry }).pipe(Effect.provide(AdminSql.layer({ url: Redacted.make(url) })))
  return url
})

type Measure = (say: Say, url: string) => Promise<ReadonlyArray<Report.Row>>

interface Part {
  readonly measure: Measure
  /** The broker without which it is left out. */
  readonly broker?: string
  readonly needsDatabase?: boolean
}

const parts: { readonly [name: string]: Part } = {
  costs: { measure: costs },
  redis: { measure: redis, broker: redisUrl },
  rabbitmq: { measure: rabbitMq, broker: rabbitUrl },
  "redis stored": { measure: (say, url) => stored(url, say), broker: redisUrl, needsDatabase: true },
  "rabbitmq stored": { measure: (say, url) => rabbitMqStored(url, say), broker: rabbitUrl, needsDatabase: true },
  postgres: { measure: (say, url) => postgres(url, say), needsDatabase: true }
}

const measurePart = Effect.fnUntraced(function* ({ broker, measure, needsDatabase }: Part, say: Say) {
  if (broker !== undefined && !(yield* Effect.promise(() => listens(broker)))) {
    say(`nothing answers at ${new URL(broker).host}: its rows are left out`)
    return []
  }
  const url = needsDatabase === true ? yield* database : ""
  return yield* Effect.promise(() => measure(say, url))
})

/**
 * Measures a part in a process of its own, as a worker has one broker, one store and one kind of security: what was
 * optimised for several is slower for each.
 */
const inOwnProcess = (name: string): Promise<ReadonlyArray<Report.Row>> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.argv.slice(1), "--json"], {
      env: { ...process.env, BENCH_PART: name },
      stdio: ["ignore", "pipe", "inherit"]
    })
    let printed = ""
    child.stdout.on("data", (data: Buffer) => (printed += data.toString()))
    child.once("error", reject)
    child.once("close", (code) => {
      if (code === 0) resolve((JSON.parse(printed) as { readonly rows: ReadonlyArray<Report.Row> }).rows)
      else reject(new Error(`${name} ended with ${code}`))
    })
  })

/** Runs the suite; `say` hears of its progress. */
export const run = Effect.fn("bench.slips")(function* (say: Say) {
  if (part !== undefined) {
    const wanted = parts[part]
    return wanted === undefined ? yield* Effect.die(new Error(`there is no ${part}`)) : yield* measurePart(wanted, say)
  }
  const wanted = Object.keys(parts).filter((name) => name.includes(only))
  return (yield* Effect.forEach(wanted, (name) => Effect.promise(() => inOwnProcess(name)))).flat()
}, Effect.scoped)
