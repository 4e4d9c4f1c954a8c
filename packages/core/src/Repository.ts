/** Rows of any resource, typed by its declaration: the port a host app reads and writes through besides actions. */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { NoExcess } from "./Action.ts"
import { CurrentActor } from "./Actor.ts"
import { type ActionFailure, InvalidOutcome, NotFound } from "./Failure.ts"
import { NewId } from "./NewId.ts"
import * as Query from "./Query.ts"
import * as Resource from "./Resource.ts"
import * as RowCodec from "./RowCodec.ts"
import { RowStore } from "./RowStore.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

/** Reads and saves rows of the current actor's tenant. Actions are the way to change rows with rules. */
export class Repository extends Context.Service<
  Repository,
  {
    /** Upserts by the conflict rule, fills defaults, and returns the row that stands. */
    readonly save: <R extends Resource.Typed, D extends Resource.Draft<R>>(
      resource: R,
      draft: D & NoExcess<D, Resource.Row<R>>
    ) => Effect.Effect<Resource.Row<R>, ActionFailure, CurrentActor>
    readonly get: <R extends Resource.Typed>(
      resource: R,
      key: string
    ) => Effect.Effect<Resource.Row<R>, ActionFailure, CurrentActor>
    /** The rows with these keys in the order of the keys, in one round trip; `None` where there is none. */
    readonly getMany: <R extends Resource.Typed>(
      resource: R,
      keys: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<Option.Option<Resource.Row<R>>>, ActionFailure, CurrentActor>
    readonly list: <R extends Resource.Typed>(
      resource: R,
      parameters?: Query.Parameters
    ) => Effect.Effect<Query.Page<Resource.Row<R>>, ActionFailure, CurrentActor>
    /** All rows that match, read page by page. Rows saved meanwhile may be missed, but none is given twice. */
    readonly stream: <R extends Resource.Typed>(
      resource: R,
      parameters?: Query.Parameters
    ) => Stream.Stream<Resource.Row<R>, ActionFailure, CurrentActor>
    readonly count: (
      resource: Resource.Typed,
      parameters?: Pick<Query.Parameters, "filters">
    ) => Effect.Effect<number, ActionFailure, CurrentActor>
    /** Whether there was a row to delete. */
    readonly delete: (resource: Resource.Typed, key: string) => Effect.Effect<boolean, ActionFailure, CurrentActor>
  }
>()("@tenon/core/Repository") {}

/** The repository over any row store. */
export const layer: Layer.Layer<Repository, never, RowStore> = Layer.effect(
  Repository,
  Effect.gen(function* () {
    const store = yield* RowStore

    const page = Effect.fnUntraced(function* (resource: Resource.Any, parameters: Query.Parameters) {
      const actor = yield* CurrentActor
      const query = yield* Effect.fromResult(Query.parse(resource, parameters))
      return yield* store.page(actor, resource, query)
    })

    const context = Effect.gen(function* () {
      const actor = yield* CurrentActor
      const millis = yield* Clock.currentTimeMillis
      const newId = yield* NewId
      return { actor, tenantId: actor.tenantId, key: "", now: DateTime.makeUnsafe(millis), newId: () => newId(millis) }
    })

    const rowOf =
      <R extends Resource.Typed>(resource: R) =>
      (row: EncodedRow) =>
        RowCodec.of(Resource.erase(resource)).decode(row) as Resource.Row<R>

    return Repository.of({
      save: (typed, draft) =>
        Effect.gen(function* () {
          const resource = Resource.erase(typed)
          const given = yield* context
          const encoded = RowCodec.of(resource).encodeDraft(draft, given, undefined)
          if (Result.isFailure(encoded)) {
            return yield* new InvalidOutcome({ resource: resource.name, issues: encoded.failure })
          }
          return rowOf(typed)(yield* store.save(given.actor, resource, encoded.success))
        }),
      get: (typed, key) =>
        Effect.gen(function* () {
          const row = yield* store.find(yield* CurrentActor, Resource.erase(typed), key)
          if (row === undefined) return yield* new NotFound({ resource: typed.name, key })
          return rowOf(typed)(row)
        }),
      getMany: (typed, keys) =>
        Effect.gen(function* () {
          const resource = Resource.erase(typed)
          const rows = yield* store.findMany(yield* CurrentActor, resource, keys)
          const byKey = new Map(rows.map((row) => [row[resource.key], rowOf(typed)(row)]))
          return keys.map((key) => Option.fromNullishOr(byKey.get(key)))
        }),
      list: (typed, parameters = {}) =>
        Effect.map(page(Resource.erase(typed), parameters), ({ items, next }) => ({
          items: items.map(rowOf(typed)),
          next
        })),
      stream: (typed, parameters = {}) =>
        Stream.paginate(parameters.after, (after) =>
          Effect.map(
            page(Resource.erase(typed), { limit: String(Query.maxLimit), ...parameters, after }),
            ({ items, next }) =>
              [
                items.map(rowOf(typed)),
                Option.map(Option.fromNullishOr(next), (cursor): string | undefined => cursor)
              ] as const
          )
        ),
      count: (typed, parameters = {}) =>
        Effect.gen(function* () {
          const resource = Resource.erase(typed)
          const query = yield* Effect.fromResult(Query.parse(resource, parameters))
          return yield* store.count(yield* CurrentActor, resource, query)
        }),
      delete: (typed, key) => Effect.flatMap(CurrentActor, (actor) => store.remove(actor, Resource.erase(typed), key))
    })
  })
)
