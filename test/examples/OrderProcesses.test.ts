/** The order example as it is deployed: `tenon run`, a process for each activity, real brokers and a real database. */
import * as Order from "@tenon/examples/order/Order"
import * as ServicesSql from "@tenon/examples/order/ServicesSql"
import type { Transport } from "@tenon/messaging/Transport"
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import type * as Directory from "@tenon/routing-slip/Directory"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { hostname } from "node:os"
import { join } from "node:path"
import { deleteQueues, deleteStreams, listens, rabbitUrl, redisUrl } from "../support/Brokers.ts"
import * as OtlpCollector from "../support/OtlpCollector.ts"
import { isAlive } from "../support/Processes.ts"
import * as Scratch from "../support/ScratchDatabase.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import { settled, story } from "../support/Slips.ts"
import * as SlipStore from "../support/SlipStore.ts"
import * as SlipTransport from "../support/SlipTransport.ts"
import * as TenonProcess from "../support/TenonProcess.ts"

const prefix = `tenon-processes-${process.pid}-`
const queues = Order.registry.activities.map(({ queue }) => queue)
const order = { customerId: "ada", cardToken: "card-token", amount: 100, itemId: "bolt", quantity: 2 }
const mesh = join(TenonProcess.packages, "examples/src/order/OrderMesh.ts")

interface Broker {
  readonly name: string
  readonly env: { readonly [name: string]: string }
  readonly transport: (url: string, roles: SlipStore.Roles) => Layer.Layer<Transport, unknown>
  readonly runs: boolean
}

const brokers: ReadonlyArray<Broker> = [
  { name: "PostgreSQL", env: { TRANSPORT: "postgres" }, transport: SlipTransport.over, runs: true },
  {
    name: "Redis",
    // What the killed worker's process was being handed comes again that much later.
    env: { TRANSPORT: "redis", REDIS_URL: redisUrl, REDIS_VISIBILITY: "2 seconds" },
    transport: () => TransportRedis.layer({ url: redisUrl, prefix }),
    runs: await listens(redisUrl)
  },
  {
    name: "RabbitMQ",
    env: { TRANSPORT: "rabbitmq", RABBITMQ_URL: rabbitUrl },
    transport: () => TransportRabbitMq.layer({ url: rabbitUrl, prefix }),
    runs: await listens(rabbitUrl)
  }
]

const pidOf = (activity: string, said: string) =>
  Array.from(said.matchAll(new RegExp(`^${activity} \\| started as process (\\d+)$`, "gm")), ([, pid]) => Number(pid))

/** The spans from the shop's to the one that no other has as its parent, those that only call something left out. */
const pathOf = (spans: ReadonlyArray<OtlpCollector.Span>): ReadonlyArray<string> => {
  const [root] = spans.filter(({ name }) => name === "shop")
  const trace = spans.filter(({ traceId }) => traceId === root?.traceId)
  const last = trace.find(({ name }) => name === "notify-customer execute")
  const path: Array<OtlpCollector.Span> = []
  for (let span = last; span !== undefined; span = trace.find(({ spanId }) => spanId === span?.parentSpanId)) {
    path.unshift(span)
  }
  return path.filter(({ name }) => !name.includes(".")).map(({ name, service }) => `${service}: ${name}`)
}

