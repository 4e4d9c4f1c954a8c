/**
 * Refuses work on a resource whose version in the database is not the one this process was built for (E3): it would
 * write rows that the other release cannot read. The answer is looked up again every few seconds while something
 * differs, so a migration that another process runs is noticed without a restart.
 */
import { SchemaMismatch } from "@tenon/core/Failure"
import type { Registry } from "@tenon/core/Registry"
import type * as Resource from "@tenon/core/Resource"
import { RowStore } from "@tenon/core/RowStore"
import { UnitOfWork } from "@tenon/core/UnitOfWork"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TenantSql } from "./TenantSql.ts"

const again = "5 seconds"

/** The store behind a check of versions. It must be given the store it guards, and gives one in its place. */
export const layer = (
  registry: Registry
): Layer.Layer<UnitOfWork | RowStore, never, UnitOfWork | RowStore | TenantSql> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const sql = yield* TenantSql
      const unitOfWork = yield* UnitOfWork
      const rows = yield* RowStore
      const mismatches = new Map<string, SchemaMismatch>()

      const look = Effect.gen(function* () {
        const [found = []] = yield* sql.batch({ tenantId: null }, [
          { sql: "select resource, version::int as version from tenon._schema_versions", params: [] }
        ])
        const versions = new Map(found.map((row) => [String(row["resource"]), Number(row["version"])]))
        mismatches.clear()
        for (const { name, version } of registry.resources) {
          const actual = versions.get(name) ?? 0
          if (actual !== version)
            mismatches.set(name, new SchemaMismatch({ resource: name, expected: version, actual }))
        }
        for (const mismatch of mismatches.values()) yield* Effect.logWarning(mismatch.message)
      }).pipe(Effect.catch((failure) => Effect.logWarning("The schema's versions cannot be read", failure.message)))

      yield* look
      yield* Effect.suspend(() => (mismatches.size === 0 ? Effect.void : look)).pipe(
        Effect.delay(again),
        Effect.forever,
        Effect.forkScoped
      )

      const guarded = <A, E, R>(
        resource: Resource.Any,
        effect: Effect.Effect<A, E, R>
      ): Effect.Effect<A, E | SchemaMismatch, R> =>
        Effect.suspend((): Effect.Effect<A, E | SchemaMismatch, R> => {
          const mismatch = mismatches.get(resource.name)
          return mismatch === undefined ? effect : Effect.fail(mismatch)
        })

      return Context.make(UnitOfWork, { run: (work) => guarded(work.self.resource, unitOfWork.run(work)) }).pipe(
        Context.add(RowStore, {
          find: (actor, resource, key) => guarded(resource, rows.find(actor, resource, key)),
          findMany: (actor, resource, keys) => guarded(resource, rows.findMany(actor, resource, keys)),
          page: (actor, resource, query) => guarded(resource, rows.page(actor, resource, query)),
          count: (actor, resource, query) => guarded(resource, rows.count(actor, resource, query)),
          save: (actor, resource, row) => guarded(resource, rows.save(actor, resource, row)),
          remove: (actor, resource, key) => guarded(resource, rows.remove(actor, resource, key))
        })
      )
    })
  )
