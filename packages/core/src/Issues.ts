/** Turns what a schema found wrong into a flat list of places and sentences. */
import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { InvalidInput, type Issue } from "./Failure.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Faults that are listed, at most: a list without end would cost more than what it is about. */
export const most = 50

/** The refusal of an input with these faults. */
export const refusal = (issues: ReadonlyArray<Issue>) => new InvalidInput({ issues: issues.slice(0, most) })

/** The faults that a schema reported, as far as they are listed, without the values that were given. */
export const fromSchema = (error: Schema.SchemaError): ReadonlyArray<Issue> =>
  format(error.issue)
    .issues.slice(0, most)
    .map((issue) => ({
      path: (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join("."),
      message: issue.message
    }))
