/** A store of the laws' resources over a database of its own. */
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as Migrations from "@tenon/sql/Migrations"
import * as StoreSql from "@tenon/sql/StoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import { registry } from "@tenon/testing/RepositoryLaws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scratch from "./ScratchDatabase.ts"

/** The database behind the store, for what only its administrator may do. */
export class StoreDatabase extends Context.Service<StoreDatabase, Scratch.Scratch>()("test/StoreDatabase") {}

/** Statements as the administrator. */
export const admin = (...statements: ReadonlyArray<string>) =>
  Effect.flatMap(StoreDatabase, (database) => Scratch.run(...statements).pipe(Scratch.on(database), Effect.orDie))

/** The store on the machine's PostgreSQL, dropped with the scope. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const database = yield* Scratch.scratch()
    yield* Migrations.ensure({ registry, ...database.names }).pipe(Scratch.on(database))
    return StoreSql.layer(registry, database.names).pipe(
      Layer.provideMerge(
        TenantSql.layer({ url: Redacted.make(Scratch.urlOf(database.name)), role: database.names.appRole })
      ),
      Layer.provideMerge(ReadinessChecks.layer),
      Layer.merge(Layer.succeed(StoreDatabase, database))
    )
  })
)
