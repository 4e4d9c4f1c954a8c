/** A signal as its run's promise keeps it: what it says, and when it was given. */
import * as Schema from "effect/Schema"

/** The name that no payload from before there was a time has. */
const field = "tenon-signal"

const Kept = Schema.Struct({ [field]: Schema.Json, at: Schema.Number })

const isKept = Schema.is(Kept)

/**
 * What the promise is resolved with. `at` is of the signed context and not of the moment: a replay of the handler has
 * to resolve it with the same.
 */
export const write = (payload: Schema.Json, at: number): Schema.Json => ({ [field]: payload, at })

/** What the promise holds; without a time where it was resolved by a release that knew of none. */
export const read = (kept: Schema.Json): { readonly at: number | undefined; readonly outcome: Schema.Json } =>
  isKept(kept) ? { at: kept.at, outcome: kept[field] } : { at: undefined, outcome: kept }
