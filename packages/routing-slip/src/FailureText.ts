/**
 * What the failure of an activity has to say: to be kept with the slip, and read by whoever may see how that stands.
 */
import * as Sensitive from "@tenon/core/Sensitive"
import * as Cause from "effect/Cause"
import * as Formatter from "effect/Formatter"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaParts from "./SchemaParts.ts"

const longest = 1_000
const nothing = "The failure says no more."
const leftOut = "What it says is left out, since the arguments of its step are encrypted."

/**
 * The failure's own sentence; where it has none, the fields that its schema declares, without the sensitive ones.
 * Fields repeat what the step was given, so of one whose arguments are `encrypted` they are not told. What lies behind
 * a failure, as a driver's error does, is nobody's to read but the log's: of a failure that cannot be shown nothing is
 * told.
 */
export const of = (failure: unknown, { encrypted }: { readonly encrypted: boolean }): string =>
  orElse(() => sentenceOf(failure) ?? fieldsOf(failure, encrypted) ?? nothing, nothing).slice(0, longest)

/** What a failure is called. */
export const nameOf = (failure: unknown): string =>
  orElse(() => {
    if (Predicate.hasProperty(failure, "_tag") && typeof failure._tag === "string") return failure._tag
    return failure instanceof Error ? String(failure.name) : "Failure"
  }, "Failure").slice(0, 100)

/** A getter or a `toJSON` of somebody else's may throw. */
const orElse = (text: () => string, otherwise: string): string => {
  try {
    return text()
  } catch {
    return otherwise
  }
}

const sentenceOf = (failure: unknown): string | undefined => {
  if (typeof failure !== "object" || failure === null) return String(failure) || undefined
  return Predicate.hasProperty(failure, "message") ? String(failure.message) || undefined : undefined
}

/** Of a failure without a schema nobody has said which fields are secret. */
const fieldsOf = (failure: unknown, encrypted: boolean): string | undefined => {
  if (typeof failure !== "object" || failure === null) return undefined
  const declared: unknown = failure.constructor
  if (!Schema.isSchema(declared) || !Predicate.hasProperty(declared, "fields")) return undefined
  const names = Object.entries(Object(declared.fields))
    .filter(([name, field]) => name !== "_tag" && name in failure && !isCause(name, field))
    .map(([name]) => name)
    .filter((name) => !holdsCause(Reflect.get(failure, name)))
  if (names.length === 0) return undefined
  if (encrypted) return leftOut
  const own = Object.fromEntries(names.map((name) => [name, Reflect.get(failure, name)]))
  // What is redacted is written as that. What cannot be JSON, as a cycle, is left out.
  const json: Schema.Json = JSON.parse(Formatter.formatJson(own))
  const shown = Sensitive.hider(declared)?.(json) ?? json
  const said = Object.entries(Object(shown)).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  return said.length === 0 ? undefined : said.join(", ")
}

/** Whether a field is for what lies behind the failure. */
const isCause = (name: string, field: unknown): boolean =>
  name === "cause" || (Schema.isSchema(field) && isDefect(field.ast))

const defects: ReadonlySet<unknown> = new Set(
  [false, true].flatMap((includeStack) =>
    [false, true].map((excludeCause) => linkOf(Schema.Defect({ includeStack, excludeCause }).ast))
  )
)

/** How a type is written, by which a defect is known however it is annotated. */
function linkOf(ast: SchemaAST.AST): unknown {
  return ast.encoding?.[0]?.transformation
}

/** Whether a type is a defect, or has one in it. */
const isDefect = (ast: SchemaAST.AST): boolean => SchemaParts.some(ast, (each) => defects.has(linkOf(each) ?? each))

/** Whether a value is an Error, or has one or a cause somewhere in it. */
const holdsCause = (value: unknown, seen = new Set<unknown>()): boolean => {
  if (typeof value !== "object" || value === null || seen.has(value)) return false
  seen.add(value)
  if (value instanceof Error || Cause.isCause(value)) return true
  const inside = value instanceof Map || value instanceof Set ? [...value.entries()].flat() : Object.values(value)
  return Object.hasOwn(value, "cause") || inside.some((each) => holdsCause(each, seen))
}
