/**
 * Values of a union of types that look the same as JSON, such as `BigInt` and `String`: JSON is read as the first type
 * that fits it. A value that would be read as another of them is found by looking at what it is read as.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaParts from "./SchemaParts.ts"

const guards = new WeakMap<SchemaAST.AST, (value: unknown) => boolean>()

/** Whether a value is of a type. */
export const isOf = (ast: SchemaAST.AST): ((value: unknown) => boolean) => {
  const guard = guards.get(ast) ?? Schema.is(Schema.make(ast))
  guards.set(ast, guard)
  return guard
}

/** Whether a type has a union in which JSON may be mistaken: what is written as it is, is read as what it is. */
export const mayMislead = (ast: SchemaAST.AST): boolean =>
  SchemaParts.some(
    ast,
    (each) => each._tag === "Union" && SchemaParts.some(each, ({ encoding }) => encoding !== undefined)
  )

const memberOf = (value: unknown, name: PropertyKey): unknown =>
  Predicate.hasProperty(value, name) ? value[name] : undefined

const first = (
  parts: Iterable<readonly [name: PropertyKey, type: SchemaAST.AST]>,
  value: unknown,
  read: unknown
): ReadonlyArray<PropertyKey> | undefined => {
  for (const [name, type] of parts) {
    const path = mistaken(type, memberOf(value, name), memberOf(read, name))
    if (path !== undefined) return [name, ...path]
  }
  return undefined
}

/** Where a value is of another type of a union than what is read from its JSON; undefined where it is not. */
export const mistaken = (ast: SchemaAST.AST, value: unknown, read: unknown): ReadonlyArray<PropertyKey> | undefined => {
  switch (ast._tag) {
    case "Union": {
      const type = ast.types.find((each) => isOf(each)(value))
      if (type !== ast.types.find((each) => isOf(each)(read))) return []
      return type === undefined ? undefined : mistaken(type, value, read)
    }
    case "Objects": {
      const members = new Map(ast.propertySignatures.map(({ name, type }) => [name, type]))
      const [index] = ast.indexSignatures
      if (index !== undefined && Predicate.isObject(value)) {
        for (const name of Object.keys(value)) if (!members.has(name)) members.set(name, index.type)
      }
      return first(members, value, read)
    }
    case "Arrays": {
      const count = Array.isArray(value) ? value.length : 0
      const types = Array.from({ length: count }, (_, index) => ast.elements[index] ?? ast.rest[0])
      return first(
        types.flatMap((type, index) => (type === undefined ? [] : [[index, type] as const])),
        value,
        read
      )
    }
    case "Suspend":
      return mistaken(ast.thunk(), value, read)
    case "Declaration": {
      // A class has one, which says what its members are.
      const [members] = ast.typeParameters
      return members?._tag === "Objects" ? mistaken(members, value, read) : undefined
    }
    default:
      return undefined
  }
}
