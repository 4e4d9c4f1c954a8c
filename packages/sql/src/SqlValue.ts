/**
 * Values on their way to PostgreSQL and back, in the text format but for bytes
 * that are a parameter.
 *
 * Parameters carry no type, so the server takes it from the statement, and a
 * statement is prepared once whatever values follow. Results are text too:
 * every type has a text form, so a column of an unknown type is a string and
 * never a broken connection.
 *
 * | PostgreSQL | JavaScript |
 * |---|---|
 * | bool | boolean |
 * | int2, int4, oid, float4, float8 | number |
 * | int8 | bigint |
 * | numeric, uuid, text, date, time, interval, anything else | string |
 * | timestamptz, timestamp (as UTC) | Date; `infinity` and years beyond 9999 or before Christ stay strings |
 * | json, jsonb | the parsed value |
 * | bytea | Uint8Array |
 * | arrays of these, of any depth | arrays |
 */
import { Buffer } from "node:buffer"
import * as SqlFailure from "./SqlFailure.ts"

/** A value to be sent as JSON whatever it is: needed for an array, a string or null meant as JSON. */
export class Json {
  readonly value: unknown
  constructor(value: unknown) {
    this.value = value
  }
}

/** Marks a parameter as JSON. Plain objects need no mark; arrays do, since they are sent as PostgreSQL arrays. */
export const json = (value: unknown): Json => new Json(value)

const refuse = (what: string): never => {
  throw new SqlFailure.InvalidValue({ sqlState: "22021", message: `a parameter cannot be stored: ${what}` })
}

// Refused here, since NUL ends the session's patience and a lone surrogate would be altered in silence.
const checked = (text: string): string => {
  if (text.indexOf("\0") !== -1) return refuse("text contains a NUL character")
  if (!text.isWellFormed()) return refuse("text contains a lone surrogate")
  return text
}

const stringify = (value: unknown): string => {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    return refuse("it has no JSON form")
  }
  return text ?? refuse("it has no JSON form")
}

/**
 * A parameter as it is sent: its text form, bytes as they are, or null for SQL NULL (`null` and `undefined`).
 * Throws `SqlFailure.InvalidValue` for what PostgreSQL cannot store.
 */
export const encode = (value: unknown): string | Uint8Array | null =>
  value instanceof Uint8Array ? value : encodeText(value)

const encodeText = (value: unknown): string | null => {
  switch (typeof value) {
    case "string":
      return checked(value)
    case "number":
    case "bigint":
      return String(value)
    case "boolean":
      return value ? "t" : "f"
    case "undefined":
      return null
    case "object":
      if (value === null) return null
      if (value instanceof Date) return encodeDate(value)
      if (value instanceof Uint8Array) {
        return "\\x" + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")
      }
      if (Array.isArray(value)) return encodeArray(value)
      return stringify(value instanceof Json ? value.value : value)
  }
  return refuse(`a ${typeof value} has no PostgreSQL form`)
}

const encodeDate = (value: Date): string => {
  const time = value.getTime()
  if (Number.isNaN(time)) return refuse("an invalid Date")
  const text = value.toISOString()
  if (text.charCodeAt(0) === 43) return text.slice(1)
  // ISO year -0001 is 2 BC: there is no year 0 in PostgreSQL.
  if (text.charCodeAt(0) === 45) return `${String(1 - Number(text.slice(0, 7))).padStart(4, "0")}${text.slice(7)} BC`
  return text.startsWith("0000") ? `0001${text.slice(4)} BC` : text
}

const encodeArray = (values: ReadonlyArray<unknown>): string => {
  let out = "{"
  for (let index = 0; index < values.length; index++) {
    if (index > 0) out += ","
    const value = values[index]
    if (Array.isArray(value)) {
      out += encodeArray(value)
      continue
    }
    const text = encodeText(value)
    if (text === null) out += "NULL"
    else if (typeof value === "number") out += text
    else out += text.includes('"') || text.includes("\\") ? `"${text.replace(/[\\"]/g, "\\$&")}"` : `"${text}"`
  }
  return out + "}"
}

/** Reads one column's text out of a message. `size` is in bytes and not negative. */
export type Decoder = (bytes: Uint8Array, offset: number, size: number) => unknown

