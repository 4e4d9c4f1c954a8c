/**
 * Whatever is declared, and whatever is in it: rows come back as they were saved, and PostgreSQL lists what memory
 * lists.
 */
import { CurrentActor } from "@tenon/core/Actor"
import * as Field from "@tenon/core/Field"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as Query from "@tenon/core/Query"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import { RowStore } from "@tenon/core/RowStore"
import type { EncodedRow } from "@tenon/core/UnitOfWork"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import { actor } from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as BigDecimal from "effect/BigDecimal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { server } from "../support/ScratchDatabase.ts"

const kinds: ReadonlyArray<readonly [Schema.Top & Field.FieldSchema, unknown]> = [
  [Schema.String, "it's"],
  [Schema.NonEmptyString, "a"],
  [Schema.Int, -1],
  [Schema.Finite, 1e-7],
  [Schema.Boolean, true],
  [Schema.Literals(["low", "it's", "\\"]), "low"],
  [Schema.Json, { a: [null] }],
  [Schema.Array(Schema.String), ["b", "a'"]],
  [Schema.Struct({ a: Schema.Int, b: Schema.optionalKey(Schema.String) }), { a: 1 }],
  [Schema.Union([Schema.String, Schema.Int]), 7],
  [Schema.DateTimeUtc, undefined],
  [Schema.BigInt, -12n],
  [Schema.BigDecimal, BigDecimal.make(15n, 1)],
  [Schema.Number, Number.NaN],
  [Schema.Literals([1, 2, 10]), 10],
  [Schema.DateTimeUtcFromMillis, undefined],
  [Schema.BooleanFromBit, true]
]

const FieldPlan = Schema.Struct({
  kind: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: kinds.length - 1 })),
  shape: Schema.Literals(["plain", "optional", "nullable", "both", "default"]),
  sensitive: Schema.Boolean
})
const Plan = Schema.Struct({
  fields: Schema.NonEmptyArray(FieldPlan).check(Schema.isMaxLength(8)),
  seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))
})

const fieldOf = ({ kind, sensitive, shape }: typeof FieldPlan.Type): Field.FieldSchema => {
  const [schema, value] = kinds[kind] ?? [Schema.String, ""]
  const shaped = {
    plain: () => schema,
    optional: () => Schema.optionalKey(schema),
    nullable: () => Schema.NullOr(schema),
    both: () => Schema.optionalKey(Schema.NullOr(schema)),
    default: () => (value === undefined ? schema : (schema as Schema.Unknown).pipe(Field.withDefault(value)))
  }[shape]() as Schema.Top & Field.FieldSchema
  return sensitive ? (Field.sensitive(shaped) as Schema.Top & Field.FieldSchema) : shaped
}

const resourceOf = ({ fields }: typeof Plan.Type) =>
  Resource.make("Thing", {
    fields: { id: Field.Id, ...Object.fromEntries(fields.map((each, index) => [`field${index}`, fieldOf(each)])) },
    actions: () => ({})
  })

/** What PostgreSQL can hold: no NUL, no half of a surrogate pair, no year before 4713 BC or after 294276. */
const storable = (row: EncodedRow): EncodedRow =>
  JSON.parse(
    JSON.stringify(row)
      .replace(/\\u(0000|d[89a-f]..)/gi, "x")
      .replace(/[+-]\d{6}-\d\d-\d\dT[\d:.]+Z/g, "+012345-01-01T00:00:00.000Z")
  )

const rowsOf = Effect.fnUntraced(function* (resource: Resource.Any, seed: number) {
  const drawn = yield* Arbitrary.sampleEffect(Arbitrary.schema(resource.schema), { count: 25, size: 6, seed })
  const codec = Schema.toCodecJson(resource.schema as Schema.Codec<unknown, unknown>)
  const encoded = yield* Effect.forEach(drawn, (each) => Schema.encodeUnknownEffect(codec)(each))
  return encoded.map((row, index): EncodedRow => ({ ...storable(row as EncodedRow), id: `${index % 20}` }))
})

