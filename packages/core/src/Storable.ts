/**
 * What a request may hold whatever its schema says: every door's requests are checked here, before anything recurses
 * into them or keeps a part of them.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidInput, type Issue } from "./Failure.ts"
import * as Field from "./Field.ts"
import * as Issues from "./Issues.ts"
import type { Request } from "./Invocation.ts"

/** Arrays and objects within each other, at most. Every step after this one may recurse. */
export const maxDepth = 64

/** What no store can keep: PostgreSQL, 8.3 (no NUL in text) and 8.14 (no lone surrogate in JSON). */
export const faultOf = (text: string): string | undefined => {
  if (text.includes("\u0000")) return "must not contain a NUL character"
  return text.isWellFormed() ? undefined : "must not contain half of a surrogate pair"
}

/** A text that any store can keep, of at most so many UTF-16 code units where that is given. */
export const clean = (text: string, most = Number.POSITIVE_INFINITY): string => {
  const short = text.length <= most ? text : `${text.slice(0, most - 1)}…`
  return short.replaceAll("\u0000", "\ufffd").toWellFormed()
}

/** A value in words, whatever it is: some values have none, and throw where they are asked. */
export const textOf = (value: unknown): string => {
  try {
    return String(value)
  } catch {
    return "something that cannot be put into words"
  }
}

/** Every fault in a value: its depth, its keys, its text. */
export const faultsIn = (value: Schema.Json | undefined): ReadonlyArray<Issue> => {
  if (isSound(value, 1)) return []
  const issues: Array<Issue> = []
  return walk(value, "", 1, issues)
    ? issues
    : [{ path: "", message: `must not be nested more than ${maxDepth} levels deep` }]
}

/**
 * Whether there is no fault. Nearly always so, and asked more than once of a request: only faults are worth their
 * paths.
 */
const isSound = (value: Schema.Json | undefined, depth: number): boolean => {
  if (typeof value === "string") return faultOf(value) === undefined
  if (typeof value !== "object" || value === null) return true
  if (depth > maxDepth) return false
  if (Array.isArray(value)) return value.every((each) => isSound(each, depth + 1))
  return Object.entries(value).every(
    ([key, each]) => key !== "__proto__" && faultOf(key) === undefined && isSound(each, depth + 1)
  )
}

/** False where the value is too deep. */
const walk = (value: Schema.Json | undefined, path: string, depth: number, issues: Array<Issue>): boolean => {
  if (typeof value === "string") {
    note(issues, path, faultOf(value))
    return true
  }
  if (typeof value !== "object" || value === null) return true
  if (depth > maxDepth) return false
  const isList = Array.isArray(value)
  for (const [key, each] of Object.entries(value)) {
    const place = path === "" ? key : `${path}.${key}`
    if (!isList) note(issues, place, key === "__proto__" ? "is not allowed as a key" : faultOf(key))
    if (!walk(each as Schema.Json, place, depth + 1, issues)) return false
  }
  return true
}

const note = (issues: Array<Issue>, path: string, message: string | undefined): void => {
  if (message !== undefined && issues.length < Issues.most) issues.push({ path, message })
}

const isIdentifier = Schema.is(Field.Identifier)

/** Why no object can have a key, or `undefined`. */
export const faultOfKey = (key: string): string | undefined =>
  isIdentifier(key) ? faultOf(key) : "must be 1 to 200 characters without control characters"

/** The key of an object, as a door was given it. */
export const checkKey = (key: string): Result.Result<string, InvalidInput> => {
  const message = faultOfKey(key)
  return message === undefined
    ? Result.succeed(key)
    : Result.fail(new InvalidInput({ issues: [{ path: "key", message }] }))
}

/** A request as a door makes it. */
export const checkRequest = ({ idempotencyKey, input, key }: Request): Result.Result<void, InvalidInput> => {
  const issues = [...faultsIn(input)]
  if (key !== undefined) note(issues, "key", faultOfKey(key))
  if (idempotencyKey !== undefined) note(issues, "idempotencyKey", faultOfKey(idempotencyKey))
  return issues.length === 0 ? Result.succeed(undefined) : Result.fail(new InvalidInput({ issues }))
}
