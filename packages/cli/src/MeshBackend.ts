/**
 * Where slips travel and where they are remembered, from configuration: `TRANSPORT` names the broker and the URL that
 * belongs to it says where that is; `DATABASE_URL` names the store, and carries the queues where nothing else does.
 */
import { Transactions } from "@tenon/messaging/Transactions"
import type { Transport, TransportError } from "@tenon/messaging/Transport"
import * as Directory from "@tenon/routing-slip/Directory"
import * as DirectorySql from "@tenon/routing-slip/DirectorySql"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as HopStoreSql from "@tenon/routing-slip/HopStoreSql"
import type { HopStore } from "@tenon/routing-slip/HopStore"
import { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import * as Notifications from "@tenon/sql/Notifications"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** Which broker. */
export const Kind = Schema.Literals(["memory", "postgres", "redis", "rabbitmq"])
export type Kind = typeof Kind.Type

/** The settings cannot work together. */
export class BackendError extends Schema.TaggedError<BackendError>()("BackendError", { message: Schema.String }) {}

/** The broker that `TRANSPORT` names; else the one whose URL is set; else the database. */
export const kind: Effect.Effect<Kind, BackendError | Config.ConfigError> = Effect.gen(function* () {
  const named = yield* Config.option(Config.NonEmptyString("TRANSPORT"))
  if (Option.isSome(named)) {
    const found = Kind.literals.find((each) => each === named.value)
    if (found !== undefined) return found
    return yield* new BackendError({ message: `TRANSPORT must be one of ${Kind.literals.join(", ")}.` })
  }
  const isSet = (name: string) => Effect.map(Config.option(Config.NonEmptyString(name)), Option.isSome)
  if (yield* isSet("REDIS_URL")) return "redis"
  return (yield* isSet("RABBITMQ_URL")) ? "rabbitmq" : "postgres"
})

const relayRole = Config.NonEmptyString("DATABASE_RELAY_ROLE").pipe(Config.withDefault("tenon_relay"))

type SqlFailure = Layer.Error<typeof TenantSql.layerConfig> | Layer.Error<typeof Notifications.layerConfig>

/** A broker's client is loaded only where it is used: a process for each activity would hold all of them in memory. */
const ofKind = Effect.fnUntraced(function* (
  kind: Kind,
  prefix: { readonly prefix?: string }
): Effect.fn.Return<Layer.Layer<Transport, TransportError | SqlFailure>, Config.ConfigError> {
  switch (kind) {
    case "postgres": {
      const TransportSql = yield* Effect.promise(() => import("@tenon/messaging/TransportSql"))
      return TransportSql.layer({ relayRole: yield* relayRole }).pipe(
        Layer.provide([
          Layer.effect(Transactions, TenantSql.TenantSql),
          Layer.effect(TransportSql.Listener, Notifications.Notifications)
        ]),
        Layer.provide([TenantSql.layerConfig, Notifications.layerConfig])
      )
    }
    case "memory": {
      const TransportMemory = yield* Effect.promise(() => import("@tenon/messaging/TransportMemory"))
      return TransportMemory.layer
    }
    case "redis": {
      const TransportRedis = yield* Effect.promise(() => import("@tenon/messaging/TransportRedis"))
      const visibility = yield* Config.option(Config.Duration("REDIS_VISIBILITY"))
      return TransportRedis.layer({
        ...prefix,
        url: yield* Config.NonEmptyString("REDIS_URL"),
        ...(Option.isSome(visibility) ? { visibility: visibility.value } : {})
      })
    }
    case "rabbitmq": {
      const TransportRabbitMq = yield* Effect.promise(() => import("@tenon/messaging/TransportRabbitMq"))
      return TransportRabbitMq.layer({ ...prefix, url: yield* Config.NonEmptyString("RABBITMQ_URL") })
    }
  }
})

/**
 * Where slips travel. On Redis and RabbitMQ `TRANSPORT_PREFIX` comes before the names of queues, so that several meshes
 * can share a broker.
 */
export const transport = Layer.unwrap(
  Effect.gen(function* () {
    const prefix = yield* Config.option(Config.NonEmptyString("TRANSPORT_PREFIX"))
    return yield* ofKind(yield* kind, Option.isSome(prefix) ? { prefix: prefix.value } : {})
  })
)

/** What workers remember, in the database at hand. */
export const storeOver = Layer.unwrap(Effect.map(relayRole, (role) => HopStoreSql.layer({ relayRole: role }))).pipe(
  Layer.provide(Layer.effect(HopStoreSql.Transactions, TenantSql.TenantSql))
)

/** What workers say they can do, in the database at hand. */
export const directoryOver = Layer.unwrap(
  Effect.map(relayRole, (role) => DirectorySql.layer({ relayRole: role }))
).pipe(Layer.provide(Layer.effect(Transactions, TenantSql.TenantSql)))

/** The same in the database that `DATABASE_URL` names; it adds the question whether that answers. */
const storeSql = storeOver.pipe(
  Layer.merge(
    Layer.effectDiscard(
      Effect.gen(function* () {
        const checks = yield* Effect.serviceOption(ReadinessChecks)
        const sql = yield* TenantSql.TenantSql
        if (Option.isNone(checks)) return
        yield* checks.value.add("database", sql.batch({ tenantId: null }, [{ sql: "select 1", params: [] }]))
      })
    )
  ),
  Layer.provide(TenantSql.layerConfig)
)

/** Where neither broker nor store is. */
export const isAlone = Effect.gen(function* () {
  const database = yield* Config.option(Config.Redacted("DATABASE_URL"))
  return Option.isNone(database) && (yield* kind) === "memory"
})

/** In memory only where the broker is in memory too: there is one process, and nothing is to survive it. */
export const store = Layer.unwrap(
  Effect.gen(function* () {
    const chosen: Layer.Layer<HopStore, StoreFailure> = (yield* isAlone) ? HopStoreMemory.layer : storeSql
    return chosen
  })
)

type StoreFailure = Layer.Error<typeof storeSql>

/** What workers say they can do, beside what they remember. */
export const directory = Layer.unwrap(
  Effect.gen(function* () {
    const inDatabase = directoryOver.pipe(Layer.provide(TenantSql.layerConfig))
    const chosen: Layer.Layer<Directory.Directory, StoreFailure> = (yield* isAlone) ? Directory.layerMemory : inDatabase
    return chosen
  })
)

const urls = { postgres: "DATABASE_URL", redis: "REDIS_URL", rabbitmq: "RABBITMQ_URL" } as const

/** What a queue is called at the broker. */
export const queueName = Effect.gen(function* () {
  const broker = yield* kind
  const named = broker === "redis" || broker === "rabbitmq"
  const prefix = named ? yield* Config.option(Config.NonEmptyString("TRANSPORT_PREFIX")) : Option.none()
  return (queue: string) => `${Option.getOrElse(prefix, () => "")}${queue}`
})

/** Where the broker is, without credentials and settings; undefined where no URL says so. */
export const brokerUri = Effect.gen(function* () {
  const broker = yield* kind
  const url = broker === "memory" ? Option.none() : yield* Config.option(Config.Redacted(urls[broker]))
  if (Option.isNone(url)) return undefined
  const { host, pathname, protocol } = new URL(Redacted.value(url.value))
  return { protocol, host, pathname: pathname.replace(/\/$/, "") }
})

/** The URI at which a queue of the broker takes messages: the broker's, without credentials and settings. */
export const queueUri = Effect.gen(function* () {
  const [broker, name, uri] = [yield* kind, yield* queueName, yield* brokerUri]
  const base = uri === undefined ? `${broker}:` : `${uri.protocol}//${uri.host}${uri.pathname}`
  return (queue: string) => `${base}/${encodeURIComponent(name(queue))}`
})
