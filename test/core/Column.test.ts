import type { ColumnKind } from "@tenon/core/Column"
import * as Field from "@tenon/core/Field"
import * as Query from "@tenon/core/Query"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import { assert, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

const shapeOf = (schema: Field.FieldSchema) => {
  const resource = Resource.make("Thing", { fields: { id: Field.Id, it: schema }, actions: () => ({}) })
  const column = resource.columns[1]
  return [column?.kind, column?.nullable, Query.queryable(Resource.erase(resource)).length === 2]
}

const Hex = Schema.String.pipe(
  Schema.decodeTo(Schema.BigInt, {
    decode: SchemaGetter.transform((text: string) => BigInt(`0x${text}`)),
    encode: SchemaGetter.transform((number: bigint) => number.toString(16))
  })
)

it("a field is kept as what its encoding is, and listed by only if that has the order of its values", () => {
  const expected: ReadonlyArray<readonly [Field.FieldSchema, ColumnKind, boolean, boolean]> = [
    [Schema.BigInt, "bigint", false, true],
    [Schema.BigInt.check(Schema.isGreaterThanBigInt(100n)).pipe(Schema.brand("Serial")), "bigint", false, true],
    [Schema.optionalKey(Schema.NullOr(Schema.BigInt)), "bigint", true, true],
    [Schema.UndefinedOr(Schema.BigInt), "bigint", true, true],
    [Schema.Literals([1n, 20n]), "bigint", false, true],
    [Schema.BigIntFromString, "bigint", false, true],
    [Schema.ByteSize, "bigint", false, true],
    [Schema.DurationFromNanos, "bigint", false, true],
    [Hex, "text", false, false],
    [Schema.BigDecimal, "bigdecimal", false, true],
    [Schema.NullOr(Schema.BigDecimalFromString), "bigdecimal", true, true],
    [Schema.FiniteFromString, "text", false, false],
    [Schema.DurationFromString, "text", false, false],
    [Schema.Duration, "json", false, false],
    [Schema.DurationFromMillis, "number", false, true],
    [Schema.DateTimeUtc, "timestamp", false, true],
    [Schema.NullOr(Schema.Date), "timestamp", true, true],
    [Schema.DateTimeUtcFromMillis, "integer", false, true],
    [Schema.DateTimeUtcFromHttpDate, "text", false, false],
    [Schema.DateTimeZoned, "text", false, false],
    [Schema.Union([Schema.BigInt, Schema.String]), "json", false, false],
    [Schema.Int, "integer", false, true],
    [Schema.Number, "number", false, true],
    [Schema.Literals(["a", "b"]), "text", false, true],
    [Schema.URL, "text", false, true]
  ]
  for (const [schema, ...shape] of expected) assert.deepStrictEqual(shapeOf(schema), shape, String(schema.ast))
})

const read = (schema: Field.FieldSchema, value: string) => {
  const resource = Resource.make("Thing", { fields: { id: Field.Id, it: schema }, actions: () => ({}) })
  const parsed = Query.parse(Resource.erase(resource), { filters: [{ field: "it", operator: "eq", value }] })
  return Result.isSuccess(parsed) ? parsed.success.filters[0]?.value : parsed.failure.issues[0]?.message
}

it("a filter takes what is in a set only, of whatever kind", () => {
  assert.strictEqual(read(Schema.Literals([1, 2]), "2"), 2)
  assert.strictEqual(read(Schema.Literals([1, 2]), "9"), "must be one of 1, 2")
  assert.strictEqual(read(Schema.Literals([1n, 20n]), "020"), "20")
  assert.strictEqual(read(Schema.Literals([1n, 20n]), "3"), "must be one of 1, 20")
  assert.strictEqual(read(Schema.NullOr(Schema.Literals(["a", "b"])), "c"), "must be one of a, b")
  assert.strictEqual(read(Schema.Literal(true), "false"), "must be one of true")
  assert.strictEqual(read(Schema.BooleanFromBit, "2"), "must be one of 0, 1")
})

it("a filter's instant without a zone is in UTC wherever the process runs, as an input's is", () => {
  const zone = process.env["TZ"]
  process.env["TZ"] = "America/New_York"
  try {
    assert.strictEqual(read(Schema.DateTimeUtc, "2026-11-21T03:05:00"), "2026-11-21T03:05:00.000Z")
    assert.strictEqual(read(Schema.DateTimeUtc, "2026-11-21T03:05:00-05:00"), "2026-11-21T08:05:00.000Z")
    assert.strictEqual(read(Schema.DateTimeUtc, "2026-11-21"), "2026-11-21T00:00:00.000Z")
  } finally {
    if (zone === undefined) delete process.env["TZ"]
    else process.env["TZ"] = zone
  }
})

it("a key, and what points to one, is text", () => {
  const problems = (resources: ReadonlyArray<Resource.Any>) => {
    try {
      Registry.make({ resources })
      return []
    } catch (error) {
      assert.instanceOf(error, Registry.RegistryError)
      return error.problems.map(({ place, problem }) => `${place} ${problem}`)
    }
  }
  const Coin = Resource.make("Coin", { fields: { id: Schema.BigInt }, actions: () => ({}) })
  const Purse = Resource.make("Purse", {
    fields: { id: Field.Id, coinId: Schema.BigInt },
    relations: { coin: Relation.belongsTo("Coin", "coinId") },
    actions: () => ({})
  })
  assert.deepStrictEqual(problems([Coin, Purse].map(Resource.erase)), [
    "Coin.fields.id is the key and must be a required string",
    "Purse.relations.coin coinId holds the key of a Coin and must be a string"
  ])
})
