/** A worker in a process of its own that kills itself with -9 wherever the table `crashes` says, once each. */
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import * as PgClient from "@effect/sql-pg/PgClient"
import { HopPoint } from "@tenon/routing-slip/HopPoint"
import * as Keys from "@tenon/routing-slip/Keys"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as Worker from "@tenon/routing-slip/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import { type ChildOptions, Effects, registry } from "./SlipCrashes.ts"
import * as SlipStore from "./SlipStore.ts"
import * as SlipTransport from "./SlipTransport.ts"

const options: ChildOptions = JSON.parse(process.argv[2] ?? "")
const { brokerUrl: url, databaseUrl, prefix, roles } = options
const visibility = "600 millis"
const transport = {
  Redis: () => TransportRedis.layer({ url, prefix, visibility }),
  RabbitMQ: () => TransportRabbitMq.layer({ url, prefix }),
  PostgreSQL: () => SlipTransport.over(databaseUrl, roles, { visibility })
}[options.transport]()

const crashes = Layer.effect(
  HopPoint,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const plan = new Set(
      (yield* sql<{ readonly at: string }>`select key || ' ' || point as at from crashes`).map(({ at }) => at)
    )
    // Two hops in different queues may come to their ends at once; this process dies for one of them only.
    let isDying = false
    return (point, key) => {
      if (!plan.has(`${key} ${point}`)) return Effect.void
      if (isDying) return Effect.never
      isDying = true
      return sql`delete from crashes where key = ${key} and point = ${point}`.pipe(
        Effect.andThen(Effect.sync(() => process.kill(process.pid, "SIGKILL"))),
        Effect.andThen(Effect.never),
        Effect.orDie
      )
    }
  })
)

const effects = Layer.effect(
  Effects,
  Effect.map(SqlClient.SqlClient, (sql) => ({
    apply: (key: string) =>
      sql`insert into effects (key) values (${key}) on conflict (key) do update set attempts = effects.attempts + 1`.pipe(
        Effect.asVoid,
        Effect.orDie
      )
  }))
)

const worker = Worker.layer(registry, {
  lease: "1 second",
  // One hop of `does` at a time, so that a death strikes no other hop before its own turn to die.
  prefetch: 1,
  relay: { interval: "200 millis", grace: "600 millis" }
}).pipe(
  Layer.provide(crashes),
  Layer.provide(
    Layer.mergeAll(
      effects,
      transport,
      SlipStore.over(databaseUrl, roles),
      SecuritySigned.layer({ signing: options.signing }).pipe(Layer.provide(Keys.layer(options.jwks)))
    )
  ),
  Layer.provide(PgClient.layer({ url: Redacted.make(options.databaseUrl), maxConnections: 3 }))
)

await Effect.runPromise(Layer.launch(worker))
