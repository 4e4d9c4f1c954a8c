/** What a store finds: filters, orders and pages, held against a model. */
import * as Query from "@tenon/core/Query"
import { RowStore } from "@tenon/core/RowStore"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Sample } from "./RepositoryLawsDomain.ts"
import type { It } from "./RepositoryLawsCalls.ts"
import { type SampleRow, randomly, samples } from "./RepositoryLawsSamples.ts"
import * as Testing from "./Testing.ts"

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("pages go on exactly behind values of any length", () =>
    Effect.gen(function* () {
      const rows = yield* RowStore
      const by = Testing.actor({ tenantId: "tenant-long" })
      const long = "ü".repeat(200_000)
      const ids = ["l1", "l2", "l3", "l4"]
      for (const [index, row] of samples(31, ids.length).entries())
        yield* rows.save(by, Sample, { ...row, id: String(ids[index]), text: `${long}${index % 2}` })
      const pageAfter = Effect.fnUntraced(function* (after: string | undefined) {
        const query = yield* Effect.fromResult(Query.parse(Sample, { sort: "text", limit: "1", after }))
        return yield* rows.page(by, Sample, query)
      })
      const given: Array<unknown> = []
      let after: string | undefined
      do {
        const page = yield* pageAfter(after)
        given.push(...page.items.map(({ id }) => id))
        after = page.next
        assert.isBelow(after?.length ?? 0, 2_000)
      } while (after !== undefined)
      assert.deepStrictEqual(given, ["l1", "l3", "l2", "l4"])
      const { items, next } = yield* pageAfter(undefined)
      yield* rows.save(by, Sample, { ...items[0], text: `${long}9` })
      assert.include((yield* Effect.flip(pageAfter(next))).message, "changed since")
      yield* rows.remove(by, Sample, "l1")
      assert.include((yield* Effect.flip(pageAfter(next))).message, "is gone")
    })
  )

  it.effect("a page ends early with the row that fills its bytes", () =>
    Effect.gen(function* () {
      const rows = yield* RowStore
      const by = Testing.actor({ tenantId: "tenant-bytes" })
      for (const [index, row] of samples(37, 9).entries()) {
        const times = index === 6 ? 25_000 : 3_000
        const [text, note] = ["x".repeat(times), "ü".repeat(times)]
        yield* rows.save(by, Sample, { ...row, id: `b${index}`, text, note, body: { text } })
      }
      const pagesOf = Effect.fnUntraced(function* (parameters: Query.Parameters) {
        const pages: Array<ReadonlyArray<unknown>> = []
        let after: string | undefined
        do {
          const query = yield* Effect.fromResult(Query.parse(Sample, { ...parameters, after }))
          const page = yield* rows.page(by, Sample, { ...query, bytes: 25_000 })
          pages.push(page.items.map(({ id }) => id))
          after = page.next
        } while (after !== undefined)
        return pages
      })
      const early = [["b0", "b1", "b2"], ["b3", "b4", "b5"], ["b6"], ["b7", "b8"]]
      for (const limit of ["4", "50", "51", "500"]) assert.deepStrictEqual(yield* pagesOf({ limit }), early, limit)
      assert.deepStrictEqual(yield* pagesOf({ limit: "500", sort: "-id" }), [
        ["b8", "b7", "b6"],
        ["b5", "b4", "b3"],
        ["b2", "b1", "b0"]
      ])
      const filters = [{ field: "id", operator: "eq", value: "b6" }]
      for (const limit of ["50", "500"]) assert.deepStrictEqual(yield* pagesOf({ limit, filters }), [["b6"]])
    })
  )

  it.effect("filters, orders and pages agree with a model", () =>
    Effect.gen(function* () {
      const rows = yield* RowStore
      const by = Testing.actor({ tenantId: "tenant-pages" })
      const all = samples(11, 80).map((row, index) => ({ ...row, id: `page-${index}` }))
      for (const row of all) yield* rows.save(by, Sample, row)
      const random = randomly(23)
      for (let round = 0; round < 150; round++) {
        const parameters = anyParameters(random, all)
        const query = yield* Effect.fromResult(Query.parse(Sample, parameters))
        const expected = model(all, query)
        assert.strictEqual(yield* rows.count(by, Sample, query), expected.length, JSON.stringify(parameters))
        const given: Array<unknown> = []
        let after: string | undefined
        do {
          const next = yield* Effect.fromResult(Query.parse(Sample, { ...parameters, after }))
          const page = yield* rows.page(by, Sample, next)
          assert.isAtMost(page.items.length, query.limit)
          given.push(...page.items.map(({ id }) => id))
          after = page.next
        } while (after !== undefined)
        assert.deepStrictEqual(
          given,
          expected.map(({ id }) => id),
          JSON.stringify(parameters)
        )
      }
    })
  )
}

