/** What the failure of an activity has to say: to be kept with the slip, and read by whoever may see how that stands. */
import * as Sensitive from "@tenon/core/Sensitive"
import * as Formatter from "effect/Formatter"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

const longest = 1_000
const nothing = "The failure says no more."
const leftOut = "What it says is left out, since the arguments of its step are encrypted."

/**
 * The failure's own sentence; where it has none, the fields that its schema declares, without the sensitive ones. Fields
 * repeat what the step was given, so of one whose arguments are `encrypted` they are not told.
 */
export const of = (failure: unknown, { encrypted }: { readonly encrypted: boolean }): string =>
  (sentenceOf(failure) ?? fieldsOf(failure, encrypted) ?? nothing).slice(0, longest)

const sentenceOf = (failure: unknown): string | undefined => {
  if (typeof failure !== "object" || failure === null) return String(failure) || undefined
  return Predicate.hasProperty(failure, "message") ? String(failure.message) || undefined : undefined
}

/** Of a failure without a schema nobody has said which fields are secret. */
const fieldsOf = (failure: unknown, encrypted: boolean): string | undefined => {
  if (typeof failure !== "object" || failure === null) return undefined
  const declared: unknown = failure.constructor
  if (!Schema.isSchema(declared) || !Predicate.hasProperty(declared, "fields")) return undefined
  const names = Object.keys(Object(declared.fields)).filter((name) => name !== "_tag" && name in failure)
  if (names.length === 0) return undefined
  if (encrypted) return leftOut
  const own = Object.fromEntries(names.map((name) => [name, Reflect.get(failure, name)]))
  // What is redacted is written as that. What cannot be JSON, as a cycle, is left out.
  const json: Schema.Json = JSON.parse(Formatter.formatJson(own))
  const shown = Sensitive.hider(declared)?.(json) ?? json
  const said = Object.entries(Object(shown)).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  return said.length === 0 ? undefined : said.join(", ")
}
