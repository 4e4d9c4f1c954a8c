/**
 * Two tenants' rows for the isolation proof, drawn from the schemas. Wherever a field takes any text, it holds a mark
 * that occurs nowhere else, so that a mark in an answer says whose row it came from.
 */
import type * as Action from "@tenon/core/Action"
import type { Actor } from "@tenon/core/Actor"
import type { ActionFailure } from "@tenon/core/Failure"
import type * as Registry from "@tenon/core/Registry"
import type * as Relation from "@tenon/core/Relation"
import type * as Resource from "@tenon/core/Resource"
import * as RowCodec from "@tenon/core/RowCodec"
import type { RowStore } from "@tenon/core/RowStore"
import * as Transitions from "@tenon/core/Transitions"
import type { EncodedRow } from "@tenon/core/UnitOfWork"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"

/** One of the two tenants. */
export interface Party {
  readonly actor: Actor
  /** Its rows by resource, those saved for the proof to look at. */
  readonly rows: Map<string, ReadonlyArray<EncodedRow>>
}

/** What rows are drawn for. */
export interface Source {
  readonly registry: Registry.Registry
  readonly store: RowStore["Service"]
  readonly seed: number
}

/** Draws rows and inputs. */
export interface Data {
  /** Text that occurs nowhere else. */
  readonly mark: (party: Party) => string
  /** All marks of a tenant in a text. */
  readonly marksOf: (party: Party, text: string) => ReadonlySet<string>
  /** A row of the resource, with the given values; not saved. */
  readonly row: (party: Party, resource: Resource.Any, given?: EncodedRow) => Effect.Effect<EncodedRow>
  /** A row of the resource, saved. */
  readonly saved: (party: Party, resource: Resource.Any, given?: EncodedRow) => Effect.Effect<EncodedRow, ActionFailure>
  /** An input of the action that points at rows of `target`. */
  readonly input: (
    party: Party,
    action: Action.Any,
    pointsAt: (target: string) => string | undefined
  ) => Effect.Effect<{ readonly [field: string]: Schema.Json }>
}

/** The key of a row. */
export const keyOf = (resource: Resource.Any, row: EncodedRow): string => String(row[resource.key])

/** The relations by which a resource points at others. */
export const pointers = (resource: Resource.Any): ReadonlyArray<Relation.BelongsTo> =>
  Object.values(resource.relations).filter((relation) => relation._tag === "BelongsTo")

/** Whether the store numbers a field. */
export const isNumbered = (resource: Resource.Any, field: string): boolean =>
  resource.columns.some(
    (each) => each.field === field && (each.default?._tag === "Position" || each.default?._tag === "Version")
  )

/** The key of a tenant's first row of a resource. */
export const firstKey =
  (registry: Registry.Registry, party: Party) =>
  (name: string): string | undefined => {
    const resource = registry.resource(name)
    const [row] = party.rows.get(name) ?? []
    return resource === undefined || row === undefined ? undefined : keyOf(resource, row)
  }

/** The pointers that a unique key consists of: rows that all pointed at the same ones would be one row. */
const spread = (resource: Resource.Any): ReadonlyArray<string> =>
  Object.values(resource.identities).find((fields) =>
    fields.every((field) => pointers(resource).some((each) => each.field === field))
  ) ?? []

/** A drawn value with text that a database can hold. */
const storable = (value: unknown): unknown => {
  if (typeof value === "string") return value.replaceAll("\0", "").toWellFormed()
  if (Array.isArray(value)) return value.map(storable)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [storable(key), storable(each)]))
}

/** The value of a field that is a state. */
const literalOf = (resource: Resource.Any, field: string, state: string): Schema.Json =>
  resource.columns.find((each) => each.field === field)?.literals?.find((each) => String(each) === state) ?? null

/** What may hold a mark, tried in this order. */
const shapes: ReadonlyArray<(mark: string) => Schema.Json> = [
  (mark) => mark,
  (mark) => [mark],
  (mark) => ({ [mark]: mark })
]

