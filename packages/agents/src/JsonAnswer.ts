/** Checks an answer against the JSON Schema that its question carries. */
import * as Issues from "@tenon/core/Issues"
import type * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"

/** The JSON Schema (draft 2020-12) of what a schema encodes to, its definitions inside. */
export const jsonSchemaOf = (schema: Schema.Constraint): Schema.Json => {
  const { definitions, schema: own } = Schema.toJsonSchemaDocument(schema)
  const document = Object.keys(definitions).length === 0 ? own : { ...own, $defs: definitions }
  return document as Schema.Json
}

/**
 * Every fault of an answer; none where it fits. What JSON Schema cannot say, or Effect cannot read back from it, is
 * left for the run to check, which knows the schema itself.
 */
export const faults = (schema: Schema.Json, answer: Schema.Json): ReadonlyArray<string> => {
  const read = reader(schema)
  if (read === undefined) return []
  const checked = read(answer)
  return Result.isSuccess(checked) ? [] : Issues.fromSchema(checked.failure).map(worded)
}

/** A fault in words, with its place. */
export const worded = ({ message, path }: { readonly message: string; readonly path: string }): string =>
  path === "" ? message : `${path}: ${message}`

const reader = (schema: Schema.Json) => {
  if (typeof schema !== "object" || schema === null) return undefined
  const { $defs = {}, ...own } = schema as JsonSchema.JsonSchema
  try {
    const imported = SchemaRepresentation.fromJsonSchemaDocument(
      { dialect: "draft-2020-12", schema: own, definitions: $defs as JsonSchema.Definitions },
      // The document was made from the author's own schema, so its patterns are as trusted as the program.
      { patterns: "apply" }
    )
    return Schema.decodeUnknownResult(Schema.make<Schema.Codec<unknown>>(imported.ast), { errors: "all" })
  } catch {
    return undefined
  }
}
