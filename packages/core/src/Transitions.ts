/** State machines: what a row's status fields may become, from what stands in the store. One rule for every store. */
import { InvalidTransition } from "./Failure.ts"
import type * as Resource from "./Resource.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

/** A state as text; empty where there is none: the row is new, or its field is null. */
export const stateOf = (row: EncodedRow | undefined, field: string): string => {
  const value = row?.[field] ?? null
  return value === null ? "" : String(value)
}

const mayBegin = ({ initial }: Resource.Any, field: string, state: string): boolean =>
  state === "" || (initial[field]?.includes(state) ?? true)

/** Whether a row that is not there yet may begin as it is. */
export const mayInsert = (resource: Resource.Any, row: EncodedRow): boolean =>
  Object.keys(resource.initial).every((field) => mayBegin(resource, field, stateOf(row, field)))

/** The states that a field may come from to be `to`, itself among them. */
export const sourcesOf = (resource: Resource.Any, field: string, to: string): ReadonlyArray<string> => [
  to,
  ...(to !== "" && mayBegin(resource, field, to) ? [""] : []),
  ...Object.entries(resource.transitions[field] ?? {}).flatMap(([from, next]) => (next.includes(to) ? [from] : []))
]

/** Why a row may not come to stand in the place of another, or as a new one; `undefined` where it may. */
export const refusalOf = (
  resource: Resource.Any,
  from: EncodedRow | undefined,
  row: EncodedRow
): InvalidTransition | undefined => {
  for (const field of fieldsOf(resource)) {
    const [before, to] = [stateOf(from, field), stateOf(row, field)]
    const allowed = from === undefined ? mayBegin(resource, field, to) : sourcesOf(resource, field, to).includes(before)
    if (!allowed) return new InvalidTransition({ resource: resource.name, field, from: before, to })
  }
  return undefined
}

/** The fields that a state machine rules. */
export const fieldsOf = ({ initial, transitions }: Resource.Any): ReadonlyArray<string> => [
  ...new Set([...Object.keys(transitions), ...Object.keys(initial)])
]
