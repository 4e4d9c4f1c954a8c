/**
 * How a field is stored: its column's name, kind and nullability, worked out from the field's schema. Every adapter
 * that keeps or queries rows reads columns, never schemas.
 *
 * The value of a column is the field's JSON encoding (`Schema.toCodecJson`), which is what journals, receipts and the
 * API carry too.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as ByteSize from "effect/ByteSize"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Field from "./Field.ts"
import * as Sensitive from "./Sensitive.ts"

/**
 * `timestamp` is an instant, encoded as an ISO 8601 string in UTC; `bigint` is an integer and `bigdecimal` a decimal
 * number of any size, encoded as a string of digits; `json` is everything that is not a scalar.
 */
export type ColumnKind = "text" | "integer" | "number" | "bigint" | "bigdecimal" | "boolean" | "timestamp" | "json"

/** A value of a fixed set. */
export type Literal = string | number | boolean

/** One field as it is stored. */
export interface Column {
  readonly field: string
  /** The column's name: the field's in snake case. */
  readonly name: string
  readonly kind: ColumnKind
  /** Whether a row may lack the value, as `null` or as an absent key. */
  readonly nullable: boolean
  /** Whether the row's object leaves the key out where the column is null. */
  readonly optional: boolean
  /** The values of a column that allows a fixed set only, in their JSON encoding. */
  readonly literals: ReadonlyArray<Literal> | undefined
  /** False where the stored values do not have the order of what they stand for, as `10 seconds` and `9 seconds`. */
  readonly ordered: boolean
  readonly default: Field.Default | undefined
  readonly sensitive: boolean
  readonly renamedFrom: string | undefined
}

/** `createdAt` → `created_at`. */
export const snakeCase = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .toLowerCase()

/** `AgentRun` → `agent_runs`; `Reply` → `replies`. */
export const tableName = (resource: string): string => plural(snakeCase(resource))

