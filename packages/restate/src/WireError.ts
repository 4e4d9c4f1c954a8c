/**
 * Failures as Restate carries them: terminal errors whose status is the failure's and whose metadata is its wire form.
 */
import * as restate from "@restatedev/restate-sdk"
import type * as Action from "@tenon/core/Action"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import type { ActionFailure } from "@tenon/core/Failure"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const field = "tenon-failure"

/** When it failed, in milliseconds since 1970. */
const timeField = "tenon-at"

/**
 * The terminal error of a failure, with its time where that is given. What is declared nowhere becomes `Unexpected`.
 */
export const toTerminal = (
  failure: unknown,
  declared: ReadonlyArray<Action.ErrorClass> = [],
  at?: number
): restate.TerminalError => {
  const wire = ErrorBoundary.encode(failure, declared)
  return new restate.TerminalError(wire.message, {
    errorCode: wire.status,
    metadata: { [field]: JSON.stringify(wire), ...(at === undefined ? {} : { [timeField]: String(at) }) }
  })
}

/** When a failure came to be, where its terminal error says so. */
export const timeOf = ({ metadata }: restate.TerminalError): number | undefined => {
  const at = Number(metadata?.[timeField] ?? NaN)
  return Number.isFinite(at) ? at : undefined
}

/** What a caller is told of a bug in a handler: nothing but that there was one. */
export class Unexpected extends Error {
  readonly _tag = "Unexpected"
}

/** The failure that a handler ended with, where a call of it came to a terminal error. */
export const fromTerminal = (
  { metadata }: restate.TerminalError,
  declared: ReadonlyArray<Action.ErrorClass>
): ActionFailure | undefined => {
  const wire = decodeWire(metadata?.[field])
  return Option.isNone(wire) ? undefined : ErrorBoundary.decode(wire.value, declared)
}

const decodeWire = Schema.decodeUnknownOption(Schema.fromJsonString(ErrorBoundary.WireFailure))

const Answer = Schema.fromJsonString(
  Schema.Struct({
    message: Schema.String,
    metadata: Schema.optionalKey(
      Schema.Struct({ [field]: Schema.optionalKey(Schema.fromJsonString(ErrorBoundary.WireFailure)) })
    )
  })
)

const decode = Schema.decodeUnknownOption(Answer)

/** What the ingress says about an error: a failure that a handler ended with, or Restate's own sentence. */
export const fromAnswer = (
  text: string,
  declared: ReadonlyArray<Action.ErrorClass>
): { readonly failure: ActionFailure | undefined; readonly isBug: boolean; readonly message: string } => {
  const answer = decode(text)
  if (Option.isNone(answer)) return { failure: undefined, isBug: false, message: text.slice(0, 500) }
  const wire = answer.value.metadata?.[field]
  return {
    failure: wire === undefined ? undefined : ErrorBoundary.decode(wire, declared),
    isBug: wire?.tag === ErrorBoundary.unexpected.tag,
    message: answer.value.message
  }
}
