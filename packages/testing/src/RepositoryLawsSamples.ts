/** Rows of awkward values for the laws of a store. */
import type { EncodedRow } from "@tenon/core/UnitOfWork"
import type * as Schema from "effect/Schema"

/** A row of the resource that has a field of every kind. */
export type SampleRow = EncodedRow & { readonly id: string }

/** A generator of whole numbers below a bound; the same for the same seed. */
export const randomly = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const words = [
  "",
  " ",
  "a",
  "A",
  "b",
  "aa",
  "Z",
  "é",
  "e\u0301",
  "ß",
  "日本",
  "😀",
  "\u{10FFFF}",
  "\uFFFD",
  "'",
  "''",
  '"',
  "\\",
  "%",
  "_",
  "'; drop table law_samples; --",
  "$1",
  "{a,b}",
  "null",
  "NULL",
  "\t\n",
  "a,b",
  "\u0001",
  "x".repeat(300)
]
const instants = [
  "1969-12-31T23:59:59.999Z",
  "1970-01-01T00:00:00.000Z",
  "2026-11-21T03:05:00.120Z",
  "2026-11-21T03:05:00.121Z",
  "9999-12-31T23:59:59.999Z",
  "+012345-01-01T00:00:00.000Z",
  "0001-01-01T00:00:00.000Z",
  "-000044-03-15T12:00:00.001Z"
]
const integers = [0, 1, -1, 7, 1_000_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
const floats = [0, 0.1, -0.1, 1e-7, 1.5, 1e21, 5e-324, Number.MAX_VALUE, -1e100]
const ratios = [...floats, "NaN", "Infinity", "-Infinity"]
const bigs = ["0", "9", "10", "-1", "-10", "9007199254740993", "123456789012345678901234567890", `-1${"0".repeat(300)}`]
const prices = ["0", "0.1", "-0.1", "9", "10", "10.00000000000001", "123456789012345678.5", "1e+30", "-1e-30", "-1e+30"]
const bodies: ReadonlyArray<Schema.Json> = [
  null,
  true,
  0,
  "text",
  "'; --",
  [],
  [1, [2, "x"]],
  {},
  { a: { b: [null] } },
  "null"
]

/** Rows with values that stores get wrong; the same for the same seed. */
export const samples = (seed: number, size: number): ReadonlyArray<SampleRow> => {
  const random = randomly(seed)
  const pick = <A>(from: ReadonlyArray<A>): A => from[random(from.length)] as A
  return Array.from({ length: size }, () => ({
    id: "",
    text: pick(words),
    count: pick(integers),
    score: pick(floats),
    flag: random(2) === 0,
    at: pick(instants),
    level: pick(["low", "mid", "high"]),
    grade: pick([-1, 2, 10]),
    big: pick(bigs),
    price: pick(prices),
    ratio: pick(ratios),
    debt: random(3) === 0 ? null : pick(bigs),
    note: random(3) === 0 ? null : pick(words),
    body: pick(bodies),
    list: pick([null, [], [1, 2, 3]])
  }))
}
