/** Turns what a schema found wrong into a flat list of places and sentences. */
import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Issue } from "./Failure.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Every fault that a schema reported, without the values that were given. */
export const fromSchema = (error: Schema.SchemaError): ReadonlyArray<Issue> =>
  format(error.issue).issues.map((issue) => ({
    path: (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join("."),
    message: issue.message
  }))
