/** Reads the headers that make a request conditional (RFC 9110, 13) or safe to repeat. */
import { InvalidInput } from "@tenon/core/Failure"
import type * as Headers from "effect/http/Headers"
import * as Result from "effect/Result"
import { hash } from "node:crypto"

/** The entity tag of a row as such, which everyone is shown alike: strong, since the version counts every save. */
export const etag = (version: number): string => `"${version}"`

/**
 * The entity tag of any other answer about a row: strong, since it is of the bytes that are sent. It begins with the
 * row's version, for `If-Match`.
 */
export const etagOf = (version: number, body: string): string =>
  `"${version}-${hash("sha256", body, "base64url").slice(0, 22)}"`

const tags = /^(?:W\/)?"[\x21\x23-\x7e\x80-\uffff]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\uffff]*")*$/
const versionTag = /^"([1-9]\d{0,14})(?:-[\w-]{22})?"$/

/** No row has this version: what an entity tag that is not one of ours stands for. */
const noVersion = 0

/** The version that `If-Match` names; `undefined` where any will do. */
export const expectedVersion = (headers: Headers.Headers): Result.Result<number | undefined, InvalidInput> => {
  const given = headers["if-match"]?.trim()
  if (given === undefined || given === "*") return Result.succeed(undefined)
  const version = versionTag.exec(given)?.[1]
  if (version !== undefined) return Result.succeed(Number(version))
  if (!tags.test(given)) return fail("If-Match", 'must be * or an entity tag such as "3"')
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
