/**
 * How a field is stored: its column's name, kind and nullability, worked out from the field's schema. Every adapter
 * that keeps or queries rows reads columns, never schemas.
 *
 * The value of a column is the field's JSON encoding (`Schema.toCodecJson`), which is what journals, receipts and the
 * API carry too.
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Field from "./Field.ts"
import * as Sensitive from "./Sensitive.ts"

/** `timestamp` is an instant, encoded as an ISO 8601 string in UTC; `json` is everything that is not a scalar. */
export type ColumnKind = "text" | "integer" | "number" | "boolean" | "timestamp" | "json"

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
  /** The values of a text column that allows a fixed set only. */
  readonly literals: ReadonlyArray<string> | undefined
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
      default: meta.default,
      sensitive: Sensitive.isMarked(schema.ast),
      renamedFrom: meta.renamedFrom
    }
  })

interface Shape {
  readonly kind: ColumnKind
  readonly nullable: boolean
  readonly literals: ReadonlyArray<string> | undefined
}

const shapeOf = (schema: Schema.Constraint): Shape => {
  const members = membersOf(SchemaAST.toType(schema.ast))
  const values = members.filter((ast) => ast._tag !== "Null" && ast._tag !== "Undefined")
  const kinds = new Set(values.map((ast) => kindOf(ast, schema)))
  const [kind] = kinds
  const literals = values.flatMap((ast) =>
    ast._tag === "Literal" && typeof ast.literal === "string" ? [ast.literal] : []
  )
  return {
    kind: kinds.size === 1 && kind !== undefined ? kind : "json",
    nullable: values.length < members.length,
    literals: literals.length === values.length && literals.length > 0 ? literals : undefined
  }
}

const membersOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> =>
  ast._tag === "Union" ? ast.types.flatMap(membersOf) : [ast]

/** The kind that one alternative of a field's type is stored as. */
const kindOf = (ast: SchemaAST.AST, schema: Schema.Constraint): ColumnKind => {
  if (ast._tag === "Declaration" && instants.has(representationId(ast.annotations))) return "timestamp"
  const encoded = new Set(membersOf(encodedJson(schema)).flatMap(scalarOf))
  encoded.delete("null")
  // A number's JSON encoding is a union with strings for NaN and the infinities, which PostgreSQL reads as numbers too.
  if (ast._tag === "Number" && encoded.has("number")) return isInteger(ast) ? "integer" : "number"
  const [kind] = encoded
  if (encoded.size !== 1 || kind === undefined || kind === "null") return "json"
  return kind
}

const instants = new Set<unknown>(["effect/schema/DateTimeUtc", "effect/schema/Date"])

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

const scalarOf = (ast: SchemaAST.AST): ReadonlyArray<"text" | "number" | "boolean" | "json" | "null"> => {
  switch (ast._tag) {
    case "String":
    case "TemplateLiteral":
      return ["text"]
    case "Number":
      return ["number"]
    case "Boolean":
      return ["boolean"]
    case "Null":
    case "Undefined":
      return ["null"]
    case "Literal":
      return typeof ast.literal === "string"
        ? ["text"]
        : typeof ast.literal === "number"
          ? ["number"]
          : typeof ast.literal === "boolean"
            ? ["boolean"]
            : ["json"]
    default:
      return ["json"]
  }
}
