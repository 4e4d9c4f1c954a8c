/** Rows and pages over PostgreSQL: one round trip each, but for a save that numbers its row. */
import * as Failure from "@tenon/core/Failure"
import * as Query from "@tenon/core/Query"
import type { Registry } from "@tenon/core/Registry"
import type * as Resource from "@tenon/core/Resource"
import { RowStore } from "@tenon/core/RowStore"
import type { Actor } from "@tenon/core/Actor"
import type { Change, EncodedRow } from "@tenon/core/UnitOfWork"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RowSql from "./RowSql.ts"
import * as SaveSql from "./SaveSql.ts"
import * as SqlFailure from "./SqlFailure.ts"
import * as StoreTables from "./StoreTables.ts"
import { type Statement, TenantSql } from "./TenantSql.ts"

/** How often a transaction is tried that collides with others. */
const attempts = 6

const scopeOf = (actor: Actor) => ({ tenantId: actor.tenantId, actorId: actor.id })

class Stale {
  readonly _tag = "Stale"
}

class Taken {
  readonly _tag = "Taken"
}

/** Why nothing was saved. */
type Refused = SqlFailure.SqlFailure | Failure.InvalidTransition | Failure.InvalidOutcome | Stale | Taken

/** Reads and saves rows of the registry's resources. */
export const layer = (registry: Registry, options?: StoreTables.Options): Layer.Layer<RowStore, never, TenantSql> =>
  Layer.effect(
    RowStore,
    Effect.gen(function* () {
      const sql = yield* TenantSql
      const tables = StoreTables.make(registry, options)

      const failed = (
        failure: SqlFailure.SqlFailure,
        changes: ReadonlyArray<Change> = []
      ): Effect.Effect<never, Failure.Failure> => {
        const known = tables.toFailure(failure, changes)
        return known === undefined ? Effect.die(failure) : Effect.fail(known)
      }

      // A read changes nothing, so one that was cut off is sent again.
      const query = (actor: Actor, statement: Statement) => {
        const once = Effect.map(sql.batch(scopeOf(actor), [statement]), ([rows]) => rows ?? [])
        return once.pipe(
          Effect.catchTag("ConnectionLost", () => once),
          Effect.catch((failure) => failed(failure))
        )
      }

      const save = (
        actor: Actor,
        resource: Resource.Any,
        row: EncodedRow,
        foresee: boolean,
        attempt: number
      ): Effect.Effect<EncodedRow, Failure.Failure> => {
        const changes: ReadonlyArray<Change> = [{ _tag: "Save", resource, row }]
        const saving = tables.of(resource).saves.save(actor.tenantId, row, { foresee, mode: undefined })
        const conflict = () =>
          new Failure.VersionConflict({
            resource: resource.name,
            key: String(row[resource.key]),
            expected: saving.expected
          })
        const again = Effect.suspend(() =>
          attempt >= attempts
            ? Effect.fail(new Failure.Unavailable({ what: "The database" }))
            : Effect.delay(
                Effect.suspend(() => save(actor, resource, row, foresee, attempt + 1)),
                Math.random() * 5 * 2 ** attempt
              )
        )
        const sent: Effect.Effect<EncodedRow, Refused> =
          saving.foreseen === undefined
            ? sql.transaction(scopeOf(actor), (tx) =>
                Effect.flatMap(tx.run(saving.statements), (answers): Effect.Effect<EncodedRow, Refused> => {
                  const stands = saving.read(answers)
                  if (stands === "stale") return Effect.fail(new Stale())
                  if (stands === "taken") return Effect.fail(new Taken())
                  if (stands === "collided") return Effect.fail(collided)
                  if ("_tag" in stands) return Effect.fail(stands)
                  return Effect.as(tx.commit([]), stands.row)
                })
              )
            : Effect.as(sql.batch(scopeOf(actor), saving.statements), saving.foreseen.row)
        return Effect.catch(sent, (failure): Effect.Effect<EncodedRow, Failure.Failure> => {
          switch (failure._tag) {
            case "Stale":
              return Effect.fail(conflict())
            case "InvalidTransition":
            case "InvalidOutcome":
              return Effect.fail(failure)
            case "Taken":
              return Effect.fail(new Failure.AlreadyExists({ resource: resource.name, fields: [resource.key] }))
            case "SerializationFailure":
            case "Deadlock":
              return again
            case "InvalidValue":
              if (failure.sqlState !== SaveSql.misjudged || !foresee) break
              return save(actor, resource, row, false, attempt)
          }
          return failed(failure, changes)
        })
      }

      const find: RowStore["Service"]["find"] = (actor, resource, key) => {
        if (!RowSql.isStorable(key)) return Effect.undefined
        const { decode, find } = tables.of(resource).rows
        return Effect.map(query(actor, find(actor.tenantId, key)), ([row]) =>
          row === undefined ? undefined : decode(row)
        )
      }

      return RowStore.of({
        find,
        findMany: (actor, resource, keys) => {
          const { decode, findMany } = tables.of(resource).rows
          const storable = [...new Set(keys)].filter(RowSql.isStorable)
          if (storable.length === 0) return Effect.succeed([])
          return Effect.map(query(actor, findMany(actor.tenantId, storable)), (rows) => rows.map(decode))
        },
        page: (actor, resource, asked) => {
          const { decode, page } = tables.of(resource).rows
          const rows = Effect.flatMap(
            Query.place(asked, (key) => find(actor, resource, key)),
            (placed) => query(actor, page(actor.tenantId, placed))
          )
          return Effect.map(rows, (found) => {
            const { more, rows } = RowSql.fitting(found, asked.limit)
            return Query.pageOf(resource, asked, rows.map(decode), more)
          })
        },
        count: (actor, resource, { filters }) =>
          Effect.map(query(actor, tables.of(resource).rows.count(actor.tenantId, filters)), ([row]) =>
            Number(row?.["n"] ?? 0)
          ),
        save: (actor, resource, row) => Effect.suspend(() => save(actor, resource, row, true, 1)),
        remove: (actor, resource, key) => {
          if (!RowSql.isStorable(key)) return Effect.succeed(false)
          const statement = tables.of(resource).rows.remove(actor.tenantId, key)
          return Effect.catch(
            Effect.map(sql.batch(scopeOf(actor), [statement]), ([rows]) => (rows ?? []).length > 0),
            (failure) => failed(failure)
          )
        }
      })
    })
  )

const collided = new SqlFailure.SerializationFailure({ sqlState: "40001", message: "concurrent transactions collided" })
