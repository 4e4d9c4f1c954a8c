/** Reads what follows the question mark: the parameters of a list, or the input of a read. */
import type * as Action from "@tenon/core/Action"
import type { InvalidInput, Issue } from "@tenon/core/Failure"
import * as Issues from "@tenon/core/Issues"
import * as Query from "@tenon/core/Query"
import type * as Resource from "@tenon/core/Resource"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as JsonText from "./JsonText.ts"

/** A parameter, decoded. */
type Pair = readonly [name: string, value: string]

const pairs = (query: string, issues: Array<Issue>): ReadonlyArray<Pair> => {
  const found: Array<Pair> = []
  for (const part of query.split("&")) {
    if (part === "") continue
    const equals = part.indexOf("=")
    const name = decode(equals === -1 ? part : part.slice(0, equals))
    const value = decode(equals === -1 ? "" : part.slice(equals + 1))
    if (name === undefined || value === undefined)
      issues.push({ path: name ?? "query", message: "is not percent-encoded UTF-8" })
    else found.push([name, value])
  }
  return found
}

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text.includes("+") ? text.replace(/\+/g, " ") : text)
  } catch {
    return undefined
  }
}

const plain = new Set(["sort", "limit", "after"])
const bracketed = /^([^[\]]+)\[([^[\]]*)\]$/

/** Reads the parameters of a list, or fails with every fault in them. */
export const list = (resource: Resource.Any, query: string): Result.Result<Query.Query, InvalidInput> => {
  if (query === "") return Query.parse(resource, {})
  const issues: Array<Issue> = []
  const filters: Array<{ readonly field: string; readonly operator: string; readonly value: string }> = []
  const given: { sort?: string; limit?: string; after?: string } = {}
  const seen = new Set<string>()
  for (const [name, value] of pairs(query, issues)) {
    if (seen.has(name)) issues.push({ path: name, message: "is given more than once" })
    seen.add(name)
    const [, field = name, operator = "eq"] = bracketed.exec(name) ?? []
    if (plain.has(name)) given[name as "sort" | "limit" | "after"] = value
    else filters.push({ field, operator, value })
  }
  const parsed = Query.parse(resource, { ...given, filters })
  if (issues.length === 0) return parsed
  return Result.fail(Issues.refusal([...issues, ...(Result.isFailure(parsed) ? parsed.failure.issues : [])]))
}

/** How one field of an input is written in a URL. */
interface Shape {
  readonly text: boolean
  readonly literals: ReadonlySet<string>
  readonly list: Shape | undefined
}

const shapeOf = (ast: SchemaAST.AST): Shape => {
  const members = membersOf(ast)
  const array = members.find((each) => each._tag === "Arrays")
  const item = array?._tag === "Arrays" ? array.rest[0] : undefined
  return {
    text: members.some((each) => each._tag === "String" || each._tag === "TemplateLiteral"),
    literals: new Set(members.flatMap((each) => (each._tag === "Literal" ? [String(each.literal)] : []))),
    list: item === undefined ? undefined : shapeOf(item)
  }
}

const membersOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> =>
  ast._tag === "Union" ? ast.types.flatMap(membersOf) : [ast]

/**
 * Turns texts into the JSON that a field expects; one that does not fit stays text, and the action's schema says so.
 */
const toJson = (shape: Shape, values: ReadonlyArray<string>): Schema.Json => {
  const { list } = shape
  if (list !== undefined) return values.map((value) => toJson(list, [value]))
  const [value = ""] = values
  if (shape.text || (shape.literals.has(value) && !isNumeric(value))) return value
  const parsed = JsonText.parse(value)
  return Result.isSuccess(parsed) ? parsed.success : value
}

const isNumeric = (text: string) => text !== "" && !Number.isNaN(Number(text))

/** Reads an action's input from a query: one parameter per field, repeated for a list, JSON where it is neither. */
export const inputReader = (action: Action.Any): ((query: string) => Result.Result<Schema.Json, InvalidInput>) => {
  const encoded = SchemaAST.toEncoded(Schema.toCodecJson(action.input).ast)
  const shapes = new Map(
    encoded._tag === "Objects"
      ? encoded.propertySignatures.map(({ name, type }) => [String(name), shapeOf(type)] as const)
      : []
  )
  const unknown: Shape = { text: true, literals: new Set(), list: undefined }
  return (query) => {
    if (query === "") return Result.succeed({})
    const issues: Array<Issue> = []
    const values = new Map<string, Array<string>>()
    for (const [name, value] of pairs(query, issues)) {
      const before = values.get(name)
      if (before === undefined) values.set(name, [value])
      else if (shapes.get(name)?.list === undefined) issues.push({ path: name, message: "is given more than once" })
      else before.push(value)
    }
    if (issues.length > 0) return Result.fail(Issues.refusal(issues))
    return Result.succeed(
      Object.fromEntries([...values].map(([name, given]) => [name, toJson(shapes.get(name) ?? unknown, given)]))
    )
  }
}
