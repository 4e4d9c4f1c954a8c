/**
 * JSON of strangers. RFC 8259 leaves open what a repeated key means, so two readers may see two messages in one text;
 * such a text is refused here, as are texts that are too large or too deep (I-JSON, RFC 7493, asks for the former).
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"

/**
 * Why a text was not read. It quotes nothing of it, since it is shown in lists, and what is wrong alike is told alike.
 */
export interface Fault {
  readonly reason: "too-large" | "malformed" | "duplicate-key"
  readonly detail: string
}

/** How much is read at most: bytes of the whole, levels of nesting. */
export interface Limits {
  readonly maxBytes: number
  readonly maxDepth: number
}

/** Four megabytes, of which a slip on its way forth may use one; 64 levels. */
export const defaultLimits: Limits = { maxBytes: 4 * 1024 * 1024, maxDepth: 64 }

const quote = 0x22
const backslash = 0x5c

/** The first repeated key or too deep a level of a text that is known to be JSON. */
const scan = (text: string, maxDepth: number): Fault | undefined => {
  // One set of keys per open object; undefined for an open array.
  const open: Array<Set<string> | undefined> = []
  let expectsKey = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      const start = at
      let escaped = false
      while (text.charCodeAt(++at) !== quote) {
        if (text.charCodeAt(at) !== backslash) continue
        escaped = true
        at++
      }
      const keys = open.at(-1)
      if (!expectsKey || keys === undefined) continue
      // An escape makes one key of two spellings.
      const key = escaped ? String(JSON.parse(text.slice(start, at + 1))) : text.slice(start + 1, at)
      if (keys.has(key)) return { reason: "duplicate-key", detail: "a key comes twice in one object" }
      keys.add(key)
      expectsKey = false
    } else if (code === 0x7b || code === 0x5b) {
      open.push(code === 0x7b ? new Set() : undefined)
      expectsKey = code === 0x7b
      if (open.length > maxDepth) return { reason: "malformed", detail: `it is nested deeper than ${maxDepth} levels` }
    } else if (code === 0x7d || code === 0x5d) {
      open.pop()
      expectsKey = false
    } else if (code === 0x2c) {
      expectsKey = open.at(-1) !== undefined
    }
  }
  return undefined
}

/** Whether a value has no more levels of objects and lists than that. */
const isWithin = (value: Schema.Json, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return true
  if (levels === 0) return false
  // `in` walks no prototype here: what was parsed has none that is enumerable.
  const inside = value as { readonly [key: string]: Schema.Json }
  for (const key in inside) if (!isWithin(inside[key] ?? null, levels - 1)) return false
  return true
}

/** Whether a text opens so few objects and lists that they cannot be nested deeper than that. */
const isFlat = (text: string, levels: number): boolean => {
  let left = levels
  for (const opening of ["{", "["]) {
    for (let at = text.indexOf(opening); at !== -1; at = text.indexOf(opening, at + 1)) if (left-- === 0) return false
  }
  return true
}

/**
 * Whether a text is what this runtime writes for the value that it reads from it. Such a text repeats no key, since an
 * object has each once; and most texts are, for it was a worker like this that wrote them. Others have to be scanned.
 */
const isOwnSpelling = (value: Schema.Json, text: string, { maxDepth }: Limits): boolean =>
  (isFlat(text, maxDepth) || isWithin(value, maxDepth)) && JSON.stringify(value) === text

const decoder = new TextDecoder("utf-8", { fatal: true })

/** Reads a text, refusing what is not exactly one JSON value with unique keys. */
export const parse = (text: string, limits: Limits = defaultLimits): Result.Result<Schema.Json, Fault> => {
  if (text.length > limits.maxBytes) {
    return Result.fail({ reason: "too-large", detail: `it has more than ${limits.maxBytes} bytes` })
  }
  try {
    const value: Schema.Json = JSON.parse(text)
    const fault = isOwnSpelling(value, text, limits) ? undefined : scan(text, limits.maxDepth)
    return fault === undefined ? Result.succeed(value) : Result.fail(fault)
  } catch {
    // What the parser says quotes the text.
    return Result.fail({ reason: "malformed", detail: "it is not JSON" })
  }
}

/** Reads bytes, which have to be UTF-8. */
export const parseBytes = (bytes: Uint8Array, limits: Limits = defaultLimits): Result.Result<Schema.Json, Fault> => {
  if (bytes.byteLength > limits.maxBytes) {
    return Result.fail({
      reason: "too-large",
      detail: `it has ${bytes.byteLength} bytes, more than ${limits.maxBytes}`
    })
  }
  try {
    return parse(decoder.decode(bytes), limits)
  } catch {
    return Result.fail({ reason: "malformed", detail: "it is not UTF-8" })
  }
}

/** Whether two JSON values are the same, whatever the order of their keys. */
export const equal = (one: Schema.Json | undefined, other: Schema.Json | undefined): boolean => {
  if (one === other) return true
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false
  if (Array.isArray(one) || Array.isArray(other)) {
    return (
      Array.isArray(one) &&
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((each, index) => equal(each, other[index]))
    )
  }
  const left = one as { readonly [key: string]: Schema.Json }
  const right = other as { readonly [key: string]: Schema.Json }
  const keys = Object.keys(left)
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && equal(left[key], right[key]))
  )
}
