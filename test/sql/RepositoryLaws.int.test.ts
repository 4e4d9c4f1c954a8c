import * as MemoryStore from "@tenon/core/MemoryStore"
import * as Migrations from "@tenon/sql/Migrations"
import * as StoreSql from "@tenon/sql/StoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import { registry, repositoryLaws } from "@tenon/testing/RepositoryLaws"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scratch from "../support/ScratchDatabase.ts"

const sql = Layer.unwrap(
  Effect.gen(function* () {
    const database = yield* Scratch.scratch()
    yield* Migrations.ensure({ registry, ...database.names }).pipe(Scratch.on(database))
    return StoreSql.layer(registry, database.names).pipe(
      Layer.provide(TenantSql.layer({ url: Redacted.make(Scratch.urlOf(database.name)), role: database.names.appRole }))
    )
  })
)

repositoryLaws("in memory", MemoryStore.layer(registry))
repositoryLaws("in PostgreSQL", sql)