/** Filters, orders and page sizes of all kinds, with values that occur. */
const queriesOf = (resource: Resource.Any, rows: ReadonlyArray<EncodedRow>, seed: number) => {
  let state = seed + 1
  const below = (bound: number) => (state = (Math.imul(state, 48271) >>> 0) % 2147483647) % bound
  const pick = <A>(from: ReadonlyArray<A>): A => from[below(from.length)] as A
  const columns = Query.queryable(resource)
  const sortable = columns.filter(({ nullable }) => !nullable)
  return Array.from({ length: 25 }, (): Query.Parameters => {
    const filters = Array.from({ length: below(3) }, () => {
      const { field } = pick(columns)
      const operator = pick(Query.operators)
      const value = String(pick(rows)[field] ?? "")
      return { field, operator, value: operator === "null" ? String(below(2) === 0) : value }
    })
    const sort = Array.from({ length: below(3) }, () => `${pick(["", "-"])}${pick(sortable).field}`).join(",")
    return { filters, sort, limit: String(1 + below(12)) }
  }).filter((parameters) => Query.parse(resource, parameters)._tag === "Success")
}

const by = actor()
const complete = (resource: Resource.Any, row: EncodedRow) =>
  Object.fromEntries(resource.columns.map(({ field }) => [field, row[field] ?? null]))

const listed = Effect.fnUntraced(function* (
  store: RowStore["Service"],
  resource: Resource.Any,
  parameters: Query.Parameters
) {
  const pages: Array<ReadonlyArray<unknown>> = []
  let after: string | undefined
  do {
    const page = yield* store.page(
      by,
      resource,
      yield* Effect.fromResult(Query.parse(resource, { ...parameters, after }))
    )
    pages.push(page.items)
    after = page.next
  } while (after !== undefined)
  const query = yield* Effect.fromResult(Query.parse(resource, parameters))
  return { pages, count: yield* store.count(by, resource, query) }
})

const repositoryOf = (store: RowStore["Service"]) =>
  Effect.provideService(
    Effect.map(Layer.build(Repository.layer.pipe(Layer.provide(Layer.succeed(RowStore, store)))), (context) =>
      Context.get(context, Repository.Repository)
    ),
    CurrentActor,
    by
  )

describe("generated resources", () => {
  it.live.prop(
    "are kept and listed alike in memory and in PostgreSQL",
    { plan: Plan },
    ({ plan }) =>
      Effect.gen(function* () {
        const resource: Resource.Any = Resource.erase(resourceOf(plan))
        const registry = Registry.make({ resources: [resource] })
        const memory = Context.get(yield* Layer.build(MemoryStore.layer(registry)), RowStore)
        const postgres = Context.get(yield* Layer.build(TestingPostgres.layerStore(registry, { server })), RowStore)
        const rows = yield* rowsOf(resource, plan.seed)
        for (const row of rows) {
          const saved = complete(resource, row)
          assert.deepStrictEqual(yield* memory.save(by, resource, saved), saved)
          assert.deepStrictEqual(yield* postgres.save(by, resource, saved), saved)
          assert.deepStrictEqual(yield* postgres.find(by, resource, String(row["id"])), saved)
        }
        for (const parameters of queriesOf(resource, rows, plan.seed)) {
          const [expected, given] = [
            yield* listed(memory, resource, parameters),
            yield* listed(postgres, resource, parameters)
          ]
          assert.deepStrictEqual(given, expected, JSON.stringify(parameters))
        }
        const [x, y] = [yield* repositoryOf(memory), yield* repositoryOf(postgres)]
        const keys = rows.map(({ id }) => String(id))
        assert.deepStrictEqual(yield* y.getMany(resource, keys), yield* x.getMany(resource, keys))
      }).pipe(Effect.scoped, Effect.provideService(CurrentActor, by)),
    {
      timeout: 120_000,
      arbitrary: {
        runs: 12,
        maxShrinks: 30,
        ...(process.env["TENON_RUNS"] === undefined ? { seed: 3 } : { runs: Number(process.env["TENON_RUNS"]) })
      }
    }
  )
})
