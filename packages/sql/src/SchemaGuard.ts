/**
 * Stands before a store and lets nothing through to a database that is not what this process was built for.
 *
 * Isolation (T2): a process does not start on a database that does not keep tenants apart as declared. Versions (E3):
 * work that touches a resource of another version is refused, since it would write rows that the other release cannot
 * read. Until both were looked at, as while the database is down, everything is refused. Versions are looked at every
 * few seconds, so a migration that another process runs is noticed without a restart, whichever of the two is ahead.
 */
import { type ActionFailure, type SchemaMismatch, Unavailable } from "@tenon/core/Failure"
import type { Loads } from "@tenon/core/Load"
import { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import type { Registry } from "@tenon/core/Registry"
import type * as Resource from "@tenon/core/Resource"
import { RowStore } from "@tenon/core/RowStore"
import { type Plan, UnitOfWork, type Work } from "@tenon/core/UnitOfWork"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Ddl from "./Ddl.ts"
import * as IsolationCheck from "./IsolationCheck.ts"
import * as RecordedVersions from "./RecordedVersions.ts"
import { TenantSql } from "./TenantSql.ts"

/** How long after a look the next one is: soon where something is refused. */
const again = { served: "5 seconds", refused: "1 second" } as const

/** What the last look came to: why nothing is served at all, or which resources are not. */
type Seen = Unavailable | ReadonlyMap<string, SchemaMismatch>

/** The store behind the looks. It must be given the store it guards, and gives one in its place. */
export const layer = (
  registry: Registry,
  options?: Ddl.Options
): Layer.Layer<
  UnitOfWork | RowStore,
  IsolationCheck.IsolationBroken,
  UnitOfWork | RowStore | TenantSql | ReadinessChecks
> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const unitOfWork = yield* UnitOfWork
      const rows = yield* RowStore
      const checks = yield* ReadinessChecks
      let isApart = false
      let seen: Seen = new Unavailable({ what: "The database" })

      const lookAtVersions = Effect.map(versions, (found) => {
        const mismatches = new Map(RecordedVersions.compare(registry, found).map((each) => [each.resource, each]))
        const news = [...mismatches.values()].filter(
          ({ actual, resource }) => seen instanceof Unavailable || seen.get(resource)?.actual !== actual
        )
        seen = mismatches
        return news
      }).pipe(
        Effect.flatMap((news) => Effect.forEach(news, ({ message }) => Effect.logWarning(message), { discard: true }))
      )

      const look = Effect.gen(function* () {
        if (!isApart) {
          const findings = yield* IsolationCheck.find(registry, options)
          if (findings.length > 0) return yield* new IsolationCheck.IsolationBroken({ findings })
          isApart = true
        }
        yield* lookAtVersions
      })
      const unasked = (failure: { readonly message: string }) =>
        Effect.logWarning("The database cannot be asked for its schema", failure.message)

      yield* Effect.catchIf(look, (failure) => failure._tag !== "IsolationBroken", unasked)
      yield* Effect.suspend(() => Effect.sleep(isEmpty(seen) ? again.served : again.refused)).pipe(
        Effect.andThen(look),
        Effect.catch((failure) =>
          failure._tag === "IsolationBroken" ? Effect.logError(failure.message) : unasked(failure)
        ),
        Effect.forever,
        Effect.forkScoped
      )

      const refusalOf = (resource: Resource.Any) => (seen instanceof Unavailable ? seen : seen.get(resource.name))
      yield* checks.add(
        "schema",
        Effect.suspend(() => refusedIn(seen))
      )

      const guarded = <A, E, R>(
        resource: Resource.Any,
        effect: Effect.Effect<A, E, R>
      ): Effect.Effect<A, E | SchemaMismatch | Unavailable, R> =>
        Effect.suspend((): Effect.Effect<A, E | SchemaMismatch | Unavailable, R> => {
          const refusal = refusalOf(resource)
          return refusal === undefined ? effect : Effect.fail(refusal)
        })

      /** Refuses what the action loads and saves besides its own row, before anything is saved. */
      const watched = (work: Work): Work => ({
        ...work,
        loads: work.loads && ((self) => Result.flatMap(work.loads?.(self) ?? nothing, ofLoads)),
        decide: (self, loaded) => Result.flatMap(work.decide(self, loaded), ofPlan)
      })
      const ofLoads = (loads: Loads) => allowed(loads, Object.values(loads))
      const ofPlan = (plan: Plan) => allowed(plan, plan.changes)
      const allowed = <A>(
        value: A,
        touched: ReadonlyArray<{ readonly resource: Resource.Any }>
      ): Result.Result<A, ActionFailure> => {
        for (const { resource } of touched) {
          const refusal = refusalOf(resource)
          if (refusal !== undefined) return Result.fail(refusal)
        }
        return Result.succeed(value)
      }

      return Context.make(UnitOfWork, {
        run: (work) => guarded(work.self.resource, unitOfWork.run(isEmpty(seen) ? work : watched(work)))
      }).pipe(
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

const nothing: Result.Result<Loads, ActionFailure> = Result.succeed({})

/**
 * What it is not ready for: a database that its release still has to migrate. One that a newer release has migrated is
 * no reason to take the old one away before the new one is there: it serves all that has not changed.
 */
const refusedIn = (seen: Seen): Effect.Effect<void, Unavailable | SchemaMismatch> => {
  const refused = seen instanceof Unavailable ? [seen] : [...seen.values()]
  const first = refused.find((each) => each instanceof Unavailable || each.actual < each.expected)
  return first === undefined ? Effect.void : Effect.fail(first)
}

const isEmpty = (seen: Seen) => !(seen instanceof Unavailable) && seen.size === 0

/** The versions in the database; none where it was never migrated. */
const versions = Effect.gen(function* () {
  const sql = yield* TenantSql
  const [found = []] = yield* sql
    .batch({ tenantId: null }, [
      { sql: "select resource, version::int as version from tenon._schema_versions", params: [] }
    ])
    .pipe(
      Effect.catchTag("Other", (failure) =>
        ["42P01", "3F000"].includes(failure.sqlState) ? Effect.succeed([[]]) : Effect.fail(failure)
      )
    )
  return found
})
