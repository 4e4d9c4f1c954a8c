/**
 * Tells a row as it stands from all that has been or will be under its key: its version, and a digest of what everyone
 * may be shown of it.
 *
 * The version alone does not: it begins anew with a row that is made under the key of one that was removed, and what
 * the database changes by itself - a reference that it nulls, a column that a migration adds - it does not count.
 */
import * as Schema from "effect/Schema"
import * as Fingerprint from "./Fingerprint.ts"
import * as Resource from "./Resource.ts"
import * as RowCodec from "./RowCodec.ts"
import * as Sensitive from "./Sensitive.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

/** What a caller expects of a row: its version, or its mark, which says more. */
export const Expected = Schema.Union([Schema.Int, Schema.String])
export type Expected = typeof Expected.Type

/** `3-85944171f73967e8`; nothing where the resource has no versions. */
export const of = (resource: Resource.Any, row: EncodedRow): string | undefined => {
  const version = row[Resource.versionField(resource) ?? ""]
  if (typeof version !== "number") return undefined
  const present = RowCodec.of(resource).present(row) as Schema.Json
  const shown = Sensitive.hider(resource.schema)?.(present) ?? present
  return `${version}-${digest(Fingerprint.canonical(shown))}`
}

/** Whether a row is as expected. */
export const agrees = (resource: Resource.Any, row: EncodedRow | undefined, expected: Expected): boolean =>
  row !== undefined &&
  (typeof expected === "number"
    ? row[Resource.versionField(resource) ?? ""] === expected
    : of(resource, row) === expected)

/** The version that is expected. */
export const versionIn = (expected: Expected): number =>
  typeof expected === "number" ? expected : Number.parseInt(expected, 10)

const utf8 = new TextEncoder()

/**
 * FNV-1a of 64 bits, in hexadecimal. It has to be known at once, within a transaction, and keeps nobody out:
 * whoever could make two contents with one digest can write the row anyway.
 */
export const digest = (text: string): string => {
  const bytes = utf8.encode(text)
  let high = 0xcbf29ce4 | 0
  let low = 0x84222325 | 0
  for (let index = 0; index < bytes.length; index++) {
    low ^= bytes[index] ?? 0
    // Times 2^40 + 435, in parts that integers of 32 bits have room for.
    const least = (low & 0xffff) * 435
    const next = (low >>> 16) * 435 + (least >>> 16)
    high = (Math.imul(high, 435) + (next >>> 16) + (low << 8)) | 0
    low = (next << 16) | (least & 0xffff)
  }
  return hex(high) + hex(low)
}

const hex = (half: number) => (half >>> 0).toString(16).padStart(8, "0")
