/**
 * The values of a column in their JSON encoding: how they compare, how they are read from text, and which of them no
 * store can hold. All of it as PostgreSQL has it.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Column, ColumnKind } from "./Column.ts"
import * as Storable from "./Storable.ts"

/** A value that can be compared with a column. */
export type Scalar = string | number | boolean

/** Which of two values that are not null comes first. */
export const compare = (kind: ColumnKind, a: Schema.Json | undefined, b: Schema.Json | undefined): number => {
  switch (kind) {
    // As text, years beyond 9999 and before 0 would be in the wrong order.
    case "timestamp":
      return Date.parse(String(a)) - Date.parse(String(b))
    case "bigint":
      return ascending(BigInt(String(a)), BigInt(String(b)))
    case "bigdecimal":
      return BigDecimal.Order(BigDecimal.fromStringUnsafe(String(a)), BigDecimal.fromStringUnsafe(String(b)))
    case "text":
    case "json":
      return compareText(String(a), String(b))
    default:
      return compareNumbers(Number(a), Number(b))
  }
}

const ascending = (a: number | bigint, b: number | bigint) => (a < b ? -1 : a > b ? 1 : 0)

/** NaN comes after all others (PostgreSQL, 8.1.3). */
const compareNumbers = (a: number, b: number) =>
  Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : ascending(a, b)

/** By code points, as under PostgreSQL's "C" collation. */
const compareText = (a: string, b: string): number => {
  const left = [...a],
    right = [...b]
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/**
 * The first instant of a `timestamp with time zone` (PostgreSQL, 8.5). Its last one is later than any of JavaScript.
 */
const earliest = Date.parse("-004713-11-24T00:00:00.000Z")

/** The digits of a `numeric` before and after its point (PostgreSQL, 8.1.2). */
const mostDigits = { before: 131_072, after: 16_383 }

const isHeld = (number: string): boolean => {
  const [, before = "", after = "", exponent = "0"] = /^-?(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(number) ?? []
  return before.length + Number(exponent) <= mostDigits.before && after.length - Number(exponent) <= mostDigits.after
}

/** The kinds of which a well-formed value may be out of range. */
export const isLimited = (kind: ColumnKind): boolean =>
  kind === "timestamp" || kind === "bigint" || kind === "bigdecimal"

/** Why no store can hold a value of its column's type, or `undefined`. */
export const faultOf = (kind: ColumnKind, value: unknown): string | undefined => {
  if (typeof value !== "string" || !isLimited(kind)) return undefined
  if (kind === "timestamp")
    return Date.parse(value) < earliest
      ? "must not be before 24 November 4714 BC, the earliest instant that can be stored"
      : undefined
  return isHeld(value) ? undefined : tooManyDigits
}

const tooManyDigits = `must not have more than ${mostDigits.before} digits before its point or ${mostDigits.after} after it`

/** Characters of the longest number that can be held, and then some: a longer text is not worth being read. */
const longestNumber = mostDigits.before + mostDigits.after + 100

/** Reads a value of a column from text, as a caller writes it in a filter. */
export const read = ({ kind, literals }: Column, text: string): Result.Result<Scalar, string> => {
  const unsound = Storable.faultOf(text)
  if (unsound !== undefined) return Result.fail(unsound)
  return Result.flatMap(readHeld(kind, text), (value) =>
    literals === undefined || literals.includes(value)
      ? Result.succeed(value)
      : Result.fail(`must be one of ${literals.join(", ")}`)
  )
}

/** A value that a store can hold, of the text that stands for it. */
export const readHeld = (kind: ColumnKind, text: string): Result.Result<Scalar, string> => {
  if ((kind === "bigint" || kind === "bigdecimal") && text.length > longestNumber) return Result.fail(tooManyDigits)
  return Result.flatMap(readKind(kind, text), (value) => {
    const fault = faultOf(kind, value)
    return fault === undefined ? Result.succeed(value) : Result.fail(fault)
  })
}

const decimal = /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const nonFinite = new Set(["NaN", "Infinity", "-Infinity"])

const readKind = (kind: ColumnKind, text: string): Result.Result<Scalar, string> => {
  switch (kind) {
    case "integer":
      return /^-?\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))
        ? Result.succeed(Number(text))
        : Result.fail("must be an integer")
    case "number":
      if (nonFinite.has(text)) return Result.succeed(text)
      return decimal.test(text) && Number.isFinite(Number(text))
        ? Result.succeed(Number(text))
        : Result.fail("must be a number")
    case "bigint":
      return /^-?\d+$/.test(text) ? Result.succeed(String(BigInt(text))) : Result.fail("must be an integer")
    case "bigdecimal":
      return Option.match(text === "" ? Option.none() : BigDecimal.fromString(text), {
        onNone: () => Result.fail("must be a decimal number"),
        onSome: (number) => Result.succeed(BigDecimal.format(number))
      })
    case "boolean":
      return text === "true" || text === "false"
        ? Result.succeed(text === "true")
        : Result.fail("must be true or false")
    case "timestamp":
      return readInstant(text)
    default:
      return Result.succeed(text)
  }
}

/** In UTC where it names no zone, as `Schema.DateTimeUtc` has it. */
const readInstant = (text: string): Result.Result<string, string> => {
  const [date, day] = isoDate.exec(text) ?? []
  // A day that its month has not is read as one of the next month.
  const found = date !== undefined && new Date(date).getUTCDate() === Number(day) ? DateTime.make(text) : Option.none()
  return Option.match(found, {
    onNone: () => Result.fail("must be an ISO 8601 instant"),
    onSome: (instant) => Result.succeed(DateTime.formatIso(instant))
  })
}

const isoDate = /^(?:\d{4}|[+-]\d{6})-\d{2}-(\d{2})/
