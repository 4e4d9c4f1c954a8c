/**
 * Draws rows and inputs from schemas, in their JSON encoding. Values that were drawn before come up again, so that what
 * an action compares is sometimes the same.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import { defaultLimit, type Load } from "./Load.ts"
import type * as Resource from "./Resource.ts"
import * as Storable from "./Storable.ts"
import type { EncodedRow, LoadAnswer } from "./UnitOfWork.ts"

/** Whole numbers from 0 up to a bound; the same for the same seed. */
export type Random = (below: number) => number

/** A generator of whole numbers. */
export const random = (seed: number): Random => {
  let state = (seed ^ 0x9e3779b9) >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Values of a schema, drawn beforehand and given in turn. */
export interface Pool {
  readonly next: () => Schema.Json
  readonly fits: (value: Schema.Json) => boolean
}

/** How many values of each schema are drawn; they are given again after that, in other company. */
const poolSize = 64

const codecOf = (schema: Schema.Constraint) => Schema.toCodecJson(schema as Schema.Codec<unknown, unknown>)

/** Draws values of a schema that a store could keep. Fails where the schema says too little to draw from. */
export const pool = Effect.fnUntraced(function* (schema: Schema.Constraint, seed: number) {
  const codec = codecOf(schema)
  const drawn = yield* Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: poolSize, size: 4, seed })
  const encode = Schema.encodeUnknownResult(codec)
  const decode = Schema.decodeUnknownResult(codec, { onExcessProperty: "error" })
  const values = drawn
    .map((each) => encode(each))
    .filter(Result.isSuccess)
    .map(({ success }) => success as Schema.Json)
    .filter((each) => Storable.faultsIn(each).length === 0)
  let given = 0
  const made: Pool = {
    next: () => values[given++ % values.length] ?? {},
    fits: (value) => Result.isSuccess(decode(value))
  }
  return made
})

/** A row that was drawn, its missing fields null, with other values where they fit. */
export const rowFrom = (resource: Resource.Any, from: Pool, wanted: EncodedRow = {}): EncodedRow => {
  let row = from.next() as EncodedRow
  for (const [field, value] of Object.entries(wanted)) {
    const changed = { ...row, [field]: value }
    if (from.fits(changed as Schema.Json)) row = changed
  }
  return Object.fromEntries(resource.columns.map(({ field }) => [field, row[field] ?? null]))
}

/** An input that was drawn, some of its values those of a row: keys, names and states that are the same. */
export const inputFrom = (from: Pool, row: EncodedRow | undefined, chance: Random): Schema.Json => {
  let input = from.next()
  if (row === undefined || !isRecord(input)) return input
  const known = Object.values(row)
  for (const [field, value] of Object.entries(input)) {
    if (chance(3) !== 0) continue
    const alike = known.filter((each) => each !== null && each !== undefined && typeof each === typeof value)
    const other = alike[chance(alike.length)]
    const changed: Schema.Json = { ...input, [field]: other ?? value }
    if (from.fits(changed)) input = changed
  }
  return input
}

const isRecord = (value: Schema.Json): value is { readonly [field: string]: Schema.Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An answer to a load: the row that has the key, rows that match, a number of them. */
export const answer = (load: Load<unknown>, from: Pool, chance: Random): LoadAnswer => {
  const { _tag, key, limit = defaultLimit, resource } = load
  switch (_tag) {
    case "One":
      return rowFrom(resource, from, { [resource.key]: key })
    case "Optional":
      return chance(2) === 0 ? undefined : rowFrom(resource, from, { [resource.key]: key })
    case "Many":
      return Array.from({ length: Math.min(limit, chance(4)) }, () => rowFrom(resource, from, encodedWhere(load)))
    case "Count":
      return chance(4)
  }
}

/** The values that rows must have, as they are encoded; those that cannot be are left to chance. */
const encodedWhere = ({ resource, where }: Load<unknown>): EncodedRow =>
  Object.fromEntries(
    Object.entries(where).flatMap(([field, value]) => {
      const schema = resource.fields[field]
      const encoded = schema === undefined ? undefined : Schema.encodeUnknownResult(codecOf(schema))(value)
      return encoded !== undefined && Result.isSuccess(encoded) ? [[field, encoded.success as Schema.Json]] : []
    })
  )

/**
 * What an action draws from: its input, its own row, and the rows of what it loads, each made when it is first asked
 * for.
 */
export interface Sources {
  readonly input: (action: Action.Any) => Effect.Effect<Pool, Arbitrary.SampleError>
  readonly rows: (resource: Resource.Any) => Effect.Effect<Pool, Arbitrary.SampleError>
}

/** The sources for a seed. */
export const sources = (seed: number): Sources => {
  const pools = new Map<string, Pool>()
  const kept = (name: string, schema: Schema.Constraint) =>
    Effect.suspend(() => {
      const found = pools.get(name)
      return found === undefined
        ? Effect.tap(pool(schema, seed + pools.size), (made) => Effect.sync(() => pools.set(name, made)))
        : Effect.succeed(found)
    })
  return {
    input: (action) => kept(`input of ${action.resource}.${action.name}`, action.input),
    rows: (resource) => kept(`rows of ${resource.name}`, resource.schema)
  }
}
