/**
 * Where a whole application is put together, from configuration: the store over PostgreSQL, the runtime over Restate or
 * PostgreSQL, and HTTP in front. This file and its like in a host app are the only places that provide layers.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { AgentRun } from "@tenon/agents/AgentRun"
import * as LostRuns from "@tenon/agents/LostRuns"
import * as Executor from "@tenon/core/Executor"
import * as Interpreter from "@tenon/core/Interpreter"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import type * as Registry from "@tenon/core/Registry"
import * as Receipts from "@tenon/core/Receipts"
import * as Repository from "@tenon/core/Repository"
import type { Runtime } from "@tenon/core/Runtime"
import * as Setting from "@tenon/core/Setting"
import * as HttpApp from "@tenon/http/HttpApp"
import * as NodeServer from "@tenon/http/NodeServer"
import * as RestateEndpoint from "@tenon/restate/RestateEndpoint"
import * as RuntimeRestate from "@tenon/restate/RuntimeRestate"
import * as SlipRepository from "@tenon/routing-slip/SlipRepository"
import * as ApiKeysSql from "@tenon/sql/ApiKeysSql"
import * as RuntimeSql from "@tenon/sql/RuntimeSql"
import * as StoreSql from "@tenon/sql/StoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as AuthConfig from "./AuthConfig.ts"
import * as DirectoryRoutes from "./DirectoryRoutes.ts"
import * as FreshToken from "./FreshToken.ts"
import * as MeshBackend from "./MeshBackend.ts"
import { retention } from "./RetentionConfig.ts"
import * as SlipRoutes from "./SlipRoutes.ts"
import { programs, type TenonConfig } from "./TenonConfig.ts"
import * as Tracing from "./Tracing.ts"

/** The store of a registry, from `DATABASE_URL` and its like. */
export const storeLayer = (registry: Registry.Registry) =>
  StoreSql.layer(registry).pipe(
    Layer.provideMerge(ApiKeysSql.layer()),
    Layer.provideMerge(TenantSql.layerConfig),
    Layer.provideMerge(ReadinessChecks.layer)
  )

const httpServerLayer = NodeHttpServer.layerConfig(() => NodeServer.make(), {
  host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1")),
  port: Setting.port("PORT").pipe(Config.withDefault(3000))
})

const slipsLayer = SlipRepository.layer.pipe(
  Layer.provide([MeshBackend.storeOver, FreshToken.layer]),
  Layer.provide(NodeFileSystem.layer),
  Layer.merge(MeshBackend.directoryOver)
)

/** The routes of a mesh: its slips, and what its workers can do. */
const slipDoor = Effect.gen(function* () {
  const { onClosing, routes } = yield* SlipRoutes.make
  return { onClosing, routes: [...routes, yield* DirectoryRoutes.make] }
})

const httpLayer = ({ slips, title }: TenonConfig) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const accessLog = yield* Config.Boolean("ACCESS_LOG").pipe(Config.withDefault(true))
      const ofSlips = slips ? yield* Effect.provide(slipDoor, slipsLayer) : {}
      return HttpApp.layer({ info: { title, version: "1" }, accessLog, ...ofSlips })
    })
  )

const retentionLayer = Layer.effect(Receipts.Retention, retention("RECEIPT_RETENTION", Duration.days(7)))

const onRestate = RestateEndpoint.layerConfig.pipe(Layer.provideMerge(RuntimeRestate.layerConfig))

/** A process would lose its runs to others, and to itself, between two signs of life. */
class LeaseTooShort extends Schema.TaggedError<LeaseTooShort>()("LeaseTooShort", {}) {
  override get message() {
    return "RUNTIME_LEASE must be a second at least."
  }
}

/** Each look reads all active runs. */
class TooOften extends Schema.TaggedError<TooOften>()("TooOften", {}) {
  override get message() {
    return "LOST_RUNS_EVERY must be a second at least."
  }
}

const onPostgres = Layer.unwrap(
  Effect.gen(function* () {
    const lease = yield* Config.Duration("RUNTIME_LEASE").pipe(Config.withDefault(Duration.seconds(30)))
    if (Duration.isLessThan(lease, Duration.seconds(1))) return yield* new LeaseTooShort()
    return RuntimeSql.layer({
      concurrency: yield* Setting.count("RUNTIME_CONCURRENCY").pipe(Config.withDefault(100)),
      lease
    })
  })
)

type RuntimeLayer = Layer.Layer<
  Runtime,
  Layer.Error<typeof onRestate | typeof onPostgres>,
  Layer.Services<typeof onRestate | typeof onPostgres>
>

const runtimeConfig = Config.Literals(["restate", "postgres"], "RUNTIME").pipe(Config.withDefault("restate"))

/** Where durable actions and workflows run, as `RUNTIME` says: `restate`, or `postgres` for a host without Restate. */
const runtimeLayer = Layer.unwrap(
  Effect.map(runtimeConfig, (runtime): RuntimeLayer => (runtime === "restate" ? onRestate : onPostgres))
)

/** Restate can lose runs of agents; PostgreSQL has them beside their rows. */
const lostRunsLayer = (registry: Registry.Registry) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const every = yield* Config.Duration("LOST_RUNS_EVERY").pipe(Config.withDefault(Duration.seconds(30)))
      if (Duration.isLessThan(every, Duration.seconds(1))) return yield* new TooOften()
      const looks = (yield* runtimeConfig) === "restate" && registry.resource(AgentRun.name) !== undefined
      return looks ? LostRuns.layer({ every }) : Layer.empty
    })
  )

/** The application: everything that serves, until its scope closes. */
export const layer = (config: TenonConfig) => {
  const { registry, title } = config
  return Layer.mergeAll(
    httpLayer(config),
    Layer.provide(OutboxRelay.layer, retentionLayer),
    lostRunsLayer(registry)
  ).pipe(
    Layer.provideMerge(httpServerLayer),
    Layer.provideMerge(Interpreter.layer),
    Layer.provide(AuthConfig.layer),
    Layer.provide(runtimeLayer),
    Layer.provide([Executor.layer(registry), programs(config), FetchHttpClient.layer]),
    Layer.provideMerge(Repository.layer),
    Layer.provideMerge(storeLayer(registry)),
    Layer.provideMerge(Tracing.layer(title))
  )
}
