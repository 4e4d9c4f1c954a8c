/** Reads the headers that make a request conditional (RFC 9110, 13) or safe to repeat. */
import { InvalidInput } from "@tenon/core/Failure"
import type * as RowMark from "@tenon/core/RowMark"
import type * as Headers from "effect/http/Headers"
import * as Result from "effect/Result"
import { hash } from "node:crypto"

/**
 * The entity tag of a row as such, which everyone is shown alike: its mark, which tells it from all others (`RowMark`).
 */
export const etag = (mark: string): string => `"${mark}"`

/** The entity tag of any other answer about a row: of the bytes that are sent, behind the row's mark for `If-Match`. */
export const etagOf = (mark: string, body: string): string =>
  `"${mark}-${hash("sha256", body, "base64url").slice(0, 22)}"`

const tags = /^(?:W\/)?"[\x21\x23-\x7e\x80-\uffff]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\uffff]*")*$/
const marked = /^"([1-9]\d{0,14}-[0-9a-f]{16})(?:-[\w-]{22})?"$/

/** No row has this version: what an entity tag that is not one of ours stands for. */
const noVersion = 0

/** What `If-Match` says of the row that a write is about; `undefined` where any will do. */
export const expectedVersion = (
  headers: Headers.Headers
): Result.Result<RowMark.Expected | undefined, InvalidInput> => {
  if (headers["if-none-match"] !== undefined)
    return fail("If-None-Match", "is for reads; a write may be bound to a row as it stands by If-Match")
  const given = headers["if-match"]?.trim()
  if (given === undefined || given === "*") return Result.succeed(undefined)
  const mark = marked.exec(given)?.[1]
  if (mark !== undefined) return Result.succeed(mark)
  if (!tags.test(given)) return fail("If-Match", "must be * or an entity tag as it was sent")
  return given.includes(",") ? fail("If-Match", "must name one entity tag") : Result.succeed(noVersion)
}

/** Whether `If-None-Match` names this entity tag, in which case there is nothing new to send. Weak comparison. */
export const noneMatch = (headers: Headers.Headers, own: string): boolean => {
  const given = headers["if-none-match"]
  if (given === undefined) return false
  if (given.trim() === "*") return true
  return given.split(",").some((each) => each.trim().replace(/^W\//, "") === own)
}

const visible = /^[\x21-\x7e]{1,200}$/

/** The `Idempotency-Key`: 1 to 200 visible ASCII characters. */
export const idempotencyKey = (headers: Headers.Headers): Result.Result<string | undefined, InvalidInput> => {
  const given = headers["idempotency-key"]
  return given === undefined || visible.test(given)
    ? Result.succeed(given)
    : fail("Idempotency-Key", "must be 1 to 200 visible ASCII characters")
}

const fail = (path: string, message: string) => Result.fail(new InvalidInput({ issues: [{ path, message }] }))
