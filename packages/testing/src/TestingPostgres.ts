/** The whole domain over a real PostgreSQL: a database of its own at the registry's schema, gone with the layer. */
import * as Interpreter from "@tenon/core/Interpreter"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import type * as Registry from "@tenon/core/Registry"
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as RuntimeSql from "@tenon/sql/RuntimeSql"
import * as StoreSql from "@tenon/sql/StoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Context from "effect/Context"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestDatabase from "./TestDatabase.ts"
import * as TestingRestate from "./TestingRestate.ts"
import { type Options, type ServerOptions, services } from "./TestingServices.ts"

/** The database under test, for what only its administrator may do. */
export class Database extends Context.Service<Database, TestDatabase.TestDatabase>()("@tenon/testing/Database") {}

/** A store over a database of its own. */
export const layerStore = (registry: Registry.Registry, options: ServerOptions = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const server = options.server ?? (yield* EmbeddedPostgres.start({ fsync: false })).url
      const database = yield* TestDatabase.make(server)
      const { names, url } = database
      yield* Migrations.ensure({ registry, ...names }).pipe(Effect.provide(AdminSql.layer({ url })))
      return StoreSql.layer(registry, names).pipe(
        Layer.provideMerge(TenantSql.layer({ url, role: names.appRole })),
        Layer.provideMerge(ReadinessChecks.layer),
        Layer.merge(Layer.succeed(Database, database))
      )
    })
  ).pipe(Layer.orDie)

/** As `Testing.layer`, over PostgreSQL alone: durable actions and workflows run on it too. */
export const layer = <R = RunEvents>(registry: Registry.Registry, options: Options<R> & ServerOptions) =>
  Layer.mergeAll(Interpreter.layer, OutboxRelay.layer).pipe(
    Layer.provideMerge(RuntimeSql.layer()),
    Layer.provideMerge(services(registry, options)),
    Layer.provideMerge(layerStore(registry, options))
  )

/** As `Testing.layer`, over PostgreSQL and Restate. */
export const layerRestate = <R = RunEvents>(registry: Registry.Registry, options: Options<R> & ServerOptions) =>
  Layer.mergeAll(Interpreter.layer, OutboxRelay.layer).pipe(
    Layer.provideMerge(TestingRestate.layerRuntime()),
    Layer.provideMerge(services(registry, options)),
    Layer.provideMerge(Layer.mergeAll(layerStore(registry, options), TestingRestate.layerServer())),
    Layer.orDie
  )