for (const { env, name, runs, transport } of brokers) {
  describe.skipIf(!runs)(`tenon run over ${name}`, () => {
    it.live(
      "carries orders through processes, undoes what must be, outlives a crash and drains",
      () =>
        Effect.gen(function* () {
          const database = yield* SlipDatabase.make
          const collector = yield* OtlpCollector.make()
          yield* Effect.provide(ServicesSql.prepare, Scratch.clientAt(database.url))
          const query = (text: string) =>
            Scratch.run(text).pipe(Effect.provide(Scratch.clientAt(database.url)), Effect.orDie)
          yield* query("insert into order_example.stock values ('bolt', 5)")
          const settings = {
            ...env,
            LOG_FORMAT: "line",
            TRANSPORT_PREFIX: prefix,
            DATABASE_URL: database.url,
            DATABASE_ROLE: database.roles.appRole,
            DATABASE_RELAY_ROLE: database.roles.relayRole
          }
          const run = yield* TenonProcess.start(["run", mesh, "--grace", "10 seconds"], {
            ...settings,
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.url
          })
          yield* run.says(/INFO +ready/, 3)

          // A planner asks what they can do, and where.
          const asked = yield* TenonProcess.start(["slip", "activities", "--text", "CHARGE", "--json"], settings)
          const { stdout } = yield* asked.ended
          const found: ReadonlyArray<Directory.Found> = JSON.parse(stdout).items
          assert.deepStrictEqual(
            found.map(({ activity, thing }) => [activity, thing.title]),
            [["charge-card", `orders/charge-card on ${hostname()}`]]
          )
          const queue = `${name === "PostgreSQL" ? "" : prefix}tenon.charge-card`
          const told = JSON.stringify(found[0]?.action)
          assert.match(told, new RegExp(`"href":"[a-z]+://[^@"]+/${queue}"`))

          yield* Effect.gen(function* () {
            // The happy path.
            const well = yield* Order.fulfil(order).pipe(RoutingSlip.dispatch)
            assert.strictEqual((yield* settled(well))?.status, "completed")
            assert.deepStrictEqual(yield* story(well), ["dispatched 0", "executed 1", "executed 2", "executed 3"])

            // A worker is killed, and the next order is carried out all the same.
            const [victim = 0] = pidOf("update-inventory", run.said.stderr)
            process.kill(victim, "SIGKILL")
            const [steady = 0] = pidOf("charge-card", run.said.stderr)

            // The stock is short: the payment goes back.
            const short = yield* Order.fulfil({ ...order, quantity: 4 }).pipe(RoutingSlip.dispatch)
            assert.strictEqual((yield* settled(short, "20 millis"))?.status, "faulted")
            assert.deepStrictEqual(yield* story(short), ["dispatched 0", "executed 1", "faulted 2", "compensated 1"])
            assert.isTrue(isAlive(steady))
            assert.strictEqual(pidOf("update-inventory", run.said.stderr).length, 2)

            // The notifier is down for a while.
            yield* query("insert into order_example.outages values ('notifier', 2)")
            const late = yield* Order.fulfil(order).pipe(
              RoutingSlip.dispatch,
              Effect.withSpan("shop"),
              Effect.provide(OtlpCollector.tracer(collector.url, "shop"))
            )
            assert.strictEqual((yield* settled(late))?.status, "completed")
            assert.deepStrictEqual((yield* story(late)).slice(2), [
              "executed 2",
              "retrying 3",
              "retrying 3",
              "executed 3"
            ])
          }).pipe(
            Effect.provide(
              Layer.merge(transport(database.url, database.roles), SlipStore.over(database.url, database.roles))
            )
          )

          assert.deepStrictEqual(
            yield* query(`select (select count(*)::int from order_example.charges) as charges,
              (select count(*)::int from order_example.refunds) as refunds,
              (select quantity from order_example.stock) as left, (select count(*)::int from order_example.notices) as notices`),
            [{ charges: 3, refunds: 1, left: 1, notices: 2 }]
          )

          const pids = queues.flatMap((queue) => pidOf(queue.replace("tenon.", ""), run.said.stderr))
          run.child.kill("SIGTERM")
          const { code, stderr } = yield* run.ended
          assert.strictEqual(code, 0)
          assert.strictEqual(stderr.match(/INFO +draining/g)?.length, 3)
          assert.deepStrictEqual(pids.filter(isAlive), [])
          const listed = yield* query("select description::jsonb ->> 'title' as title from tenon.mesh_things")
          const dead = [{ title: `orders/update-inventory on ${hostname()}` }]
          assert.deepStrictEqual(listed, dead, "all took themselves off the list, but for the one that was killed")
          // What was left to send is sent at the end.
          assert.deepStrictEqual(pathOf(collector.spans), [
            "shop: shop",
            "orders/charge-card: charge-card execute",
            "orders/update-inventory: update-inventory execute",
            "orders/notify-customer: notify-customer execute"
          ])
          assert.notInclude(collector.received(), order.cardToken)

          for (const line of stderr.trim().split("\n"))
            assert.match(line, /^(orders|charge-card|update-inventory|notify-customer) \| /)
        }),
      120_000
    )
  })
}

afterAll(async () => {
  if (await listens(redisUrl)) await deleteStreams(queues, prefix)
  if (await listens(rabbitUrl)) await deleteQueues(queues.map((queue) => `${prefix}${queue}`))
})
