/** Effect schemas as the schemas of an OpenAPI document, whose named parts are shared. */
import * as Column from "@tenon/core/Column"
import type * as Field from "@tenon/core/Field"
import * as Schema from "effect/Schema"

/** A JSON Schema (draft 2020-12, the dialect of OpenAPI 3.1). */
export type JsonSchema = { readonly [keyword: string]: unknown }

const fieldKey = "~tenon/field"
const local = "#/$defs/"
const shared = "#/components/schemas/"

/** Collects the schemas that a document refers to by name. */
export class Schemas {
  readonly components: { [name: string]: JsonSchema } = {}

  /** What a caller sends: unknown fields are refused, as the interpreter does. */
  input(schema: Schema.Constraint): JsonSchema {
    return this.#convert(schema, false)
  }

  /** What a caller gets: without sensitive fields. */
  output(schema: Schema.Constraint): JsonSchema {
    return this.#convert(schema, true)
  }

  /** Puts a schema among the components and refers to it. An equal one of that name is used again. */
  name(name: string, schema: JsonSchema): JsonSchema {
    const text = JSON.stringify(schema)
    for (let count = 1; ; count++) {
      const candidate = count === 1 ? name : `${name}${count}`
      const existing = this.components[candidate]
      if (existing === undefined) this.components[candidate] = schema
      else if (JSON.stringify(existing) !== text) continue
      return { $ref: shared + candidate }
    }
  }

  #convert(schema: Schema.Constraint, hide: boolean): JsonSchema {
    const document = Schema.toJsonSchemaDocument(schema as Schema.Codec<unknown, unknown>, {
      onExcessProperty: hide ? "ignore" : "error",
      includeAnnotationKey: (key) => key === fieldKey
    })
    const definitions = document.definitions as { readonly [name: string]: JsonSchema }
    const named = new Map<string, string>()
    const refer = (name: string): string => {
      const found = named.get(name)
      if (found !== undefined) return found
      const safe = name.replace(/[^a-zA-Z0-9._-]/g, "_")
      // A definition that refers to itself finds its own name; it is renamed only where another has taken it.
      named.set(name, shared + safe)
      const ref = String(this.name(safe, clean(definitions[name] ?? {}, hide, refer))["$ref"])
      named.set(name, ref)
      return ref
    }
    return withNotations(schema, clean(document.schema as JsonSchema, hide, refer))
  }
}

type Refer = (name: string) => string

/** Rewrites references, drops hidden properties, and takes out the framework's own annotations. */
const clean = (schema: JsonSchema, hide: boolean, refer: Refer): JsonSchema => {
  const result: { [keyword: string]: unknown } = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === fieldKey) continue
    if (keyword === "$ref" && typeof value === "string" && value.startsWith(local))
      result[keyword] = refer(decodeURIComponent(value.slice(local.length)).replace(/~1/g, "/").replace(/~0/g, "~"))
    else if (keyword === "properties") result[keyword] = cleanProperties(value as Properties, hide, refer)
    else if (keyword === "required" && Array.isArray(value))
      result[keyword] = value.filter((name) => !(hide && mayBeAbsent((schema["properties"] as Properties)[name])))
    else if (isSchemas(value)) result[keyword] = value.map((each) => clean(each, hide, refer))
    else if (isSchema(value) && schemaKeywords.has(keyword)) result[keyword] = clean(value, hide, refer)
    else result[keyword] = value
  }
  return tidy(result, schema)
}

type Properties = { readonly [name: string]: JsonSchema }

const schemaKeywords = new Set(["items", "additionalProperties", "propertyNames", "not", "contains"])

const cleanProperties = (properties: Properties, hide: boolean, refer: Refer): Properties =>
  Object.fromEntries(
    Object.entries(properties)
      .filter(([, each]) => !(hide && isHidden(each)))
      .map(([name, each]) => [name, clean(each, hide, refer)])
  )

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isSchemas = (value: unknown): value is ReadonlyArray<JsonSchema> =>
  Array.isArray(value) && value.length > 0 && value.every((each) => isSchema(each))

const metaOf = (schema: JsonSchema): Field.Meta => {
  const parts = [schema, ...(isSchemas(schema["allOf"]) ? schema["allOf"] : [])]
  return Object.assign({}, ...parts.map((part) => part[fieldKey] ?? {}))
}

/** As `Sensitive.isMarked` has it: a mark on what a field is an optional or a list of counts too. */
const isHidden = (schema: JsonSchema | undefined): boolean =>
  schema !== undefined &&
  (metaOf(schema).sensitive === true ||
    (isSchemas(schema["anyOf"]) && schema["anyOf"].some(isHidden)) ||
    (isSchema(schema["items"]) && isHidden(schema["items"])))

/** Whether an answer may lack a property: it is hidden from all, or shown to some roles only. */
const mayBeAbsent = (schema: JsonSchema | undefined): boolean =>
  schema !== undefined && (isHidden(schema) || metaOf(schema).visibleTo !== undefined)

/** Takes away the empty `allOf` that an annotation leaves behind, and says what a default is. */
const tidy = (result: { [keyword: string]: unknown }, original: JsonSchema): JsonSchema => {
  const meta = metaOf(original).default
  if (Array.isArray(result["allOf"])) {
    const parts = (result["allOf"] as ReadonlyArray<JsonSchema>).filter((part) => Object.keys(part).length > 0)
    delete result["allOf"]
    if (parts.length === 1 && Object.keys(result).length === 0) Object.assign(result, parts[0])
    else if (parts.length > 0) result["allOf"] = parts
  }
  if (meta?._tag === "Value" && isJson(meta.value)) result["default"] = meta.value
  return result
}

const isJson = Schema.is(Schema.Json)

/** What a reader should know of a string that stands for something else. */
const notations: { readonly [kind in Column.ColumnKind]?: JsonSchema } = {
  timestamp: { format: "date-time" },
  bigdecimal: { pattern: "^[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?$" }
}

const withNotations = (schema: Schema.Constraint, json: JsonSchema): JsonSchema => {
  const fields = "fields" in schema ? (schema.fields as Field.Fields) : undefined
  if (fields === undefined || !isSchema(json["properties"])) return json
  const properties: { [name: string]: unknown } = { ...json["properties"] }
  for (const { field, kind } of Column.fromFields(fields)) {
    const property = properties[field]
    const notation = notations[kind]
    if (notation !== undefined && isSchema(property)) properties[field] = withNotation(property, notation)
  }
  return { ...json, properties }
}

const withNotation = (property: JsonSchema, notation: JsonSchema): JsonSchema =>
  property["type"] === "string"
    ? { ...property, ...notation }
    : isSchemas(property["anyOf"])
      ? { ...property, anyOf: property["anyOf"].map((each) => withNotation(each, notation)) }
      : property
