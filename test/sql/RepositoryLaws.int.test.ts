import * as MemoryStore from "@tenon/core/MemoryStore"
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as StoreSql from "@tenon/sql/StoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import { registry, repositoryLaws } from "@tenon/testing/RepositoryLaws"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as StoreDatabase from "../support/StoreDatabase.ts"

const embedded = Layer.unwrap(
  Effect.gen(function* () {
    const { url } = yield* EmbeddedPostgres.start({ fsync: false })
    yield* Migrations.ensure({ registry }).pipe(Effect.provide(AdminSql.layer({ url })))
    return StoreSql.layer(registry).pipe(Layer.provide(TenantSql.layer({ url })))
  })
)

repositoryLaws("in memory", MemoryStore.layer(registry))
repositoryLaws("on the machine's PostgreSQL", StoreDatabase.layer)
repositoryLaws("on the embedded PostgreSQL", embedded)
