/**
 * The one place where failures are classified: HTTP, Restate and every other door read the same `WireFailure`.
 *
 * A failure crosses a wire as its tag, its status, a sentence, and its fields as JSON; `decode` gives back an instance
 * of the declared class, so a caller can catch it by tag. Defects never pass: they become `Unexpected` with no detail.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import * as Failure from "./Failure.ts"
import * as Sensitive from "./Sensitive.ts"

/** A failure as it travels. `detail` holds the failure's own fields, its `_tag` included. */
export const WireFailure = Schema.Struct({
  tag: Schema.String,
  status: Schema.Int,
  retryable: Schema.Boolean,
  message: Schema.String,
  detail: Schema.Json
})
export interface WireFailure extends Schema.Struct.Type<typeof WireFailure.fields> {}

interface Known {
  readonly errorClass: Action.ErrorClass
  readonly encode: (error: unknown) => Option.Option<Schema.Json>
  readonly decode: (detail: unknown) => Option.Option<unknown>
  readonly status: number
  readonly retryable: boolean
}

const known = new WeakMap<Action.ErrorClass, Known>()

const know = (errorClass: Action.ErrorClass): Known => {
  const found = known.get(errorClass)
  if (found !== undefined) return found
  const codec = Schema.toCodecJson(errorClass)
  const { status, retryable } = classification(errorClass)
  const fresh: Known = {
    errorClass,
    encode: Schema.encodeUnknownOption(codec),
    decode: Schema.decodeUnknownOption(codec),
    status,
    retryable
  }
  known.set(errorClass, fresh)
  return fresh
}

/** The HTTP status of a declared failure and whether a retry may help, from its annotations. */
export const classification = (
  errorClass: Schema.Constraint
): { readonly status: number; readonly retryable: boolean } => {
  const annotations: { readonly [key: string]: unknown } | undefined = Schema.resolveAnnotations(errorClass)
  const status = annotations?.["httpStatus"]
  return { status: typeof status === "number" ? status : 422, retryable: annotations?.["retryable"] === true }
}

/**
 * Whether a failure says that something the work needs is not there now, so that what was accepted must wait for it.
 */
export const isInfrastructure = (failure: unknown): failure is Failure.Failure =>
  Failure.classes.some((each) => failure instanceof each && classification(each).retryable)

/** The `_tag` of a class made by `Schema.TaggedError`. */
export const tagOf = (errorClass: Action.ErrorClass): string => {
  const annotations: { readonly [key: string]: unknown } | undefined = Schema.resolveAnnotations(errorClass)
  const { identifier } = errorClass as { readonly identifier?: unknown }
  return String(identifier ?? annotations?.["identifier"] ?? errorClass.name)
}

/** The sentence that a failure shows: its message, or its name in words where it has none. */
export const messageOf = (failure: Failure.ActionFailure): string =>
  failure.message !== "" && failure.message !== undefined
    ? failure.message
    : failure._tag
        .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
        .replace(/^(.)(.*)$/, (_, first, rest) => first + rest.toLowerCase()) + "."

/** Turns a failure of an action into its wire form. What is not declared anywhere becomes `Unexpected`. */
export const encode = (failure: unknown, declared: ReadonlyArray<Action.ErrorClass>): WireFailure => {
  for (const errorClass of [...Failure.classes, ...declared]) {
    if (!(failure instanceof errorClass)) continue
    const { encode, status, retryable } = know(errorClass)
    const detail = encode(failure)
    if (Option.isSome(detail))
      return { tag: failure._tag, status, retryable, message: messageOf(failure), detail: detail.value }
  }
  return unexpected
}

/** A failure as a caller from outside may see it: `encode` without the sensitive fields. */
export const show = (failure: unknown, declared: ReadonlyArray<Action.ErrorClass>): WireFailure => {
  const wire = encode(failure, declared)
  const errorClass = [...Failure.classes, ...declared].find((each) => failure instanceof each)
  const hide = errorClass === undefined ? undefined : Sensitive.hider(errorClass)
  return hide === undefined ? wire : { ...wire, detail: hide(wire.detail) }
}

/** What a caller sees of a bug: nothing but that there was one. */
export const unexpected: WireFailure = {
  tag: "Unexpected",
  status: 500,
  retryable: false,
  message: "Something went wrong on the server.",
  detail: { _tag: "Unexpected" }
}

/**
 * Gives back the failure that was encoded, as an instance of its class; `undefined` where the class is not known here.
 */
export const decode = (
  wire: WireFailure,
  declared: ReadonlyArray<Action.ErrorClass>
): Failure.ActionFailure | undefined => {
  for (const errorClass of [...Failure.classes, ...declared]) {
    const decoded = know(errorClass).decode(wire.detail)
    if (Option.isSome(decoded) && decoded.value instanceof errorClass && decoded.value._tag === wire.tag)
      return decoded.value
  }
  return undefined
}
