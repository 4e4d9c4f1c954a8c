/** Serdes that show a schema in Restate's discovery. */
import type * as restate from "@restatedev/restate-sdk"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"

export type JsonSchema = { readonly [key: string]: unknown }

/** A struct without fields takes all that is not null, and its JSON Schema says so; what is sent is an object. */
const isEmpty = (ast: SchemaAST.AST): boolean =>
  ast._tag === "Objects" && ast.propertySignatures.length === 0 && ast.indexSignatures.length === 0
const anyObject = { definitions: {}, schema: { type: "object" } }

const known = new WeakMap<Schema.Constraint, JsonSchema>()

/**
 * The JSON Schema (draft 2020-12) of a schema's JSON encoding, its definitions inside. It is made once: most actions of
 * a resource give the same row.
 */
export const jsonSchema = (schema: Schema.Constraint): JsonSchema => {
  const found = known.get(schema)
  if (found !== undefined) return found
  const { definitions, schema: own } = isEmpty(schema.ast) ? anyObject : Schema.toJsonSchemaDocument(schema)
  const made = Object.keys(definitions).length === 0 ? own : { ...own, $defs: definitions }
  known.set(schema, made)
  return made
}

const encoder = new TextEncoder()

/** Input that reaches the handler as it came, because its signature covers the bytes. */
export const raw = (schema: JsonSchema): restate.Serde<Uint8Array> => ({
  contentType: "application/json",
  jsonSchema: schema,
  serialize: (bytes) => bytes,
  deserialize: (bytes) => bytes
})

/** Plain JSON out. */
export const json = (schema: JsonSchema): restate.Serde<unknown> => ({
  contentType: "application/json",
  jsonSchema: schema,
  serialize: (value) => encoder.encode(JSON.stringify(value ?? null)),
  deserialize: (bytes) => JSON.parse(new TextDecoder().decode(bytes))
})
