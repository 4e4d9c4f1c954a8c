/** The tests of values that are easily kept as something else - numbers of any size, sets, far instants - over HTTP. */
import type { Interpreter } from "@tenon/core/Interpreter"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import type { RunEvents } from "@tenon/core/RunEvents"
import { assert, layer as suite } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Api, layerOver } from "./HttpDomain.ts"

const Serial = Schema.BigInt.pipe(Schema.brand("Serial"))

const Grade = Schema.Literals([1, 2, 10])

const Coin = Resource.make("Coin", {
  fields: {
    id: Field.Id,
    serial: Serial,
    owed: Schema.optionalKey(Schema.NullOr(Schema.BigInt)),
    worth: Schema.BigDecimal.pipe(Field.withDefault(BigDecimal.fromStringUnsafe("1.50"))),
    ratio: Schema.Number.pipe(Field.withDefault(0)),
    grade: Grade.pipe(Field.withDefault(1)),
    minted: Schema.DateTimeUtc.pipe(Field.withDefault(DateTime.makeUnsafe(0))),
    lasts: Schema.optionalKey(Schema.DurationFromString)
  },
  identities: { serial: ["serial"] },
  actions: (on) => ({
    create: on.create({
      input: {
        serial: Serial,
        owed: Schema.optionalKey(Schema.NullOr(Schema.BigInt)),
        worth: Schema.optionalKey(Schema.BigDecimal),
        ratio: Schema.optionalKey(Schema.Number),
        grade: Schema.optionalKey(Grade),
        minted: Schema.optionalKey(Schema.DateTimeUtc),
        lasts: Schema.optionalKey(Schema.DurationFromString)
      }
    }),
    /** Makes of a sound row one that nothing can keep. */
    antedate: on.update({}, ({ self }) => ({ ...self, minted: DateTime.makeUnsafe("-005000-01-01T00:00:00.000Z") }))
  })
})

const Purse = Resource.make("Purse", {
  fields: { id: Field.Id },
  actions: (on) => ({
    create: on.create({}),
    dearest: on.read(
      {
        input: { ratio: Schema.Finite },
        load: ({ input }) => ({ coins: Load.many(Coin, input, { last: "owed", limit: 3 }) }),
        output: Schema.Array(Serial)
      },
      ({ loaded }) => loaded.coins.map(({ serial }) => serial)
    ),
    count: on.read(
      {
        input: { serial: Serial, worth: Schema.BigDecimal, minted: Schema.DateTimeUtc },
        load: ({ input }) => ({ coins: Load.count(Coin, input) }),
        output: Schema.Int
      },
      ({ loaded }) => loaded.coins
    )
  })
})

export const registry = Registry.make({ resources: [Coin, Purse] })

const path = "/api/v1/coins"

/** Pages of two, one after the other: a field of their rows. */
const pages = Effect.fnUntraced(function* (query: string, field: string) {
  const { call } = yield* Api
  const found: Array<unknown> = []
  let after = ""
  do {
    const page = yield* call("GET", `${path}?${query}&limit=2${after}`)
    assert.strictEqual(page.status, 200, page.text)
    found.push(...page.json.items.map((each: { readonly [field: string]: unknown }) => each[field]))
    after = page.json.next ? `&after=${page.json.next}` : ""
  } while (after !== "")
  return found
})

/** The faults that a refusal with this status lists. */
const refusal = Effect.fnUntraced(function* (status: number, method: string, path: string, body?: unknown) {
  const { call } = yield* Api
  const answer = yield* call(method, path, body === undefined ? {} : { body })
  assert.strictEqual(answer.status, status, answer.text)
  return answer.json.errors
})

const tooEarly = "must not be before 24 November 4714 BC, the earliest instant that can be stored"

