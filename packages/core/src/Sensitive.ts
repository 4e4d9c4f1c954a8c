/** Leaves sensitive fields out of JSON, by the schema that the JSON was encoded with. */
import type * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as Field from "./Field.ts"

/** Removes what must not be shown; `undefined` where a schema holds nothing sensitive, so that nothing need be copied. */
export type Hide = (json: Schema.Json) => Schema.Json

const compiled = new WeakMap<SchemaAST.AST, Hide | null>()

/** The hider of a schema. */
export const hider = (schema: Schema.Constraint): Hide | undefined => compile(schema.ast) ?? undefined

const compile = (ast: SchemaAST.AST): Hide | null => {
  const found = compiled.get(ast)
  if (found !== undefined) return found
  // A schema that contains itself is taken as harmless while it is being looked at; its parts are looked at anyway.
  compiled.set(ast, null)
  const fresh = compileFresh(ast)
  compiled.set(ast, fresh)
  return fresh
}

const compileFresh = (ast: SchemaAST.AST): Hide | null => {
  switch (ast._tag) {
    case "Objects":
      return hideFields(ast)
    case "Arrays": {
      const hides = [...ast.elements, ...ast.rest].map(compile).filter((each) => each !== null)
      const hide: Hide = (json) => hides.reduce((hidden, each) => each(hidden), json)
      return hides.length === 0 ? null : (json) => (Array.isArray(json) ? json.map(hide) : json)
    }
    case "Union": {
      const hides = ast.types.map(compile).filter((each) => each !== null)
      return hides.length === 0 ? null : (json) => hides.reduce((hidden, hide) => hide(hidden), json)
    }
    case "Suspend":
      return compile(ast.thunk())
    default:
      return null
  }
}

const hideFields = (ast: SchemaAST.Objects): Hide | null => {
  const hidden = new Set<string>()
  const nested = new Map<string, Hide>()
  for (const { name, type } of ast.propertySignatures) {
    if (Field.isSensitive(type.context?.annotations)) hidden.add(String(name))
    const hide = compile(type)
    if (hide !== null) nested.set(String(name), hide)
  }
  const rest = ast.indexSignatures.map((each) => compile(each.type)).find((each) => each !== null)
  if (hidden.size === 0 && nested.size === 0 && rest === undefined) return null
  return (json) =>
    typeof json !== "object" || json === null || Array.isArray(json)
      ? json
      : Object.fromEntries(
          Object.entries(json)
            .filter(([name]) => !hidden.has(name))
            .map(([name, value]) => [name, (nested.get(name) ?? rest)?.(value) ?? value])
        )
}
