/**
 * Reads and writes of single rows and pages, under the actor's tenant. `Repository` is its typed face; the HTTP list
 * routes use it as it is, since rows are already in their JSON encoding.
 *
 * Implementations: `MemoryStore`, and `RowStoreSql` of `@tenon/sql`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Actor } from "./Actor.ts"
import type { ActionFailure } from "./Failure.ts"
import type { Page, Query } from "./Query.ts"
import type * as Resource from "./Resource.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

/** Rows of any resource, in their JSON encoding. Every call sees the actor's tenant only. */
export class RowStore extends Context.Service<
  RowStore,
  {
    readonly find: (
      actor: Actor,
      resource: Resource.Any,
      key: string
    ) => Effect.Effect<EncodedRow | undefined, ActionFailure>
    /** The rows with these keys, in any order, in one round trip. */
    readonly findMany: (
      actor: Actor,
      resource: Resource.Any,
      keys: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<EncodedRow>, ActionFailure>
    readonly page: (
      actor: Actor,
      resource: Resource.Any,
      query: Query
    ) => Effect.Effect<Page<EncodedRow>, ActionFailure>
    readonly count: (
      actor: Actor,
      resource: Resource.Any,
      query: Pick<Query, "filters">
    ) => Effect.Effect<number, ActionFailure>
    /** Upserts by the resource's conflict rule and returns the row that stands. */
    readonly save: (actor: Actor, resource: Resource.Any, row: EncodedRow) => Effect.Effect<EncodedRow, ActionFailure>
    /** Whether there was a row to remove. */
    readonly remove: (actor: Actor, resource: Resource.Any, key: string) => Effect.Effect<boolean, ActionFailure>
  }
>()("@tenon/core/RowStore") {}
