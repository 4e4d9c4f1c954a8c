/** Reads JSON that came from outside, and refuses what is harmless as text but not as a value. */
import * as Result from "effect/Result"
import { InvalidInput, type Issue } from "@tenon/core/Failure"
import type * as Schema from "effect/Schema"
import { MalformedBody } from "./HttpFailure.ts"

/** Arrays and objects within each other, at most. Every step after this one may recurse. */
export const maxDepth = 64

/** Faults that are listed, at most. */
const maxIssues = 50

/** Parses and checks a text. */
export const parse = (text: string): Result.Result<Schema.Json, MalformedBody | InvalidInput> => {
  let value: Schema.Json
  try {
    value = JSON.parse(text) as Schema.Json
  } catch {
    // The engine's own message quotes the text, which may be secret.
    return Result.fail(new MalformedBody({ reason: "it is not well-formed JSON" }))
  }
  return check(value)
}

/** Checks a value: its depth, its keys, and that its text can be stored. */
export const check = (value: Schema.Json): Result.Result<Schema.Json, MalformedBody | InvalidInput> => {
  const issues: Array<Issue> = []
  if (!walk(value, "", 1, issues))
    return Result.fail(new MalformedBody({ reason: `it is nested more than ${maxDepth} levels deep` }))
  return issues.length === 0 ? Result.succeed(value) : Result.fail(new InvalidInput({ issues }))
}

/** False where the value is too deep. */
const walk = (value: Schema.Json, path: string, depth: number, issues: Array<Issue>): boolean => {
  if (typeof value === "string") {
    const fault = faultOf(value)
    if (fault !== undefined && issues.length < maxIssues) issues.push({ path, message: fault })
    return true
  }
  if (typeof value !== "object" || value === null) return true
  if (depth > maxDepth) return false
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++)
      if (!walk(value[index] as Schema.Json, `${path === "" ? "" : `${path}.`}${index}`, depth + 1, issues))
        return false
    return true
  }
  for (const key of Object.keys(value)) {
    const place = path === "" ? key : `${path}.${key}`
    const fault = key === "__proto__" ? "is not allowed as a key" : faultOf(key)
    if (fault !== undefined && issues.length < maxIssues) issues.push({ path: place, message: fault })
    if (!walk((value as { readonly [key: string]: Schema.Json })[key] as Schema.Json, place, depth + 1, issues))
      return false
  }
  return true
}

/** What no store can keep: PostgreSQL, 8.3 (no NUL in text) and 8.14 (no lone surrogate in JSON). */
export const faultOf = (text: string): string | undefined => {
  if (text.includes("\u0000")) return "must not contain a NUL character"
  return text.isWellFormed() ? undefined : "must not contain half of a surrogate pair"
}