/** Prepares the drawing. The same seed draws the same values, but for the marks. */
export const make = ({ registry, seed, store }: Source): Data => {
  const nonce = randomBytes(4).toString("hex")
  let count = 0
  const label = (party: Party) => `zz${Buffer.from(party.actor.tenantId).toString("hex")}x${nonce}n`
  const mark = (party: Party) => `${label(party)}${++count}e`
  const targets = new Map(registry.resources.flatMap(pointers).map(({ field, target }) => [field, target] as const))

  /** Draws a value of a schema in its JSON encoding, then puts marks where they fit. */
  const draw = Effect.fnUntraced(function* (
    party: Party,
    schema: Schema.Constraint,
    fields: ReadonlyArray<string>,
    given: EncodedRow
  ) {
    const codec = Schema.toCodecJson(schema as Schema.Codec<unknown, unknown>)
    const fits = (value: unknown) => Result.isSuccess(Schema.decodeUnknownResult(codec)(value))
    const [drawn] = yield* Effect.orDie(
      Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: 1, size: 3, seed: seed * 1000 + ++count })
    )
    const encoded = yield* Effect.orDie(Schema.encodeUnknownEffect(codec)(drawn))
    const cleaned = storable(encoded)
    let value = (fits(cleaned) ? cleaned : encoded) as EncodedRow
    for (const field of fields) {
      const wanted = given[field]
      const candidates = wanted === undefined ? shapes.map((shape) => shape(mark(party))) : [wanted]
      const found = candidates.find((each) => fits({ ...value, [field]: each }))
      if (found !== undefined) value = { ...value, [field]: found }
    }
    return value
  })

  const row = Effect.fnUntraced(function* (party: Party, resource: Resource.Any, given: EncodedRow = {}) {
    const places: { [field: string]: Schema.Json | undefined } = {}
    for (const { target, field } of pointers(resource)) places[field] = firstKey(registry, party)(target) ?? null
    const instant = new Date(Date.UTC(2026, 0, 1) + ++count * 1000).toISOString()
    for (const column of resource.columns) {
      if (isNumbered(resource, column.field)) places[column.field] = 0
      else if (column.kind === "timestamp") places[column.field] = instant
      else if (column.kind === "integer") places[column.field] = count
      else if (column.kind === "bigint" || column.kind === "bigdecimal") places[column.field] = String(count)
    }
    for (const [field, states] of Object.entries(resource.initial)) {
      places[field] = literalOf(resource, field, states[count % states.length] ?? "")
    }
    const marked = resource.columns.filter(
      ({ field, kind, literals }) =>
        field in places || field in given || kind === "json" || (kind === "text" && literals === undefined)
    )
    const drawn = yield* draw(
      party,
      resource.schema,
      marked.map(({ field }) => field),
      { ...places, ...given }
    )
    return Object.fromEntries(resource.columns.map(({ field }) => [field, drawn[field] ?? null]))
  })

  /** What to point at, in every combination that a unique key of pointers allows; nothing where there is none. */
  const combinations = (party: Party, resource: Resource.Any): ReadonlyArray<EncodedRow> =>
    spread(resource).reduce<ReadonlyArray<EncodedRow>>(
      (all, field) => {
        const target = registry.resource(pointers(resource).find((each) => each.field === field)?.target ?? "")
        const rows = target === undefined ? [] : (party.rows.get(target.name) ?? [])
        return all.flatMap((each) => rows.map((row) => ({ ...each, [field]: keyOf(target ?? resource, row) })))
      },
      [{}]
    )

  /** Moves a new row some way along its states, so that there are rows in all of them. */
  const moved = Effect.fnUntraced(function* (party: Party, resource: Resource.Any, row: EncodedRow) {
    let stands = row
    for (const field of Object.keys(resource.initial)) {
      const seen = new Set([Transitions.stateOf(stands, field)])
      for (let left = ++count % 4; left > 0; left--) {
        const onward = resource.transitions[field]?.[Transitions.stateOf(stands, field)] ?? []
        const options = onward.filter((each) => !seen.has(each))
        const next = options[count % options.length]
        if (next === undefined) break
        seen.add(next)
        const changed = { ...stands, [field]: literalOf(resource, field, next) }
        stands = yield* store.save(party.actor, resource, changed)
      }
    }
    return stands
  })

  /** Saves a row that points where no other one points, where that is asked of it. */
  const saved: Data["saved"] = Effect.fnUntraced(function* (party, resource, given) {
    const [first = {}, ...others] = combinations(party, resource)
    const save = (places: EncodedRow) =>
      row(party, resource, { ...places, ...given }).pipe(
        Effect.flatMap((each) => store.save(party.actor, resource, each)),
        Effect.flatMap((each) => moved(party, resource, each))
      )
    return yield* others.reduce(
      (before, places) =>
        Effect.catch(before, (failure) => (failure._tag === "AlreadyExists" ? save(places) : Effect.fail(failure))),
      save(first)
    )
  })

  return {
    mark,
    marksOf: (party, text) => new Set(text.match(new RegExp(`${label(party)}\\d+e`, "g")) ?? []),
    row,
    saved,
    input: Effect.fnUntraced(function* (party, action, pointsAt) {
      const fields = Object.keys((action.input as { readonly fields?: object }).fields ?? {})
      const given = Object.fromEntries(
        fields.flatMap((field) => {
          const target = targets.get(field)
          const key = target === undefined ? undefined : pointsAt(target)
          return key === undefined ? [] : [[field, key]]
        })
      )
      return (yield* draw(party, action.input, fields, given)) as { readonly [field: string]: Schema.Json }
    })
  }
}

