/** The mesh of a fault run: activities that write down what they did, and how a worker of them is put together. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Transactions } from "@tenon/messaging/Transactions"
import type { Transport, TransportError } from "@tenon/messaging/Transport"
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import * as TransportSql from "@tenon/messaging/TransportSql"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import * as HopStoreSql from "@tenon/routing-slip/HopStoreSql"
import * as Registry from "@tenon/routing-slip/Registry"
import * as Security from "@tenon/routing-slip/Security"
import * as Notifications from "@tenon/sql/Notifications"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

/** What carries the messages. */
export type Broker = "Redis" | "RabbitMQ" | "PostgreSQL"

/** What every process of the mesh is told. */
export const Settings = Schema.Struct({
  broker: Schema.Literals(["Redis", "RabbitMQ", "PostgreSQL"]),
  brokerUrl: Schema.String,
  databaseUrl: Schema.String,
  activities: Schema.Int
})
export interface Settings extends Schema.Struct.Type<typeof Settings.fields> {}

/** The world outside, which tells a repeated idempotency key: each counts once. */
export class Effects extends Context.Service<
  Effects,
  { readonly apply: (key: string) => Effect.Effect<void, OutsideDown> }
>()("@tenon/examples/fault/Effects") {}

/** The world outside does not answer. */
export class OutsideDown extends Schema.TaggedError<OutsideDown>()("OutsideDown", {}) {}

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {}) {}

const apply = Effect.gen(function* () {
  const { idempotencyKey } = yield* ActivityContext
  yield* (yield* Effects).apply(idempotencyKey)
})

const patience = { times: 1_000, delay: "300 millis", factor: 1 } as const

/** One activity of the mesh. A refusal is tried as often as an outage, so it says at once that it is one. */
const numbered = (index: number) =>
  Activity.make(`work-${index}`, {
    arguments: {},
    log: { done: Schema.Boolean },
    retry: patience,
    compensationRetry: patience,
    execute: () => Effect.as(apply, { done: true }),
    compensate: () => apply
  })

/** Ends a slip, well or not. */
export const last = Activity.make("last", {
  arguments: { well: Schema.Boolean },
  execute: ({ well }) => (well ? Effect.void : Effect.fail(new Refusal()))
})

/** The numbered activities of a mesh. */
export const activities = (count: number) => Array.from({ length: count }, (_, index) => numbered(index))

/** All activities of a mesh. */
export const registry = (count: number) => Registry.make(...activities(count), last)

const role = "tenon_app"
const relayRole = "tenon_relay"

/** Transport, store and security of one process, on few connections. */
export const infrastructure = ({ broker, brokerUrl, databaseUrl }: Settings) => {
  const url = Redacted.make(databaseUrl)
  const transactions = Layer.effect(Transactions, TenantSql.TenantSql).pipe(
    Layer.provide(TenantSql.layer({ url, role, maxConnections: 3 }))
  )
  const transports = {
    Redis: () => TransportRedis.layer({ url: brokerUrl, visibility: "5 seconds" }),
    RabbitMQ: () => TransportRabbitMq.layer({ url: brokerUrl }),
    PostgreSQL: () =>
      TransportSql.layer({ relayRole, visibility: "5 seconds" }).pipe(
        Layer.provide(Layer.effect(TransportSql.Listener, Notifications.Notifications)),
        Layer.provide(Notifications.layer({ url }))
      )
  }
  const transport: Layer.Layer<Transport, TransportError, Transactions> = transports[broker]()
  return Layer.mergeAll(transport, HopStoreSql.layer({ relayRole }), Security.layerUnsigned).pipe(
    Layer.provide(transactions)
  )
}

/** The world outside, as a table. */
export const effects = ({ databaseUrl }: Settings) =>
  Layer.effect(
    Effects,
    Effect.map(SqlClient.SqlClient, (sql) => ({
      apply: (key: string) =>
        sql`insert into effects (key) values (${key}) on conflict (key) do update set attempts = effects.attempts + 1`.pipe(
          // A lost connection is a defect of the client.
          Effect.catchCause(() => Effect.fail(new OutsideDown()))
        )
    }))
  ).pipe(Layer.provide(PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 1 })))
