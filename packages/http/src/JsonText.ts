/** Reads JSON that came from outside. What it may hold, the interpreter checks, as for every door. */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { MalformedBody } from "./HttpFailure.ts"

/**
 * Parses a text. An object that names a member twice is refused (RFC 8259, 4, leaves open which counts): whoever
 * checked the text before may have read the other one.
 */
export const parse = (text: string): Result.Result<Schema.Json, MalformedBody> => {
  let value: Schema.Json
  try {
    value = JSON.parse(text) as Schema.Json
  } catch {
    // The engine's own message quotes the text, which may be secret.
    return Result.fail(new MalformedBody({ reason: "it is not well-formed JSON" }))
  }
  return membersIn(text) === membersOf(value)
    ? Result.succeed(value)
    : Result.fail(new MalformedBody({ reason: "an object has two members of the same name" }))
}

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a

/** How many members well-formed JSON writes: its colons outside of strings. */
const membersIn = (text: string): number => {
  let count = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === colon) count++
    else if (code === quote) index = endOfString(text, index + 1)
  }
  return count
}

/**
 * Where the string that begins at `start` has its closing quote: the first one behind an even number of backslashes.
 */
const endOfString = (text: string, start: number): number => {
  for (let end = text.indexOf('"', start); ; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (before >= start && text.charCodeAt(before) === backslash) before--
    if ((end - 1 - before) % 2 === 0) return end
  }
}

/** How many members a value has, at any depth. A stack of its own, since nobody has bounded the depth yet. */
const membersOf = (value: Schema.Json): number => {
  let count = 0
  const stack: Array<Schema.Json | undefined> = [value]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next !== "object" || next === null) continue
    if (Array.isArray(next)) {
      for (const each of next) stack.push(each)
      continue
    }
    for (const each of Object.values(next)) {
      count++
      stack.push(each)
    }
  }
  return count
}
