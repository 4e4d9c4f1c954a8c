/** The rows that an outcome saves and removes, encoded, each with how the store is to take it. */
import * as Result from "effect/Result"
import type * as Action from "./Action.ts"
import { type ActionFailure, InvalidOutcome, type Issue } from "./Failure.ts"
import * as Outcome from "./Outcome.ts"
import * as Positions from "./Positions.ts"
import * as Resource from "./Resource.ts"
import * as RowCodec from "./RowCodec.ts"
import * as Transitions from "./Transitions.ts"
import type { Change, EncodedRow } from "./UnitOfWork.ts"

/** What an action is about, and what it decides in. */
export interface Setting {
  readonly resource: Resource.Any
  readonly action: Action.Any
  readonly context: Action.ActionContext
  /** The action's own row as it stands under its lock. */
  readonly self: EncodedRow | undefined
}

/** The changes, or why one cannot be made. */
export const of = (
  setting: Setting,
  outcome: Outcome.Outcome<unknown>
): Result.Result<ReadonlyArray<Change>, ActionFailure> => {
  const excess = excessOf(outcome)
  if (excess !== undefined)
    return Result.fail(new InvalidOutcome({ resource: setting.resource.name, issues: [excess] }))
  const changes: Array<Change> = []
  // The row as it stands under its lock, change by change.
  let stands = setting.self
  const inserted = insertedIn(setting, outcome)
  for (const [index, each] of outcome.rows.entries()) {
    const encoded = encodeChange(setting, each, index === inserted ? "insert" : stands)
    if (Result.isFailure(encoded)) return Result.fail(encoded.failure)
    changes.push(encoded.success)
    stands = standingAfter(setting, encoded.success, stands)
  }
  return Result.succeed(changes)
}

const encodeChange = (
  { action, context, resource }: Setting,
  change: Outcome.RowChange,
  stands: EncodedRow | "insert" | undefined
): Result.Result<Change, ActionFailure> => {
  if (change._tag === "Remove") return Result.succeed(change)
  const own = change.resource.name === resource.name
  const key = own && action.kind === "create" ? context.key : undefined
  const row = RowCodec.of(change.resource).encodeDraft(change.draft, context, key)
  if (Result.isFailure(row)) {
    return Result.fail(new InvalidOutcome({ resource: change.resource.name, issues: row.failure }))
  }
  const save = { _tag: "Save", resource: change.resource, row: row.success } as const
  if (stands === "insert") {
    // Who names a version says that there is a row to replace.
    if ((row.success[Resource.versionField(resource) ?? ""] ?? 0) !== 0) return Result.succeed(save)
    const illegal = Transitions.refusalOf(resource, undefined, row.success)
    return illegal === undefined ? Result.succeed({ ...save, mode: "insert" }) : Result.fail(illegal)
  }
  if (!own || stands === undefined || !isSameRow(resource, stands, row.success)) return Result.succeed(save)
  const refusal =
    Transitions.refusalOf(resource, stands, row.success) ?? Positions.refusalOf(resource, stands, row.success)
  return refusal === undefined ? Result.succeed({ ...save, mode: "checked" }) : Result.fail(refusal)
}

/** Which of an outcome's changes is the row that a create makes: the one that it answers with. */
const insertedIn = ({ action, resource }: Setting, { row, rows }: Outcome.Outcome<unknown>): number => {
  if (action.kind !== "create" || !resource.createsOnce) return -1
  const isOwn = (change: Outcome.RowChange | undefined) =>
    change?._tag === "Save" && change.resource.name === resource.name
  return row !== undefined && isOwn(rows[row]) ? row : rows.findIndex(isOwn)
}

const excessOf = ({ directives, rows }: Outcome.Outcome<unknown>): Issue | undefined => {
  const [count, what] = rows.length > directives.length ? [rows.length, "rows"] : [directives.length, "directives"]
  return count <= Outcome.limit
    ? undefined
    : { path: "", message: `${count} ${what} in one outcome, where ${Outcome.limit} are the most; do it in parts` }
}

/**
 * What is known of the action's own row after a change: nothing where the change may have been made to it by another
 * key.
 */
const standingAfter = (
  { context, resource }: Setting,
  change: Change,
  stands: EncodedRow | undefined
): EncodedRow | undefined => {
  if (change.resource.name !== resource.name) return stands
  if (change._tag === "Remove") return change.key === context.key ? undefined : stands
  if (change.row[resource.key] === context.key) return change.row
  return resource.conflict.on.join() === resource.key ? stands : undefined
}

/** Whether a row is saved in the place of the one that stands: the conflict rule could find another one, or keep it. */
const isSameRow = ({ conflict, key }: Resource.Any, stands: EncodedRow, row: EncodedRow): boolean =>
  conflict.do === "update" && [key, ...conflict.on].every((field) => stands[field] === row[field])
