/**
 * Reads that an action needs beyond its own row, as data. The interpreter fetches them in the action's transaction
 * and hands them in as `loaded`.
 */
import { erase } from "./Erase.ts"
import type * as Resource from "./Resource.ts"
import * as RowCodec from "./RowCodec.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

/** Equality on some of a resource's fields. */
export type Where<R extends Resource.Typed> = Partial<Resource.Row<R>>

/** A read whose answer is an `A`. */
export interface Load<out A> {
  readonly _tag: "One" | "Optional" | "Many" | "Count"
  readonly resource: Resource.Any
  /** The key, for `One` and `Optional`. */
  readonly key: string | undefined
  /** Equality, for `Many` and `Count`, with values as they are stored. */
  readonly where: EncodedRow
  /** Rows at most, for `Many`. Where it is not said, `defaultLimit` for an action, and all of them for a stream. */
  readonly limit: number | undefined
  /** The field by whose value the last rows are taken, for `Many`. */
  readonly last: string | undefined
  /** For `Many`: answered by a `LoadedPage`. */
  readonly page: Page | undefined
  readonly _A?: (_: never) => A
}

/** A part of the rows, in the order of their keys. */
export interface Page {
  /** Only rows whose keys come after this one. */
  readonly after: string | number | undefined
  /** Bytes of values with which it ends, however few its rows. */
  readonly bytes: number
}

/** How many rows an action is given at most, unless it says otherwise: what it decides on has to fit in memory. */
export const defaultLimit = 1000

/** Loads by the name under which an action receives their answers. */
export type Loads = { readonly [name: string]: Load<unknown> }

/** What an action receives for its loads. */
export type Loaded<L extends Loads> = { readonly [K in keyof L]: L[K] extends Load<infer A> ? A : never }

const load = <A>(
  _tag: Load<A>["_tag"],
  resource: Resource.Typed,
  options: { readonly key?: string; readonly where?: object; readonly limit?: number; readonly last?: string }
): Load<A> => ({
  _tag,
  resource: erase(resource),
  key: options.key,
  where: RowCodec.of(erase(resource)).encodeWhere({ ...options.where }),
  limit: options.limit,
  last: options.last,
  page: undefined
})

/** The row with this key. The action fails with `NotFound` where there is none. */
export const one = <R extends Resource.Typed>(resource: R, key: string): Load<Resource.Row<R>> =>
  load("One", resource, { key })

/** The row with this key, or `undefined`. */
export const optional = <R extends Resource.Typed>(resource: R, key: string): Load<Resource.Row<R> | undefined> =>
  load("Optional", resource, { key })

/**
 * The rows that match, in the order of their keys; `defaultLimit` at most, unless `limit` says otherwise. With `last`,
 * the rows with the highest values in that field, in ascending order: the last messages of a thread, by position.
 */
export const many = <R extends Resource.Typed>(
  resource: R,
  where: Where<R>,
  options?: { readonly limit?: number; readonly last?: keyof Resource.Row<R> & string }
): Load<ReadonlyArray<Resource.Row<R>>> => load("Many", resource, { where, ...options })

/** How many rows match. */
export const count = <R extends Resource.Typed>(resource: R, where: Where<R>): Load<number> =>
  load("Count", resource, { where })
