/** Reads what an action is given: every fault is told at once, and what no store could keep is one of them. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import * as Column from "./Column.ts"
import * as ColumnValue from "./ColumnValue.ts"
import { InvalidInput, type Issue } from "./Failure.ts"
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
  const limits = limitsOf(action)
  return (input) => {
    const decoded = decode(input)
    if (Result.isFailure(decoded)) return Result.fail(new InvalidInput({ issues: Issues.fromSchema(decoded.failure) }))
    const issues = limits.flatMap((check) => check(decoded.success as object))
    return issues.length === 0 ? Result.succeed(decoded.success) : Result.fail(Issues.refusal(issues))
  }
}

/** The checks of the fields whose kind of column has a range. */
const limitsOf = (action: Action.Any) => {
  const fields = "fields" in action.input ? (action.input.fields as Fields) : {}
  return Column.fromFields(fields)
    .filter(({ kind }) => ColumnValue.isLimited(kind))
    .map(({ field, kind }) => {
      const encode = Schema.encodeUnknownResult(Schema.toCodecJson(fields[field] as Schema.Codec<unknown, unknown>))
      return (input: object): ReadonlyArray<Issue> => {
        const encoded = encode((input as { readonly [field: string]: unknown })[field])
        const fault = Result.isSuccess(encoded) ? ColumnValue.faultOf(kind, encoded.success) : undefined
        return fault === undefined ? [] : [{ path: field, message: fault }]
      }
    })
}
