/** Works out an example of a JSON Schema: the same one every time. */
import type { JsonSchema } from "./OpenApiSchemas.ts"

/** The document's named schemas. */
export type Components = { readonly [name: string]: JsonSchema }

/** A value that fits, as far as the keywords that Effect's schemas produce go. Optional properties are left out. */
export const of = (schema: JsonSchema, components: Components, name = "value", depth = 0): unknown => {
  const { $ref, allOf, anyOf, const: fixed, default: preset, enum: values, examples, oneOf } = schema
  if (Array.isArray(examples) && examples.length > 0) return examples[0]
  if (fixed !== undefined) return fixed
  if (preset !== undefined) return preset
  if (Array.isArray(values)) return values[0]
  if (typeof $ref === "string") {
    const target = components[$ref.slice($ref.lastIndexOf("/") + 1)]
    return target === undefined || depth > 8 ? null : of(target, components, name, depth + 1)
  }
  const alternatives = anyOf ?? oneOf
  if (Array.isArray(alternatives)) return of(alternatives[0] as JsonSchema, components, name, depth + 1)
  if (Array.isArray(allOf)) {
    const merged = Object.assign(
      {},
      { ...schema, allOf: undefined },
      ...(allOf as ReadonlyArray<JsonSchema>)
    ) as JsonSchema
    return of(merged, components, name, depth + 1)
  }
  switch (schema["type"]) {
    case "string":
      return text(schema, name)
    case "integer":
    case "number":
      return numberOf(schema)
    case "boolean":
      return true
    case "null":
      return null
    case "array":
      return list(schema, components, name, depth)
    case "object":
      return object(schema, components, depth)
    default:
      return `any ${name}`
  }
}

const text = ({ format, maxLength, minLength, pattern }: JsonSchema, name: string): string => {
  if (format === "date-time") return "2026-01-31T12:00:00.000Z"
  if (format === "uuid") return "0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
  const least = typeof minLength === "number" ? minLength : 0
  const most = typeof maxLength === "number" ? maxLength : 200
  const words = `example ${name}`.padEnd(least, ".").slice(0, most)
  // Numbers of any size are strings too.
  return typeof pattern === "string" && !new RegExp(pattern).test(words) && new RegExp(pattern).test("1") ? "1" : words
}

const numberOf = ({ exclusiveMinimum, minimum }: JsonSchema): number => {
  if (typeof exclusiveMinimum === "number") return Math.max(1, Math.floor(exclusiveMinimum) + 1)
  return typeof minimum === "number" ? Math.max(1, minimum) : 1
}

const list = (schema: JsonSchema, components: Components, name: string, depth: number): ReadonlyArray<unknown> => {
  const { items, minItems, prefixItems } = schema
  const first = Array.isArray(prefixItems)
    ? prefixItems.map((each) => of(each as JsonSchema, components, name, depth + 1))
    : []
  const least = typeof minItems === "number" ? minItems : 1
  if (typeof items !== "object" || items === null) return first
  const rest = Array.from({ length: Math.max(0, least - first.length) }, () =>
    of(items as JsonSchema, components, name, depth + 1)
  )
  return [...first, ...rest]
}

const object = (schema: JsonSchema, components: Components, depth: number): { readonly [name: string]: unknown } => {
  const properties = (schema["properties"] ?? {}) as { readonly [name: string]: JsonSchema }
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : [])
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([name]) => required.has(name) && depth < 8)
      .map(([name, each]) => [name, of(each, components, name, depth + 1)])
  )
}
