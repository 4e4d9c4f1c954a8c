/** Reads what an action is given: every fault is told at once, and what no store could keep is one of them. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import * as Column from "./Column.ts"
import * as ColumnValue from "./ColumnValue.ts"
import type { InvalidInput, Issue } from "./Failure.ts"
import type { Fields } from "./Field.ts"
import * as Issues from "./Issues.ts"

type Decode = (input: unknown) => Result.Result<unknown, InvalidInput>

const decoders = new WeakMap<Action.Any, Decode>()

/** Decodes an action's input from JSON, reporting every fault and refusing unknown fields. */
export const decoder = (action: Action.Any): Decode => {
  const found = decoders.get(action)
  if (found !== undefined) return found
  const decode = compile(action)
  decoders.set(action, decode)
  return decode
}

const compile = (action: Action.Any): Decode => {
  const decode = Schema.decodeUnknownResult(Schema.toCodecJson(action.input), {
    errors: "all",
    onExcessProperty: "error"
  })
  const limited = limitedIn(action)
  return (input) => {
    const faults = faultsIn(limited, input)
    const decoded = decode(faults.length === 0 ? input : without(faults, input))
    if (Result.isSuccess(decoded) && faults.length === 0) return Result.succeed(decoded.success)
    const issues = Result.isFailure(decoded) ? Issues.fromSchema(decoded.failure) : []
    const others = issues.filter(({ path }) => !faults.some((fault) => fault.path === path))
    return Result.fail(Issues.refusal([...faults, ...others]))
  }
}

type Limited = ReadonlyArray<Pick<Column.Column, "field" | "kind">>

/** The fields whose kind of column has a range. */
const limitedIn = (action: Action.Any): Limited =>
  Column.fromFields("fields" in action.input ? (action.input.fields as Fields) : {}).filter(({ kind }) =>
    ColumnValue.isLimited(kind)
  )

/**
 * Texts that stand for no value that a store can hold: a schema may take one for another value that is near, or take
 * long to read it.
 */
const faultsIn = (limited: Limited, input: unknown): ReadonlyArray<Issue> =>
  limited.flatMap(({ field, kind }) => {
    const text = Predicate.hasProperty(input, field) ? input[field] : undefined
    const read = typeof text === "string" ? ColumnValue.readHeld(kind, text) : undefined
    return read !== undefined && Result.isFailure(read) ? [{ path: field, message: read.failure }] : []
  })

const without = (faults: ReadonlyArray<Issue>, input: unknown): unknown =>
  Predicate.isObject(input)
    ? Object.fromEntries(Object.entries(input).filter(([name]) => !faults.some(({ path }) => path === name)))
    : input
