/**
 * Whether parsed JSON is an envelope, told several times faster than a Schema can. `Envelope` is the truth: a test
 * holds both against the same values, and what is refused here is given to the Schema, which says why.
 */
import type * as Schema from "effect/Schema"
import * as Envelope from "./Envelope.ts"

type Check = (value: unknown) => boolean
type Fields = { readonly [name: string]: Check }

const isString: Check = (value) => typeof value === "string"
const isBoolean: Check = (value) => typeof value === "boolean"
const isNatural: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isFilled: Check = (value) => typeof value === "string" && value.length > 0
const matches =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === "string" && pattern.test(value)
const hasIdForm = matches(Envelope.patterns.id)
const isId: Check = (value) => hasIdForm(value) && (value as string).length <= 100
const isStep = matches(Envelope.patterns.step)
const isActivity = matches(Envelope.patterns.activity)
const isQueue = matches(Envelope.patterns.queue)
const oneOf = (...texts: ReadonlyArray<string>): Check => {
  const known = new Set<unknown>(texts)
  return (value) => known.has(value)
}
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)
const listOf =
  (check: Check): Check =>
  (value) => {
    if (!Array.isArray(value)) return false
    for (const each of value) if (!check(each)) return false
    return true
  }

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An object with these fields, perhaps those, and no others. */
const struct = (required: Fields, optional: Fields = {}): Check => {
  const needed = Object.entries(required)
  const possible = Object.entries(optional)
  return (value) => {
    if (!isObject(value)) return false
    let known = needed.length
    for (const [name, check] of needed) if (!Object.hasOwn(value, name) || !check(value[name])) return false
    for (const [name, check] of possible) {
      if (!Object.hasOwn(value, name)) continue
      if (!check(value[name])) return false
      known++
    }
    let count = 0
    for (const _ in value) count++
    return count === known
  }
}

/** JSON has no number that is not finite, but a reader makes one of `1e999`. */
const isJson: Check = (value) => {
  if (typeof value === "number") return Number.isFinite(value)
  if (typeof value !== "object" || value === null) return value !== undefined
  for (const name in value) if (!isJson((value as { readonly [name: string]: unknown })[name])) return false
  return true
}

/**
 * Levels of a value at most, for builders as for workers. What is around it where it is deepest, in a step of a branch
 * that a trunk carries, takes 12 more, and a merge of branches two; readers allow 64.
 */
const deepest = 32

/** Says of a value that it is not one that a slip can carry. */
export const uncarriable = `It is not JSON that a slip can carry, or it has more than ${deepest} levels.`

/** An instance of a class may turn into something else when it is written. */
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

/** Whether a slip can carry a value: it is JSON, and not too deep. */
export const isCarriable = (value: unknown, depth = 0): boolean => {
  if (typeof value !== "object" || value === null) {
    return value === null || ["string", "boolean"].includes(typeof value) || Number.isFinite(value)
  }
  if (depth >= deepest || !isPlain(value)) return false
  // What is undefined is left out on the wire.
  return Object.values(value).every((each) => each === undefined || isCarriable(each, depth + 1))
}

const recordOf =
  (check: Check): Check =>
  (value) => {
    if (!isObject(value)) return false
    for (const name in value) if (!check(value[name])) return false
    return true
  }

const isVariables = recordOf(isJson)

const stepFields = {
  step: isStep,
  activity: isActivity,
  queue: isQueue,
  arguments: isJson,
  encrypted: isBoolean,
  timeout_ms: orNull(isNatural)
}

const mergeBy: { readonly [type: string]: Check } = {
  under: struct({ type: isString, into: isString }),
  collect: struct({ type: isString, from: isString, into: isString }),
  spread: struct({ type: isString, conflict: oneOf("first", "last") })
}
const isMerge: Check = (value) => {
  if (!isObject(value) || typeof value["type"] !== "string" || !Object.hasOwn(mergeBy, value["type"])) return false
  return mergeBy[value["type"]]?.(value) ?? false
}

const isScatter = struct({
  branches: listOf(struct({ branch: isStep, name: isFilled, itinerary: listOf(struct(stepFields)) })),
  wanted: isNatural,
  late: oneOf("compensate", "keep"),
  undo: oneOf("reverse", "parallel"),
  merge: listOf(isMerge)
})

const undoFields = { step: isStep, activity: isActivity, queue: isQueue, data: isJson, encrypted: isBoolean }

const slipFields = {
  itinerary: listOf(struct(stepFields, { scatter: isScatter })),
  activity_log: listOf(struct({ step: isStep, activity: isActivity, at: isNatural })),
  compensation_log: listOf(
    struct(undoFields, { branches: listOf(struct({ branch: isStep, compensation_log: listOf(struct(undoFields)) })) })
  ),
  variables: isVariables,
  phase: oneOf("execute", "compensate", "done"),
  outcome: orNull(oneOf("completed", "terminated", "faulted", "cancelled")),
  fault: orNull(struct({ step: isStep, activity: isActivity, error: isString, message: isString })),
  not_undone: listOf(isStep),
  revision: struct({ by: listOf(isActivity), activities: listOf(isActivity), budget: isNatural, drops: isBoolean }),
  deadline: orNull(isNatural)
}

const isBranch = struct({
  branch: isStep,
  of: isStep,
  activity: isActivity,
  queue: isQueue,
  phase: oneOf("execute", "compensate"),
  set: isVariables,
  superseded: isBoolean,
  trunk: struct(slipFields)
})

const check = struct({
  payload: isJson,
  headers: struct({
    message_id: isId,
    correlation_id: isId,
    tenant_id: isId,
    routing_slip: struct(slipFields, { branch: isBranch }),
    security_context: struct({
      obo_token: orNull(isString),
      jws_signature: orNull(isString),
      jws_log: listOf(isString)
    }),
    trace_context: recordOf(isString)
  })
})

/** Whether this is an envelope and nothing besides. */
export const isEnvelope = (value: Schema.Json): value is Schema.Json & Envelope.Envelope => check(value)
