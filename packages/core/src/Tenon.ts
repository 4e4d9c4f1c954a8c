/** The typed door for code in the same process: call an action and get its output or its declared failure. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Action from "./Action.ts"
import type { CurrentActor } from "./Actor.ts"
import * as ActionJson from "./ActionJson.ts"
import type * as Failure from "./Failure.ts"
import { Interpreter } from "./Interpreter.ts"
import type { Kind } from "./Policy.ts"
import type * as RowMark from "./RowMark.ts"

/** What a caller may add to a call. */
export interface CallOptions {
  readonly idempotencyKey?: string
  readonly expectedVersion?: RowMark.Expected
}

/** The answer to a call of an action. */
export type Answer<A extends Action.Any> = Effect.Effect<
  Action.OutputOf<A>,
  Action.FailureOf<A> | Failure.Failure,
  Interpreter | CurrentActor
>

type Rest<A extends Action.Any> =
  {} extends Action.InputOf<A>
    ? [input?: Action.InputOf<A>, options?: CallOptions]
    : [input: Action.InputOf<A>, options?: CallOptions]

/** What a call takes besides its action: a create its input, any other the object's key before it. */
export type Arguments<A extends Action.Any> = A["kind"] extends "create" ? Rest<A> : [key: string, ...rest: Rest<A>]

/** An action that is called for one answer. */
export type Callable = Action.Action<Exclude<Kind, "stream">, any, any, unknown, never>

/**
 * Calls an action: a create with its input, any other with the object's key and its input. Checks, policy, exclusivity
 * and durability are those of every door.
 */
export const invoke = <A extends Callable>(action: A, ...args: Arguments<A>): Answer<A> => {
  const given: ReadonlyArray<unknown> = args
  const [key, input = {}, options = {}] = action.kind === "create" ? [undefined, ...given] : given
  return call(action, key as string | undefined, input, options as CallOptions) as Answer<A>
}

/** An action that answers with a stream. */
export type Streaming = Action.Action<"stream", any, any, unknown, never>

/** Calls a stream action: its outputs, read page by page as they are asked for. */
export const stream = <A extends Streaming>(
  action: A,
  key: string,
  ...[input]: {} extends Action.InputOf<A> ? [input?: Action.InputOf<A>] : [input: Action.InputOf<A>]
): Stream.Stream<Action.OutputOf<A>, Action.FailureOf<A> | Failure.Failure, Interpreter | CurrentActor> => {
  const decode = Schema.decodeUnknownEffect(
    Schema.toCodecJson(action.output as Schema.Codec<Action.OutputOf<A>, unknown>)
  )
  return Stream.unwrap(
    Effect.gen(function* () {
      const interpreter = yield* Interpreter
      return yield* interpreter.stream({
        resource: action.resource,
        action: action.name,
        key,
        input: ActionJson.encode(action.input, input ?? {}, `${action.resource}.${action.name}`),
        reveal: true
      })
    })
  ).pipe(Stream.mapEffect((output) => Effect.orDie(decode(output)))) as Stream.Stream<
    Action.OutputOf<A>,
    Action.FailureOf<A> | Failure.Failure,
    Interpreter | CurrentActor
  >
}

const call = Effect.fnUntraced(function* (
  action: Action.Any,
  key: string | undefined,
  input: unknown,
  options: CallOptions
) {
  const interpreter = yield* Interpreter
  const executed = yield* interpreter.perform({
    resource: action.resource,
    action: action.name,
    key,
    input: ActionJson.encode(action.input, input, `${action.resource}.${action.name}`),
    reveal: true,
    ...options
  })
  return yield* ActionJson.decodeResult(action, executed.result)
}) as (
  ...args: Parameters<(a: Action.Any, k: string | undefined, i: unknown, o: CallOptions) => void>
) => Answer<Action.Any>