/** Saves rows of every resource for both tenants; those without a tenant are shared. */
export const populate = Effect.fnUntraced(function* (
  data: Data,
  registry: Registry.Registry,
  parties: ReadonlyArray<Party>,
  count: number
) {
  for (const resource of registry.resources) {
    // More of those that a unique key of pointers combines, since each action gets a row of its own.
    const combined = registry.resources.some((each) =>
      pointers(each).some(({ field, target }) => target === resource.name && spread(each).includes(field))
    )
    for (const party of parties) {
      const rows: Array<EncodedRow> = []
      for (let made = 0; made < (combined ? 3 * count : count); made++) rows.push(yield* data.saved(party, resource))
      party.rows.set(resource.name, rows)
    }
  }
})

/** A tenant's rows of some resources, each as a text, so that any change shows. */
export const snapshot = Effect.fnUntraced(function* (
  store: RowStore["Service"],
  actor: Actor,
  resources: ReadonlyArray<Resource.Any>
) {
  const all = yield* Effect.forEach(
    resources,
    (resource) =>
      Effect.map(allRows(store, actor, resource), (rows) => [resource.name, linesOf(resource, rows)] as const),
    { concurrency: "unbounded" }
  )
  return new Map(all)
})

const linesOf = (resource: Resource.Any, rows: ReadonlyArray<EncodedRow>): string =>
  rows.map((row) => `${resource.name} ${JSON.stringify(RowCodec.of(resource).present(row))}`).join("\n")

/** Every row of a resource that an actor can see. */
export const allRows = Effect.fnUntraced(function* (store: RowStore["Service"], actor: Actor, resource: Resource.Any) {
  const key = resource.columns.filter(({ field }) => field === resource.key)
  const order = key.map((column) => ({ column, descending: false }))
  const rows: Array<EncodedRow> = []
  for (let after: ReadonlyArray<string> | undefined; ;) {
    const page = yield* store.page(actor, resource, { filters: [], order, limit: 500, after })
    rows.push(...page.items)
    const last = page.items.at(-1)
    if (page.next === undefined || last === undefined) return rows
    after = [keyOf(resource, last)]
  }
})
