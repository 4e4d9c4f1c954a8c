/**
 * Leaves out of JSON what an actor is not shown - sensitive fields, and those for other roles - by the schema that the
 * JSON was encoded with. A field may be marked on either
 * side of a transformation, and may bear another name in JSON, so every step from a type to its JSON is looked at.
 */
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as Field from "./Field.ts"

/** Removes what must not be shown; `undefined` where a schema hides nothing, so that nothing need be copied. */
export type Hide = (json: Schema.Json) => Schema.Json

/** A schema's hiders, one for each set of roles that makes a difference. */
interface Views {
  readonly roles: ReadonlyArray<string>
  readonly hiders: Map<string, Hide | undefined>
}

const views = new WeakMap<SchemaAST.AST, Views>()

/** The hider of a schema for an actor with these roles; without any, all that is marked is hidden. */
export const hider = (schema: Schema.Constraint, roles: ReadonlyArray<string> = []): Hide | undefined => {
  const known = knownOf(schema)
  const granted = known.roles.length === 0 ? [] : known.roles.filter((role) => roles.includes(role))
  const name = granted.join()
  if (known.hiders.has(name)) return known.hiders.get(name)
  const fresh = make(jsonOf(schema), new Set(granted))
  known.hiders.set(name, fresh)
  return fresh
}

/** Whether it depends on an actor's roles what of a schema's JSON they are shown. */
export const dependsOnRoles = (schema: Schema.Constraint): boolean => knownOf(schema).roles.length > 0

const knownOf = (schema: Schema.Constraint): Views => views.get(schema.ast) ?? viewsOf(schema)

const jsonOf = (schema: Schema.Constraint) => Schema.toCodecJson(schema as Schema.Codec<unknown, unknown>).ast

const viewsOf = (schema: Schema.Constraint): Views => {
  const roles = new Set<string>()
  walk(jsonOf(schema), (ast) => Field.rolesOf(ast.context?.annotations).forEach((role) => roles.add(role)))
  const fresh: Views = { roles: [...roles], hiders: new Map() }
  views.set(schema.ast, fresh)
  return fresh
}

const make = (ast: SchemaAST.AST, granted: ReadonlySet<string>): Hide | undefined => {
  let holds = false
  walk(ast, (part) => {
    holds ||= isMarked(part, granted)
  })
  return holds ? (compile(ast, { granted, hides: new Map() }) ?? undefined) : undefined
}

/** Whether a field of this type is hidden: by its own mark, or by that of what it is an optional or a list of. */
export const isMarked = (ast: SchemaAST.AST, granted: ReadonlySet<string> = new Set()): boolean => {
  if (Field.isHiddenFrom(ast.context?.annotations, granted)) return true
  if (ast._tag === "Union") return ast.types.some((each) => isMarked(each, granted))
  return ast._tag === "Arrays" && [...ast.elements, ...ast.rest].some((each) => isMarked(each, granted))
}

/** Every type that can be reached, once. */
const walk = (ast: SchemaAST.AST, visit: (ast: SchemaAST.AST) => void, seen = new Set<SchemaAST.AST>()): void => {
  if (seen.has(ast)) return
  seen.add(ast)
  visit(ast)
  for (const part of partsOf(ast)) walk(part, visit, seen)
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

interface Compiling {
  readonly granted: ReadonlySet<string>
  readonly hides: Map<SchemaAST.AST, Hide | null | undefined>
}

const compile = (ast: SchemaAST.AST, compiling: Compiling): Hide | null => {
  const { granted, hides } = compiling
  // A schema that contains itself is still being compiled here, so it is looked up once there is JSON.
  if (hides.has(ast))
    return hides.get(ast) ?? (hides.get(ast) === null ? null : (json) => hides.get(ast)?.(json) ?? json)
  hides.set(ast, undefined)
  const encoded = (ast.encoding ?? []).flatMap(({ to }) => [compile(to, compiling), hideRenamed(ast, to, granted)])
  const fresh = inTurn([compileOwn(ast, compiling), ...encoded])
  hides.set(ast, fresh)
  return fresh
}

/** All of them, one after another: what does not fit the JSON at hand leaves it as it is. */
const inTurn = (hides: ReadonlyArray<Hide | null>): Hide | null => {
  const [first, ...rest] = hides.filter((each) => each !== null)
  if (first === undefined) return null
  return rest.length === 0 ? first : (json) => rest.reduce((hidden, hide) => hide(hidden), first(json))
}

const compileOwn = (ast: SchemaAST.AST, compiling: Compiling): Hide | null => {
  switch (ast._tag) {
    case "Objects":
      return hideFields(ast, compiling)
    case "Arrays": {
      const hide = inTurn([...ast.elements, ...ast.rest].map((each) => compile(each, compiling)))
      return hide === null ? null : (json) => (Array.isArray(json) ? json.map(hide) : json)
    }
    case "Union":
      return inTurn(ast.types.map((each) => compile(each, compiling)))
    case "Suspend":
      return compile(ast.thunk(), compiling)
    default:
      return null
  }
}

/** Of a sensitive field with another name in JSON, the mark may be lost on the way: then no new name is trusted. */
const hideRenamed = (ast: SchemaAST.AST, to: SchemaAST.AST, granted: ReadonlySet<string>): Hide | null => {
  if (ast._tag !== "Objects" || to._tag !== "Objects") return null
  const before = new Set(ast.propertySignatures.map(({ name }) => String(name)))
  const after = to.propertySignatures.map(({ name }) => String(name))
  const lost = ast.propertySignatures.some(({ name, type }) => isMarked(type, granted) && !after.includes(String(name)))
  return lost ? without(new Set(after.filter((name) => !before.has(name)))) : null
}

const without =
  (hidden: ReadonlySet<string>): Hide =>
  (json) =>
    isObject(json) ? Object.fromEntries(Object.entries(json).filter(([name]) => !hidden.has(name))) : json

const isObject = (json: Schema.Json): json is { readonly [name: string]: Schema.Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const hideFields = (ast: SchemaAST.Objects, compiling: Compiling): Hide | null => {
  const hidden = new Set<string>()
  const nested = new Map<string, Hide>()
  for (const { name, type } of ast.propertySignatures) {
    if (isMarked(type, compiling.granted)) hidden.add(String(name))
    const hide = compile(type, compiling)
    if (hide !== null) nested.set(String(name), hide)
  }
  const rest = inTurn(ast.indexSignatures.map(({ type }) => compile(type, compiling)))
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
