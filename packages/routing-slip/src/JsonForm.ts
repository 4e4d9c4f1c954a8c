/* oxlint-disable typescript/no-explicit-any -- a map of codecs of different types: `any` is the only type argument that
   all of them are assignable to, since values are both read and written. */
/**
 * How what activities take, leave for undoing and share is written into a slip: as `Schema.toCodecJson` has it, the
 * form that the rest of the framework and the published JSON Schemas have too. Plain JSON is written as it is.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as SchemaAST from "effect/SchemaAST"
import * as JsonUnions from "./JsonUnions.ts"
import * as SchemaParts from "./SchemaParts.ts"

/** A schema whose encoding is JSON. */
export interface JsonCodec<in out A> extends Schema.Codec<A, Schema.Json> {}

/** The JSON form of a schema. */
export const of = <A>(schema: Schema.Codec<A, unknown>): JsonCodec<A> =>
  Schema.toCodecJson(schema) satisfies Schema.Codec<A, Schema.Json>

const pairOf = (codec: JsonCodec<any>) => {
  const { ast } = codec
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const mayMislead = JsonUnions.mayMislead(ast)
  const mayHoldUndefined = SchemaParts.some(ast, isOptional)
  const write = (value: unknown, options: SchemaAST.ParseOptions) => {
    const encoded = encode(value, options)
    if (!mayMislead) return encoded
    return Effect.tap(encoded, (json) =>
      Effect.flatMap(decode(json, options), (read) => {
        const path = JsonUnions.mistaken(ast, value, read)
        return path === undefined ? Effect.void : Effect.fail(misleading(path))
      })
    )
  }
  return {
    encode: (value: unknown, options: SchemaAST.ParseOptions) =>
      write(mayHoldUndefined ? withoutUndefined(ast, value) : value, options),
    decode
  }
}

/** The refusal of a value that would not come back as what it is. */
const misleading = (path: ReadonlyArray<PropertyKey>) => {
  const message = "as JSON it looks like another type of its union, and would be read as that"
  return new Schema.SchemaError(new SchemaIssue.Pointer(path, new SchemaIssue.InvalidValue({ message })))
}

const isOptional = ({ context }: SchemaAST.AST) => context?.isOptional === true

/** One pair per schema: making them anew for each message costs more than using them. */
const pairs = new WeakMap<object, ReturnType<typeof pairOf>>()
const pairFor = (codec: JsonCodec<any>) => {
  const pair = pairs.get(codec) ?? pairOf(codec)
  pairs.set(codec, pair)
  return pair
}

/** Writes a value. What an `Any` lets through may not be JSON; `EnvelopeCheck.isCarriable` tells. */
export const encode = (codec: JsonCodec<any>, value: unknown): Effect.Effect<Schema.Json, Schema.SchemaError> =>
  pairFor(codec).encode(value, { errors: "all" })

/** Reads a value. */
export const decode = <A>(codec: JsonCodec<A>, json: Schema.Json): Effect.Effect<A, Schema.SchemaError> =>
  pairFor(codec).decode(json, { errors: "all" })

const isPlain = (value: unknown): value is object =>
  typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))

/**
 * Leaves out members that may be absent and are undefined, where null is another value of their type: JSON has no
 * undefined, and null stands for it.
 */
const withoutUndefined = (ast: SchemaAST.AST, value: unknown): unknown => {
  switch (ast._tag) {
    case "Objects":
      return isPlain(value) ? withoutMembers(ast, value) : value
    case "Arrays":
      return Array.isArray(value) ? withoutInItems(ast, value) : value
    case "Union":
      return withoutInUnion(ast, value)
    case "Suspend":
      return withoutUndefined(ast.thunk(), value)
    default:
      return value
  }
}

/** What is not changed stays the same value. */
const withoutMembers = (ast: SchemaAST.Objects, value: object): object => {
  const members = new Map(ast.propertySignatures.map(({ name, type }) => [String(name), type]))
  const [index] = ast.indexSignatures
  let isChanged = false
  const kept = Object.entries(value).flatMap(([name, member]): ReadonlyArray<[string, unknown]> => {
    const type = members.get(name) ?? index?.type
    if (type === undefined) return [[name, member]]
    const isLeftOut = member === undefined && isOptional(type) && JsonUnions.isOf(type)(null)
    const changed = isLeftOut ? undefined : withoutUndefined(type, member)
    isChanged ||= isLeftOut || changed !== member
    return isLeftOut ? [] : [[name, changed]]
  })
  return isChanged ? Object.fromEntries(kept) : value
}

const withoutInItems = ({ elements, rest }: SchemaAST.Arrays, value: ReadonlyArray<unknown>) => {
  const changed = value.map((item, index) => {
    const type = elements[index] ?? (rest.length === 1 ? rest[0] : undefined)
    return type === undefined ? item : withoutUndefined(type, item)
  })
  return changed.some((item, index) => item !== value[index]) ? changed : value
}

/** Of several types, the one that the value is of. */
const withoutInUnion = ({ types }: SchemaAST.Union, value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  const type = types.find((each) => JsonUnions.isOf(each)(value))
  return type === undefined ? value : withoutUndefined(type, value)
}

interface Inside {
  readonly name: string
  readonly ast: SchemaAST.AST
}
const unnamed = (ast: SchemaAST.AST): Inside => ({ name: "", ast })

/** What a type is made of. */
const partsOf = (ast: SchemaAST.AST): ReadonlyArray<Inside> => {
  switch (ast._tag) {
    case "Objects":
      return [
        ...ast.propertySignatures.map(({ name, type }) => ({ name: String(name), ast: type })),
        ...ast.indexSignatures.map(({ type }) => unnamed(type))
      ]
    case "Arrays":
      return [...ast.elements, ...ast.rest].map(unnamed)
    case "Union":
      return ast.types.map(unnamed)
    case "Suspend":
      return [unnamed(ast.thunk())]
    case "Declaration":
      return ast.typeParameters.map(unnamed)
    default:
      return []
  }
}

const faultOf = (ast: SchemaAST.AST): string | undefined => {
  if (ast._tag === "Objects" && ast.propertySignatures.some(({ name }) => typeof name !== "string")) {
    return "has a key that is not text"
  }
  if (ast._tag !== "Declaration" || ast.annotations?.toCodecJson || ast.annotations?.toCodec) return undefined
  return "is of a type that no JSON stands for; annotate its schema with `toCodecJson`, or take another"
}

/** Where in a type, and why, it has no JSON form. Only its encoded side matters. */
export const faultsIn = (schema: Schema.Constraint): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const seen = new Set<SchemaAST.AST>()
  const visit = ({ ast, name }: Inside): void => {
    if (seen.has(ast)) return
    seen.add(ast)
    const encoded = ast.encoding?.at(-1)?.to
    if (encoded !== undefined) return visit({ name, ast: encoded })
    const fault = faultOf(ast)
    if (fault !== undefined) faults.push(`${name} ${fault}`.trim())
    for (const part of partsOf(ast)) {
      visit({ name: [name, part.name].filter((each) => each !== "").join("."), ast: part.ast })
    }
  }
  visit(unnamed(schema.ast))
  return faults
}
