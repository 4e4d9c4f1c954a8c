/** What activities take, as JSON Schema (draft 2020-12), for planners and for workers in other languages. */
import * as Schema from "effect/Schema"
import type * as Activity from "./Activity.ts"
import * as Envelope from "./Envelope.ts"
import type * as Registry from "./Registry.ts"

/** JSON Schema, or part of it. */
export interface Json {
  readonly [keyword: string]: Schema.Json
}

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const prefix = "#/$defs/"

/** A name within a JSON Pointer that stands in a URI (RFC 6901, sections 3 and 6). */
const tokenOf = (name: string): string => encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"))
const nameIn = (token: string): string => decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~")

/** The definition that a schema refers to, if it does. */
const referred = (value: Json): string | undefined => {
  const ref = value["$ref"]
  return typeof ref === "string" && ref.startsWith(prefix) ? nameIn(ref.slice(prefix.length)) : undefined
}

/** A copy of a schema with something else in the place of each reference. */
const replaced = (value: Schema.Json, instead: (name: string) => Schema.Json): Schema.Json => {
  if (Array.isArray(value)) return value.map((each: Schema.Json) => replaced(each, instead))
  if (!isObject(value)) return value
  const name = referred(value)
  if (name !== undefined) return instead(name)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replaced(each ?? null, instead)]))
}

const plain = (value: object): Json => JSON.parse(JSON.stringify(value))

const objectIn = (json: Json, key: string): Json => {
  const value = json[key]
  return isObject(value) ? value : {}
}

const partsOf = (codec: Schema.Codec<unknown, unknown>) => {
  const document = plain(Schema.toJsonSchemaDocument(codec))
  return { schema: objectIn(document, "schema"), definitions: objectIn(document, "definitions") }
}

const orAnything = (schema: Schema.Json): Json => (isObject(schema) ? schema : {})

/**
 * Definitions that are put in the place of references at most: types that contain each other would swell without end.
 */
const mostInlined = 500

/**
 * What an activity takes, without references, for those who read one alone: a type that contains itself becomes `{}`,
 * which allows anything, and so does what is left where types are used too often.
 */
export const argumentsOf = (activity: Activity.Any): Json => {
  const { definitions, schema } = partsOf(activity.arguments)
  let left = mostInlined
  const inlined = (value: Schema.Json, inside: ReadonlyArray<string>): Schema.Json =>
    replaced(value, (name) =>
      inside.includes(name) || left-- <= 0 ? {} : inlined(definitions[name] ?? {}, [...inside, name])
    )
  return orAnything(inlined(schema, []))
}

/** A schema for a place in a document, by its pointer, with its types under `$defs` of its own. */
const placed = (codec: Schema.Codec<unknown, unknown>, at: string): Json => {
  const { definitions, schema } = partsOf(codec)
  const own = (value: Schema.Json) => replaced(value, (name) => ({ $ref: `${at}/$defs/${tokenOf(name)}` }))
  const $defs = Object.fromEntries(Object.entries(definitions).map(([name, each]) => [name, own(each ?? null)]))
  return { ...orAnything(own(schema)), ...(Object.keys($defs).length === 0 ? {} : { $defs }) }
}

/** The name of the envelope among activities, of which none begins with a capital. */
export const envelopeName = "Envelope"

/** The envelope and what each activity takes, by name, for a document where `at` tells the place of each. */
export const schemasOf = (registry: Registry.Any, at: (name: string) => string): { readonly [name: string]: Json } => ({
  [envelopeName]: placed(Envelope.Envelope, at(envelopeName)),
  ...Object.fromEntries(
    registry.activities.map((activity) => [
      activity.name,
      {
        ...(activity.description === undefined ? {} : { description: activity.description }),
        ...placed(activity.arguments, at(activity.name))
      }
    ])
  )
})

/** One document with the envelope and what each activity takes, under `$defs`. */
export const document = (registry: Registry.Any, id: string): Json => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: id,
  $ref: `${prefix}${envelopeName}`,
  $defs: schemasOf(registry, (name) => `${prefix}${name}`)
})

/** Whether whatever fits `has` also fits `needs`, as far as types, properties and allowed values tell. */
export const fits = (needs: Json, has: Json): boolean => {
  const alternatives = needs["anyOf"] ?? needs["oneOf"]
  if (Array.isArray(alternatives)) return alternatives.some((each) => isObject(each) && fits(each, has))
  const offered = has["anyOf"] ?? has["oneOf"]
  if (Array.isArray(offered)) return offered.every((each) => isObject(each) && fits(needs, each))
  const type = needs["type"]
  if (type !== undefined && has["type"] !== type && !(type === "number" && has["type"] === "integer")) return false
  const allowed = needs["enum"]
  const values = has["enum"] ?? (has["const"] === undefined ? undefined : [has["const"]])
  if (Array.isArray(allowed) && !(Array.isArray(values) && values.every((value) => allowed.includes(value))))
    return false
  if (type === "array") return fits(objectIn(needs, "items"), objectIn(has, "items"))
  return type !== "object" || fitsProperties(needs, has)
}

const fitsProperties = (needs: Json, has: Json): boolean => {
  const [wanted, given] = [objectIn(needs, "properties"), objectIn(has, "properties")]
  const sure = has["required"]
  const required = needs["required"]
  return (Array.isArray(required) ? required : []).every((name) => {
    if (typeof name !== "string" || !Array.isArray(sure) || !sure.includes(name)) return false
    return fits(objectIn(wanted, name), objectIn(given, name))
  })
}