const plural = (name: string): string => {
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`
  if (/(s|x|z|ch|sh)$/.test(name)) return `${name}es`
  return `${name}s`
}

/** The columns of a resource's fields, in the order of their declaration. */
export const fromFields = (fields: Field.Fields): ReadonlyArray<Column> =>
  Object.entries(fields).map(([field, schema]) => {
    const shape = shapeOf(schema)
    const meta = Field.meta(schema)
    const optional = schema.ast.context?.isOptional ?? false
    return {
      field,
      name: snakeCase(field),
      kind: shape.kind,
      nullable: optional || shape.nullable,
      optional,
      literals: shape.literals,
      ordered: shape.ordered,
      default: meta.default,
      sensitive: Sensitive.isMarked(schema.ast),
      renamedFrom: meta.renamedFrom
    }
  })

type Shape = Pick<Column, "kind" | "nullable" | "literals" | "ordered">

const shapeOf = (schema: Schema.Constraint): Shape => {
  const members = membersOf(SchemaAST.toType(schema.ast))
  const values = members.filter((ast) => !isNothing(ast))
  const encoded = membersOf(encodedJson(schema)).filter((ast) => !isNothing(ast))
  const stored = values.map((ast) => storedAs(ast, encoded, schema))
  const kinds = new Set(stored.map(({ kind }) => kind))
  const [kind] = kinds
  const literals = encoded.flatMap((ast) => (ast._tag === "Literal" && isJsonLiteral(ast.literal) ? [ast.literal] : []))
  return {
    kind: kinds.size === 1 && kind !== undefined ? kind : "json",
    nullable: values.length < members.length,
    literals: literals.length === encoded.length && literals.length > 0 ? literals : undefined,
    ordered: stored.every(({ ordered }) => ordered)
  }
}

const membersOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> =>
  ast._tag === "Union" ? ast.types.flatMap(membersOf) : [ast]

const isNothing = (ast: SchemaAST.AST) => ast._tag === "Null" || ast._tag === "Undefined"
const isJsonLiteral = (literal: SchemaAST.LiteralValue): literal is Literal => typeof literal !== "bigint"

const representationId = (annotations: { readonly [key: string]: unknown } | undefined): unknown => {
  const representation = annotations?.["representation"]
  return typeof representation === "object" && representation !== null && "id" in representation
    ? representation.id
    : undefined
}

const isInteger = (ast: SchemaAST.AST): boolean =>
  (ast.checks ?? []).some((check) => representationId(check.annotations) === "effect/schema/isInt")

const encodedJson = (schema: Schema.Constraint): SchemaAST.AST =>
  SchemaAST.toEncoded(Schema.toCodecJson(Schema.make(schema.ast)).ast)

const scalarOf = (ast: SchemaAST.AST): "text" | "number" | "boolean" | "json" => {
  switch (ast._tag) {
    case "String":
    case "TemplateLiteral":
      return "text"
    case "Number":
      return "number"
    case "Boolean":
      return "boolean"
    case "Literal":
      return typeof ast.literal === "string"
        ? "text"
        : typeof ast.literal === "number"
          ? "number"
          : typeof ast.literal === "boolean"
            ? "boolean"
            : "json"
    default:
      return "json"
  }
}

/** The kind that fits every alternative of an encoding. */
const kindOf = (encoded: ReadonlyArray<SchemaAST.AST>): ColumnKind => {
  // A number's JSON encoding is a union with strings for NaN and the infinities, which PostgreSQL reads as numbers too.
  const finite = encoded.some(({ _tag }) => _tag === "Number") ? encoded.filter((ast) => !isNonFinite(ast)) : encoded
  const [kind, ...others] = new Set(finite.map(scalarOf))
  if (kind === undefined || others.length > 0) return "json"
  return kind === "number" && encoded.every(isInteger) ? "integer" : kind
}

const nonFinite = new Set<unknown>(["NaN", "Infinity", "-Infinity"])
const isNonFinite = (ast: SchemaAST.AST) => ast._tag === "Literal" && nonFinite.has(ast.literal)

/** How one alternative of a field's type is stored. Only an example tells whether a text is a number or an instant. */
const storedAs = (
  ast: SchemaAST.AST,
  encoded: ReadonlyArray<SchemaAST.AST>,
  schema: Schema.Constraint
): Pick<Column, "kind" | "ordered"> => {
  const kind = kindOf(encoded)
  const measure = kind === "text" ? measureOf(ast) : undefined
  if (measure === undefined) return { kind, ordered: true }
  return encode(schema, measure.example) === measure.encoding
    ? { kind: measure.kind, ordered: true }
    : { kind, ordered: false }
}

/** A type with an order that its text may lack: an example, its encoding where that can be ordered, and as what. */
interface Measure {
  readonly example: unknown
  readonly encoding: string
  readonly kind: ColumnKind
}

const instant = { encoding: "1970-01-01T00:00:00.000Z", kind: "timestamp" } as const
const digits = { encoding: "12", kind: "bigint" } as const
const decimal = { encoding: "1.5", kind: "bigdecimal" } as const

const measures = new Map<unknown, Measure>([
  ["effect/schema/DateTimeUtc", { example: DateTime.makeUnsafe(0), ...instant }],
  ["effect/schema/DateTimeZoned", { example: DateTime.makeZonedUnsafe(0, { timeZone: 0 }), ...instant }],
  ["effect/schema/Date", { example: new Date(0), ...instant }],
  ["effect/schema/Duration", { example: Duration.nanos(12n), ...digits }],
  ["effect/schema/ByteSize", { example: ByteSize.bytes(12), ...digits }],
  ["effect/schema/BigDecimal", { example: BigDecimal.make(15n, 1), ...decimal }]
])

const measureOf = (ast: SchemaAST.AST): Measure | undefined => {
  switch (ast._tag) {
    case "Declaration":
      return measures.get(representationId(ast.annotations))
    case "BigInt":
      return { example: 12n, ...digits }
    case "Literal":
      return typeof ast.literal === "bigint"
        ? { example: ast.literal, encoding: String(ast.literal), kind: "bigint" }
        : undefined
    case "Number":
      // Its own encoding is a number, so one that is text was made so, in whatever way.
      return { example: 1.5, encoding: "", kind: "text" }
    default:
      return undefined
  }
}

const encode = (schema: Schema.Constraint, value: unknown): unknown => {
  const codec = Schema.toCodecJson(Schema.make<Schema.Codec<unknown, unknown>>(schema.ast))
  const encoded = Schema.encodeUnknownResult(codec)(value, { disableChecks: true })
  return Result.isSuccess(encoded) ? encoded.success : undefined
}
