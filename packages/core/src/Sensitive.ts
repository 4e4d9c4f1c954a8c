/**
 * Leaves sensitive fields out of JSON, by the schema that the JSON was encoded with. A field may be marked on either
 * side of a transformation, and may bear another name in JSON, so every step from a type to its JSON is looked at.
 */
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as Field from "./Field.ts"

/** Removes what must not be shown; `undefined` where a schema holds nothing sensitive, so that nothing need be copied. */
export type Hide = (json: Schema.Json) => Schema.Json

const hiders = new WeakMap<SchemaAST.AST, Hide | null>()

/** The hider of a schema. */
export const hider = (schema: Schema.Constraint): Hide | undefined => {
  const found = hiders.get(schema.ast)
  if (found !== undefined) return found ?? undefined
  const { ast } = Schema.toCodecJson(schema as Schema.Codec<unknown, unknown>)
  const fresh = holds(ast, new Set()) ? compile(ast, new Map()) : null
  hiders.set(schema.ast, fresh)
  return fresh ?? undefined
}

/** Whether a field of this type is sensitive: by its own mark, or by that of what it is an optional or a list of. */
export const isMarked = (ast: SchemaAST.AST): boolean => {
  if (Field.isSensitive(ast.context?.annotations)) return true
  if (ast._tag === "Union") return ast.types.some(isMarked)
  return ast._tag === "Arrays" && [...ast.elements, ...ast.rest].some(isMarked)
}

/** Whether anything sensitive can be reached. */
const holds = (ast: SchemaAST.AST, seen: Set<SchemaAST.AST>): boolean => {
  if (seen.has(ast)) return false
  seen.add(ast)
  return isMarked(ast) || partsOf(ast).some((part) => holds(part, seen))
}

/** What a type is made of, and what it is encoded to. */
const partsOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => [
  ...(ast.encoding ?? []).map(({ to }) => to),
  ...(ast._tag === "Objects"
    ? [...ast.propertySignatures.map(({ type }) => type), ...ast.indexSignatures.map(({ type }) => type)]
    : ast._tag === "Arrays"
      ? [...ast.elements, ...ast.rest]
      : ast._tag === "Union"
        ? ast.types
        : ast._tag === "Suspend"
          ? [ast.thunk()]
          : [])
]

type Hides = Map<SchemaAST.AST, Hide | null | undefined>

const compile = (ast: SchemaAST.AST, hides: Hides): Hide | null => {
  // A schema that contains itself is still being compiled here, so it is looked up once there is JSON.
  if (hides.has(ast))
    return hides.get(ast) ?? (hides.get(ast) === null ? null : (json) => hides.get(ast)?.(json) ?? json)
  hides.set(ast, undefined)
  const encoded = (ast.encoding ?? []).flatMap(({ to }) => [compile(to, hides), hideRenamed(ast, to)])
  const fresh = inTurn([compileOwn(ast, hides), ...encoded])
  hides.set(ast, fresh)
  return fresh
}

/** All of them, one after another: what does not fit the JSON at hand leaves it as it is. */
const inTurn = (hides: ReadonlyArray<Hide | null>): Hide | null => {
  const [first, ...rest] = hides.filter((each) => each !== null)
  if (first === undefined) return null
  return rest.length === 0 ? first : (json) => rest.reduce((hidden, hide) => hide(hidden), first(json))
}

const compileOwn = (ast: SchemaAST.AST, hides: Hides): Hide | null => {
  switch (ast._tag) {
    case "Objects":
      return hideFields(ast, hides)
    case "Arrays": {
      const hide = inTurn([...ast.elements, ...ast.rest].map((each) => compile(each, hides)))
      return hide === null ? null : (json) => (Array.isArray(json) ? json.map(hide) : json)
    }
    case "Union":
      return inTurn(ast.types.map((each) => compile(each, hides)))
    case "Suspend":
      return compile(ast.thunk(), hides)
    default:
      return null
  }
}

/** Of a sensitive field with another name in JSON, the mark may be lost on the way: then no new name is trusted. */
const hideRenamed = (ast: SchemaAST.AST, to: SchemaAST.AST): Hide | null => {
  if (ast._tag !== "Objects" || to._tag !== "Objects") return null
  const before = new Set(ast.propertySignatures.map(({ name }) => String(name)))
  const after = to.propertySignatures.map(({ name }) => String(name))
  const lost = ast.propertySignatures.some(({ name, type }) => isMarked(type) && !after.includes(String(name)))
  return lost ? without(new Set(after.filter((name) => !before.has(name)))) : null
}

const without =
  (hidden: ReadonlySet<string>): Hide =>
  (json) =>
    isObject(json) ? Object.fromEntries(Object.entries(json).filter(([name]) => !hidden.has(name))) : json

const isObject = (json: Schema.Json): json is { readonly [name: string]: Schema.Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const hideFields = (ast: SchemaAST.Objects, hides: Hides): Hide | null => {
  const hidden = new Set<string>()
  const nested = new Map<string, Hide>()
  for (const { name, type } of ast.propertySignatures) {
    if (isMarked(type)) hidden.add(String(name))
    const hide = compile(type, hides)
    if (hide !== null) nested.set(String(name), hide)
  }
  const rest = inTurn(ast.indexSignatures.map(({ type }) => compile(type, hides)))
  if (hidden.size === 0 && nested.size === 0 && rest === null) return null
  return (json) =>
    isObject(json)
      ? Object.fromEntries(
          Object.entries(json)
            .filter(([name]) => !hidden.has(name))
            .map(([name, value]) => [name, (nested.get(name) ?? rest)?.(value) ?? value])
        )
      : json
}
