/** Rows of any resource, typed by its declaration: the port a host app reads and writes through besides actions. */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { CurrentActor } from "./Actor.ts"
import { type ActionFailure, InvalidOutcome, NotFound } from "./Failure.ts"
import { NewId } from "./NewId.ts"
import * as Query from "./Query.ts"
import type * as Resource from "./Resource.ts"
import * as RowCodec from "./RowCodec.ts"
import { RowStore } from "./RowStore.ts"

/** Reads and saves rows of the current actor's tenant. Actions are the way to change rows with rules. */
export class Repository extends Context.Service<
  Repository,
  {
    /** Upserts by the conflict rule, fills defaults, and returns the row that stands. */
    readonly save: <R extends Resource.Any>(
      resource: R,
      draft: Resource.Draft<R>
    ) => Effect.Effect<Resource.Row<R>, ActionFailure, CurrentActor>
    readonly get: <R extends Resource.Any>(
      resource: R,
      key: string
    ) => Effect.Effect<Resource.Row<R>, ActionFailure, CurrentActor>
    /** The rows with these keys in the order of the keys, in one round trip; `None` where there is none. */
    readonly getMany: <R extends Resource.Any>(
      resource: R,
      keys: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<Option.Option<Resource.Row<R>>>, ActionFailure, CurrentActor>
    readonly list: <R extends Resource.Any>(
      resource: R,
      parameters?: Query.Parameters
    ) => Effect.Effect<Query.Page<Resource.Row<R>>, ActionFailure, CurrentActor>
    /** All rows that match, read page by page. Rows saved meanwhile may be missed, but none is given twice. */
    readonly stream: <R extends Resource.Any>(
      resource: R,
      parameters?: Query.Parameters
    ) => Stream.Stream<Resource.Row<R>, ActionFailure, CurrentActor>
    readonly count: (
      resource: Resource.Any,
      parameters?: Pick<Query.Parameters, "filters">
    ) => Effect.Effect<number, ActionFailure, CurrentActor>
    /** Whether there was a row to delete. */
    readonly delete: (resource: Resource.Any, key: string) => Effect.Effect<boolean, ActionFailure, CurrentActor>
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

    return Repository.of({
      save: <R extends Resource.Any>(resource: R, draft: Resource.Draft<R>) =>
        Effect.gen(function* () {
          const given = yield* context
          const codec = RowCodec.of(resource)
          const encoded = codec.encodeDraft(draft, given, undefined)
          if (Result.isFailure(encoded)) {
            return yield* new InvalidOutcome({ resource: resource.name, issues: encoded.failure })
          }
          return codec.decode(yield* store.save(given.actor, resource, encoded.success)) as Resource.Row<R>
        }),
      get: <R extends Resource.Any>(resource: R, key: string) =>
        Effect.gen(function* () {
          const row = yield* store.find(yield* CurrentActor, resource, key)
          if (row === undefined) return yield* new NotFound({ resource: resource.name, key })
          return RowCodec.of(resource).decode(row) as Resource.Row<R>
        }),
      getMany: <R extends Resource.Any>(resource: R, keys: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const rows = yield* store.findMany(yield* CurrentActor, resource, keys)
          const byKey = new Map(
            rows.map((row) => [row[resource.key], RowCodec.of(resource).decode(row) as Resource.Row<R>])
          )
          return keys.map((key) => Option.fromNullishOr(byKey.get(key)))
        }),
      list: <R extends Resource.Any>(resource: R, parameters: Query.Parameters = {}) =>
        Effect.map(page(resource, parameters), ({ items, next }) => ({
          items: items.map((row) => RowCodec.of(resource).decode(row) as Resource.Row<R>),
          next
        })),
      stream: <R extends Resource.Any>(resource: R, parameters: Query.Parameters = {}) =>
        Stream.paginate(parameters.after, (after) =>
          Effect.map(
            page(resource, { limit: String(Query.maxLimit), ...parameters, after }),
            ({ items, next }) =>
              [
                items.map((row) => RowCodec.of(resource).decode(row) as Resource.Row<R>),
                Option.map(Option.fromNullishOr(next), (cursor): string | undefined => cursor)
              ] as const
          )
        ),
      count: (resource, parameters = {}) =>
        Effect.gen(function* () {
          const query = yield* Effect.fromResult(Query.parse(resource, parameters))
          return yield* store.count(yield* CurrentActor, resource, query)
        }),
      delete: (resource, key) => Effect.flatMap(CurrentActor, (actor) => store.remove(actor, resource, key))
    })
  })
)
