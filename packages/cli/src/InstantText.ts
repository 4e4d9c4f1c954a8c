/** Instants as they are given on command lines and in query strings. */
import * as Schema from "effect/Schema"

/**
 * A date, or a date and time with its zone (ISO 8601, RFC 3339). JavaScript's own reader would take `1` for a day in
 * 2001 and read a time without a zone by this machine's.
 */
export const InstantText = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/, {
    message: "must be an instant with its zone, as in 2026-11-21T08:00:00Z"
  })
).pipe(Schema.decodeTo(Schema.DateTimeUtcFromString))