/** Declares them, over whatever keeps the rows. */
export const values = (name: string, infrastructure: Layer.Layer<Interpreter | RunEvents, unknown>) =>
  suite(layerOver(infrastructure as Layer.Layer<Interpreter | RunEvents>), {
    timeout: 60_000,
    excludeTestServices: true
  })(`values over HTTP ${name}`, (it) => {
    it.effect("integers of any size are strings of digits that compare as numbers", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const serials = ["9", "10", "-5", "0", "123456789012345678901234567890", "-100000000000000000000"]
        for (const serial of serials) {
          const made = yield* call("POST", path, { body: { serial, owed: serial === "0" ? null : serial } })
          assert.strictEqual(made.status, 201, made.text)
          assert.strictEqual(made.json.serial, serial)
          assert.deepStrictEqual((yield* call("GET", `${path}/${made.json.id}`)).json, made.json)
        }
        const sorted = serials.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1))
        assert.deepStrictEqual(yield* pages("sort=serial", "serial"), sorted)
        assert.deepStrictEqual(yield* pages("sort=-serial", "serial"), sorted.toReversed())
        assert.deepStrictEqual(yield* pages("sort=serial&serial[gt]=9", "serial"), sorted.slice(-2))
        assert.deepStrictEqual(yield* pages("sort=serial&owed[lte]=-5", "owed"), sorted.slice(0, 2))
        assert.deepStrictEqual(yield* pages("sort=serial&owed[null]=true", "serial"), ["0"])
        assert.deepStrictEqual(yield* pages("sort=serial&serial[in]=0010,-5", "serial"), ["-5", "10"])
        assert.deepStrictEqual(yield* pages("serial=-0", "serial"), ["0"])
        for (const wrong of ["x", "", "1.5", "1e3", "0x10", "+1"])
          assert.deepStrictEqual(yield* refusal(400, "GET", `${path}?serial[gt]=${encodeURIComponent(wrong)}`), [
            { path: "serial", message: "must be an integer" }
          ])
        // Another spelling of a number is no other number.
        assert.strictEqual((yield* call("POST", path, { body: { serial: "0010" } })).status, 409)
      })
    )

    it.effect("decimal numbers too, without trailing zeros", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const worths = ["1e+30", "10", "9", "0.3", "3.0000000000000000001e-1", "1e-20", "-2.5"]
        for (const [index, worth] of worths.entries()) {
          const made = yield* call("POST", path, { body: { serial: String(1000 + index), worth, grade: 2 } })
          assert.strictEqual(made.json.worth, worth)
          assert.deepStrictEqual((yield* call("GET", `${path}/${made.json.id}`)).json, made.json)
        }
        const sorted = ["-2.5", "1e-20", "0.3", "3.0000000000000000001e-1", "9", "10", "1e+30"]
        assert.deepStrictEqual(yield* pages("grade=2&sort=worth", "worth"), sorted)
        assert.deepStrictEqual(yield* pages("grade=2&sort=-worth,serial", "worth"), sorted.toReversed())
        assert.deepStrictEqual(yield* pages("grade=2&worth=10.00", "worth"), ["10"])
        assert.deepStrictEqual(yield* pages("grade=2&sort=worth&worth[gte]=9.5", "worth"), ["10", "1e+30"])
        assert.deepStrictEqual((yield* call("POST", path, { body: { serial: "1100" } })).json.worth, "1.5")
        for (const wrong of ["x", "", "0x10"])
          assert.deepStrictEqual(yield* refusal(400, "GET", `${path}?worth=${wrong}`), [
            { path: "worth", message: "must be a decimal number" }
          ])
      })
    )

    it.effect("what a number of any size may be is described", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const { components, paths } = (yield* call("GET", "/openapi.json")).json
        const { serial, worth } = components.schemas.Coin.properties
        assert.deepInclude(serial, { type: "string", pattern: "^-?\\d+$" })
        assert.isTrue(["1", "-2.5", "1e+30", "1e-20"].every((each) => new RegExp(worth.pattern).test(each)))
        assert.isFalse(new RegExp(worth.pattern).test("x"))
        const { example } = paths[path].post.requestBody.content["application/json"]
        assert.strictEqual((yield* call("POST", path, { body: example })).status, 201)
        const grade = paths[path].get.parameters.find((each: { readonly name: string }) => each.name === "grade")
        assert.deepStrictEqual(grade.schema, { type: "string", enum: ["1", "2", "10"] })
      })
    )

    it.effect("a filter by a number outside of a set is refused, as by a text", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        yield* call("POST", path, { body: { serial: "2000", grade: 10 } })
        assert.deepStrictEqual(yield* pages("grade=10", "serial"), ["2000"])
        assert.deepStrictEqual(yield* pages("grade=1e1", "serial"), ["2000"])
        for (const filter of ["grade=9", "grade[in]=1,9", "grade[lt]=1.5"])
          assert.deepStrictEqual(yield* refusal(400, "GET", `${path}?${filter}`), [
            { path: "grade", message: "must be one of 1, 2, 10" }
          ])
        assert.deepStrictEqual(yield* refusal(400, "GET", `${path}?grade=x`), [
          { path: "grade", message: "must be a number" }
        ])
      })
    )

    it.effect("numbers that are not finite have their places, as in JSON", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const ratios = ["NaN", 1, "Infinity", -1e300, "-Infinity", 1e300, "NaN"]
        for (const [index, ratio] of ratios.entries())
          yield* call("POST", path, { body: { serial: String(3000 + index), ratio } })
        const sorted = ["-Infinity", -1e300, 1, 1e300, "Infinity", "NaN", "NaN"]
        const mine = "serial[gte]=3000&serial[lt]=4000"
        assert.deepStrictEqual(yield* pages(`${mine}&sort=ratio`, "ratio"), sorted)
        assert.deepStrictEqual(yield* pages(`${mine}&sort=-ratio,serial`, "ratio"), sorted.toReversed())
        assert.deepStrictEqual(yield* pages(`${mine}&ratio=NaN`, "ratio"), ["NaN", "NaN"])
        assert.deepStrictEqual(yield* pages(`${mine}&ratio[lt]=-1e299&sort=ratio`, "ratio"), ["-Infinity", -1e300])
        assert.deepStrictEqual(yield* pages(`${mine}&ratio[gte]=Infinity&sort=ratio`, "ratio"), sorted.slice(-3))
      })
    )

    it.effect("an instant that no store can hold is refused, and said to be too early", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const held = ["-004713-11-24T00:00:00.000Z", "0000-02-29T00:00:00.000Z", "+275760-09-13T00:00:00.000Z"]
        for (const [index, minted] of held.entries()) {
          const made = yield* call("POST", path, { body: { serial: String(5000 + index), minted } })
          assert.deepStrictEqual((yield* call("GET", `${path}/${made.json.id}`)).json, made.json)
        }
        const mine = "serial[gte]=5000&serial[lt]=6000&sort=minted"
        const shown = held.map((each) => new Date(each).toISOString())
        assert.deepStrictEqual(yield* pages(mine, "minted"), shown)
        for (const minted of ["-004713-11-23T23:59:59.999Z", "-271821-04-20T00:00:00.000Z"]) {
          const fault = [{ path: "minted", message: tooEarly }]
          assert.deepStrictEqual(yield* refusal(400, "POST", path, { serial: "5100", minted }), fault)
          const filter = `${path}?minted[lt]=${encodeURIComponent(minted)}`
          assert.deepStrictEqual(yield* refusal(400, "GET", filter), fault)
          const place = JSON.stringify({ order: "minted,id", after: [minted, "a"] })
          const after = Buffer.from(place).toString("base64url")
          assert.strictEqual((yield* refusal(400, "GET", `${path}?sort=minted&after=${after}`))[0].path, "after")
        }
        for (const minted of ["+275760-09-13T00:00:00.001Z", "+294277-01-01T00:00:00.000Z"]) {
          assert.strictEqual((yield* refusal(400, "POST", path, { serial: "5100", minted }))[0].path, "minted")
          const filter = `${path}?minted[lt]=${encodeURIComponent(minted)}`
          assert.strictEqual((yield* refusal(400, "GET", filter))[0].path, "minted")
        }
      })
    )

    it.effect("a text that is nearly a value is refused, not taken for another one, in a body as in a filter", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const dates = ["2026-02-30T00:00:00Z", "2025-02-29", "1", "Fri, 21 Nov 2026 03:05:00 GMT", "21.11.2026", ""]
        for (const minted of dates) {
          const fault = [{ path: "minted", message: "must be an ISO 8601 instant" }]
          assert.deepStrictEqual(yield* refusal(400, "POST", path, { serial: "5200", minted }), fault)
          assert.deepStrictEqual(yield* refusal(400, "GET", `${path}?minted=${encodeURIComponent(minted)}`), fault)
        }
        const leap = yield* call("POST", path, { body: { serial: "5200", minted: "2024-02-29T23:59:59.9Z" } })
        assert.strictEqual(leap.json.minted, "2024-02-29T23:59:59.900Z")
        assert.deepStrictEqual(yield* refusal(400, "POST", path, { serial: "5201", worth: "" }), [
          { path: "worth", message: "must be a decimal number" }
        ])
        for (const ratio of ["0x10", "0b1", " 1", "1_0", "+-1", "1e999"])
          assert.deepStrictEqual(yield* refusal(400, "GET", `${path}?ratio=${encodeURIComponent(ratio)}`), [
            { path: "ratio", message: "must be a number" }
          ])
        // Every other fault is told with it.
        const paths = (yield* refusal(400, "POST", path, { serial: "x", minted: "2026-02-30", grade: 3, more: 1 })).map(
          (issue: { readonly path: string }) => issue.path
        )
        assert.deepStrictEqual(paths.toSorted(), ["grade", "minted", "more", "serial"])
      })
    )

    it.effect("a number of a million digits is refused", () =>
      Effect.gen(function* () {
        const digits = "7".repeat(1_000_000)
        const message = "must not have more than 131072 digits before its point or 16383 after it"
        for (const field of ["serial", "worth"])
          assert.deepStrictEqual(yield* refusal(400, "POST", path, { serial: "5300", [field]: digits }), [
            { path: field, message }
          ])
      })
    )

    it.effect("what an action itself made too early or too long is refused as its outcome", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const made = yield* call("POST", path, { body: { serial: "6000" } })
        const antedate = `${path}/${made.json.id}/antedate`
        assert.deepStrictEqual(yield* refusal(422, "POST", antedate), [{ path: "minted", message: tooEarly }])
        const longest = `1${"0".repeat(131_071)}`
        const kept = yield* call("POST", path, { body: { serial: "6001", owed: longest } })
        assert.strictEqual((yield* call("GET", `${path}/${kept.json.id}`)).json.owed, longest)
        for (const body of [
          { serial: "6002", owed: `${longest}0` },
          { serial: "6002", worth: "1e131072" },
          { serial: "6002", worth: "1e-16384" },
          { serial: "6002", worth: "1e1000000000" }
        ]) {
          const [{ message }] = yield* refusal(400, "POST", path, body)
          assert.strictEqual(message, "must not have more than 131072 digits before its point or 16383 after it")
        }
        assert.strictEqual((yield* refusal(400, "GET", `${path}?worth[gt]=1e1000000000`))[0].path, "worth")
      })
    )

    it.effect("loads find rows by their values, whatever those are stored as", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const minted = "2026-11-21T03:05:00.000Z"
        yield* call("POST", path, { body: { serial: "7000", worth: "2.5", minted } })
        const purse = yield* call("POST", "/api/v1/purses", { body: {} })
        const count = (serial: string, worth: string) =>
          call("GET", `/api/v1/purses/${purse.json.id}/count?serial=${serial}&worth=${worth}&minted=${minted}`)
        assert.strictEqual((yield* count("7000", "2.50")).text, "1")
        assert.strictEqual((yield* count("7000", "2.6")).text, "0")
        assert.strictEqual((yield* count("7001", "2.5")).text, "0")
      })
    )

    it.effect("the last rows by a field are those with its greatest values, and nothing is the greatest", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        for (const owed of ["9010", "9009", null, "-9100", "1000000000000000000000"])
          yield* call("POST", path, { body: { serial: String(owed ?? 9005), owed, ratio: 77 } })
        const purse = yield* call("POST", "/api/v1/purses", { body: {} })
        const dearest = yield* call("GET", `/api/v1/purses/${purse.json.id}/dearest?ratio=77`)
        assert.deepStrictEqual(dearest.json, ["9010", "1000000000000000000000", "9005"])
      })
    )

    it.effect("what has an order that its text lacks is not sorted or filtered by", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const made = yield* call("POST", path, { body: { serial: "8000", lasts: "10 seconds" } })
        assert.strictEqual(made.status, 201, made.text)
        assert.strictEqual((yield* refusal(400, "GET", `${path}?lasts=x`))[0].path, "lasts")
        assert.strictEqual((yield* refusal(400, "GET", `${path}?sort=lasts`))[0].path, "sort")
      })
    )
  })
