/** Tells whether two requests with one idempotency key are the same request. */
import * as Hex from "effect/encoding/Hex"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"

/** SHA-256, in hexadecimal, of JSON in which the order of keys does not matter. */
export const of = (value: Schema.Json): Effect.Effect<string> =>
  Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical(value)))).pipe(
    Effect.map((digest) => Hex.encode(new Uint8Array(digest)))
  )

/** JSON in which the order of keys does not matter: they are sorted. */
export const canonical = (value: Schema.Json): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : each
  )