const sortable = ["id", "text", "count", "score", "flag", "at", "level", "grade", "big", "price", "ratio"]
const fields = [...sortable, "note", "debt"]

const anyParameters = (random: (below: number) => number, rows: ReadonlyArray<SampleRow>): Query.Parameters => {
  const filters = Array.from({ length: random(3) }, () => {
    const field = fields[random(fields.length)] as string
    const operator = Query.operators[random(Query.operators.length)] as Query.Operator
    const value = () => String(rows[random(rows.length)]?.[field] ?? (field === "debt" ? "0" : ""))
    if (operator === "null") return { field, operator, value: String(random(2) === 0) }
    // A list is separated by commas, so its values must not hold any.
    const list = () => [value(), value(), value()].filter((each) => !each.includes(","))
    return { field, operator, value: operator === "in" ? list().join(",") || value().replaceAll(",", "") : value() }
  })
  const sort = Array.from(
    { length: random(4) },
    () => `${random(2) === 0 ? "-" : ""}${sortable[random(sortable.length)]}`
  )
  return { filters, sort: sort.join(","), limit: String(1 + random(30)) }
}

/** What fields stand for, whatever the store makes of them; text and plain numbers where it is not said. */
const kinds: { readonly [field: string]: "instant" | "digits" | "float" } = {
  at: "instant",
  big: "digits",
  debt: "digits",
  price: "digits",
  ratio: "float"
}

/** A decimal number as an integer, exact to 400 digits after its point. */
const scaled = (number: unknown): bigint => {
  const [mantissa = "", exponent = "0"] = String(number).split("e")
  const [whole = "", part = ""] = mantissa.split(".")
  return BigInt(whole + part) * 10n ** BigInt(400 + Number(exponent) - part.length)
}

const ranks = ["-Infinity", "", "Infinity", "NaN"]
const rank = (number: unknown) => (typeof number === "string" ? ranks.indexOf(number) : 1)

/** Not how the stores do it, but what they mean: text as the bytes of UTF-8, numbers by their size and NaN last. */
const compare = (x: unknown, y: unknown, field: string): number => {
  const kind = kinds[field]
  if (kind === "instant") return Date.parse(String(x)) - Date.parse(String(y))
  if (kind === "digits") return scaled(x) < scaled(y) ? -1 : scaled(x) > scaled(y) ? 1 : 0
  if (kind === "float" && rank(x) !== rank(y)) return rank(x) - rank(y)
  if (typeof x !== "string" || typeof y !== "string") return Number(x) < Number(y) ? -1 : Number(x) > Number(y) ? 1 : 0
  const [left, right] = [new TextEncoder().encode(x), new TextEncoder().encode(y)]
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    if (left[index] !== right[index]) return Number(left[index]) - Number(right[index])
  }
  return left.length - right.length
}

const model = (rows: ReadonlyArray<SampleRow>, { filters, order }: Query.Query): ReadonlyArray<SampleRow> =>
  rows
    .filter((row) =>
      filters.every(({ column: { field }, operator, value }) => {
        const actual = row[field] ?? null
        if (operator === "null") return (actual === null) === value
        if (actual === null) return false
        if (operator === "in") return [value].flat().some((each) => compare(actual, each, field) === 0)
        const difference = compare(actual, value, field)
        switch (operator) {
          case "eq":
            return difference === 0
          case "ne":
            return difference !== 0
          case "lt":
            return difference < 0
          case "lte":
            return difference <= 0
          case "gt":
            return difference > 0
          case "gte":
            return difference >= 0
        }
      })
    )
    .toSorted((x, y) => {
      for (const { column, descending } of order) {
        const difference = compare(x[column.field], y[column.field], column.field)
        if (difference !== 0) return descending ? -difference : difference
      }
      return 0
    })