type Slice = (this: Uint8Array, start: number, end: number) => string
/** Node's own, which its types do not mention. */
const utf8Slice: Slice = Reflect.get(Buffer.prototype, "utf8Slice")

const text = (bytes: Uint8Array, offset: number, size: number): string => {
  if (size > 24) return utf8Slice.call(bytes, offset, offset + size)
  // A call into the runtime costs more than reading a short ASCII text by hand.
  let out = ""
  for (let index = offset; index < offset + size; index++) {
    const code = bytes[index]!
    if (code > 127) return utf8Slice.call(bytes, offset, offset + size)
    out += String.fromCharCode(code)
  }
  return out
}

const decodeTimestamp = (value: string): Date | string => {
  // 2026-11-21 03:05:00.123456+00: the session's zone is UTC.
  if (value.length < 19 || value.charCodeAt(4) !== 45 || value.endsWith("BC")) return value
  const fraction = value.charCodeAt(19) === 46 ? /^\d+/.exec(value.slice(20))![0] : ""
  const zone = value.slice(fraction === "" ? 19 : 20 + fraction.length)
  if (zone !== "" && zone !== "+00") return value
  const year = Number(value.slice(0, 4))
  const date = new Date(
    Date.UTC(
      year,
      Number(value.slice(5, 7)) - 1,
      Number(value.slice(8, 10)),
      Number(value.slice(11, 13)),
      Number(value.slice(14, 16)),
      Number(value.slice(17, 19)),
      fraction === "" ? 0 : Number(fraction.slice(0, 3).padEnd(3, "0"))
    )
  )
  if (year < 100) date.setUTCFullYear(year)
  return date
}

const decodeBytea = (value: string): Uint8Array => new Uint8Array(Buffer.from(value.slice(2), "hex"))

const parsers: Record<number, (value: string) => unknown> = {
  16: (value) => value === "t",
  17: decodeBytea,
  20: BigInt,
  21: Number,
  23: Number,
  26: Number,
  114: JSON.parse,
  700: Number,
  701: Number,
  1114: decodeTimestamp,
  1184: decodeTimestamp,
  3802: JSON.parse
}

// Array type to element type, for the elements that are not read as strings.
const elements: Record<number, number> = {
  199: 114,
  1000: 16,
  1001: 17,
  1005: 21,
  1007: 23,
  1016: 20,
  1021: 700,
  1022: 701,
  1028: 26,
  1115: 1114,
  1185: 1184,
  3807: 3802
}

// text, varchar, bpchar, name, "char", uuid, numeric, date, time, timetz, interval, inet, cidr
const stringArrays = new Set([1009, 1015, 1014, 1003, 1002, 2951, 1231, 1182, 1183, 1270, 1187, 1041, 651])

const identity = (value: string): unknown => value

const parseArray = (source: string, parse: (value: string) => unknown): ReadonlyArray<unknown> => {
  // Explicit bounds, as in [2:3]={1,2}, precede the braces.
  let at = source.indexOf("{")
  const list = (): Array<unknown> => {
    const out: Array<unknown> = []
    at++
    while (at < source.length && source[at] !== "}") {
      if (source[at] === ",") {
        at++
      } else if (source[at] === "{") {
        out.push(list())
      } else if (source[at] === '"') {
        let value = ""
        at++
        while (source[at] !== '"') {
          if (source[at] === "\\") at++
          value += source[at++]
        }
        at++
        out.push(parse(value))
      } else {
        const start = at
        while (source[at] !== "," && source[at] !== "}") at++
        const value = source.slice(start, at)
        out.push(value === "NULL" ? null : parse(value))
      }
    }
    at++
    return out
  }
  return list()
}

const cache = new Map<number, Decoder>([[16, (bytes, offset) => bytes[offset] === 116]])

/** The decoder for a column of type `oid`; text for a type it does not know. */
export const decoder = (oid: number): Decoder => {
  const found = cache.get(oid)
  if (found !== undefined) return found
  const parse = parsers[oid]
  const element = elements[oid]
  if (parse === undefined && element === undefined && !stringArrays.has(oid)) return text
  const made: Decoder =
    parse !== undefined
      ? (bytes, offset, size) => parse(text(bytes, offset, size))
      : (bytes, offset, size) =>
          parseArray(text(bytes, offset, size), element === undefined ? identity : parsers[element]!)
  cache.set(oid, made)
  return made
}
