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

/** Puts definitions in the place of references to them; a type that contains itself becomes `{}`, which allows anything. */
const inlined = (value: Schema.Json, definitions: Json, inside: ReadonlyArray<string> = []): Schema.Json => {
  if (Array.isArray(value)) return value.map((each: Schema.Json) => inlined(each, definitions, inside))
  if (!isObject(value)) return value
  const ref = value["$ref"]
  if (typeof ref === "string" && ref.startsWith(prefix)) {
    const name = ref.slice(prefix.length)
    return inside.includes(name) ? {} : inlined(definitions[name] ?? {}, definitions, [...inside, name])
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, inlined(each ?? null, definitions, inside)])
  )
}

const plain = (value: object): Json => JSON.parse(JSON.stringify(value))

const documentOf = (schema: Schema.Codec<unknown, unknown>) => plain(Schema.toJsonSchemaDocument(schema))

const objectIn = (json: Json, key: string): Json => {
  const value = json[key]
  return isObject(value) ? value : {}
}

const withoutReferences = (codec: Schema.Codec<unknown, unknown>): Json => {
  const document = documentOf(codec)
  const schema = inlined(objectIn(document, "schema"), objectIn(document, "definitions"))
  return isObject(schema) ? schema : {}
}

/** What an activity takes, without references. */
export const argumentsOf = (activity: Activity.Any): Json => withoutReferences(activity.arguments)

/** The envelope, without references. */
export const envelope = (): Json => withoutReferences(Envelope.Envelope)

/** One document with the envelope and what each activity takes, under `$defs`. */
export const document = (registry: Registry.Any, id: string): Json => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: id,
  $ref: "#/$defs/envelope",
  $defs: {
    envelope: envelope(),
    ...Object.fromEntries(
      registry.activities.map((activity) => [
        activity.name,
        activity.description === undefined
          ? argumentsOf(activity)
          : { description: activity.description, ...argumentsOf(activity) }
      ])
    )
  }
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
