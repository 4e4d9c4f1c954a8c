/**
 * What came of a step, as the journal keeps it: with its time, and a typed failure as a value, so that its type
 * survives.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { StepOptions } from "./Durable.ts"
import * as ErrorBoundary from "./ErrorBoundary.ts"
import * as Failure from "./Failure.ts"
import * as StepSize from "./StepSize.ts"
import * as Storable from "./Storable.ts"

/** What came of a step's body. */
export type Ending =
  | { readonly value?: unknown }
  | { readonly failure: unknown }
  | { readonly framework: ErrorBoundary.WireFailure }
  | { readonly interrupted: true }

/** A step's result: `at` is when it ended, in milliseconds since 1970. */
export type StepResult = Ending & { readonly at: number }

/**
 * An outcome as a replay is handed it: nobody else holds it, such as the body that gave it or another wait for the same
 * signal, and its numbers are JSON's.
 */
export const asKept = <A extends object | Schema.Json>(outcome: A): A =>
  typeof outcome === "object" && outcome !== null ? JSON.parse(JSON.stringify(outcome)) : outcome

const isJson = Schema.is(Schema.Json)

const codecOf = <A>(schema: Schema.Codec<A, unknown>) => Schema.toCodecJson(schema)

/** The step's effect with its value encoded, and each failure encoded or made what it is: a wait, or a bug. */
export const encoded = <A, E, R>(
  name: string,
  effect: Effect.Effect<A, E, R>,
  options: StepOptions<A, E> | undefined
): Effect.Effect<Ending, Failure.ActionFailure, R> =>
  Effect.flatMap(encodedAtAll(name, effect, options), (ending) => {
    const fault = StepSize.faultOf(ending)
    const words = `What step "${name}" gives ${fault}; put it elsewhere, and have the step give what it is found by`
    return fault === undefined ? Effect.succeed(ending) : Effect.die(new Error(words))
  })

const encodedAtAll = <A, E, R>(
  name: string,
  effect: Effect.Effect<A, E, R>,
  options: StepOptions<A, E> | undefined
): Effect.Effect<Ending, Failure.ActionFailure, R> => {
  const { failure, success } = options ?? {}
  return Effect.matchEffect(effect, {
    onSuccess: (value): Effect.Effect<Ending> =>
      success === undefined
        ? value === undefined || isJson(value)
          ? Effect.succeed({ value })
          : Effect.die(new Error(`The value of step "${name}" is not JSON; give the step a \`success\` schema`))
        : Effect.map(Effect.orDie(Schema.encodeEffect(codecOf(success))(value)), (value) => ({ value })),
    onFailure: (error): Effect.Effect<Ending, Failure.ActionFailure> => {
      const encoded = failure === undefined ? Option.none() : Schema.encodeUnknownOption(codecOf(failure))(error)
      if (Option.isSome(encoded)) return Effect.succeed({ failure: encoded.value })
      if (ErrorBoundary.isInfrastructure(error)) return Effect.fail(error)
      return Failure.classes.some((each) => error instanceof each)
        ? Effect.succeed({ framework: ErrorBoundary.encode(error, []) })
        : Effect.die(
            new Error(`Step "${name}" failed with ${Storable.textOf(error)}; give it a \`failure\` schema to keep that`)
          )
    }
  })
}

/** Gives back what came of a step. */
export const decode = <A, E>(result: Ending, options: StepOptions<A, E> | undefined): Effect.Effect<A, E> => {
  if ("interrupted" in result) return Effect.interrupt
  if ("framework" in result) return Effect.fail(ErrorBoundary.decode(result.framework, []) as E)
  if ("failure" in result) {
    if (options?.failure === undefined) return Effect.die(result.failure)
    const decoded = Schema.decodeUnknownResult(codecOf(options.failure))(result.failure)
    return Result.isSuccess(decoded) ? Effect.fail(decoded.success) : Effect.die(decoded.failure)
  }
  if (options?.success === undefined) return Exit.succeed(result.value as A)
  return Effect.orDie(Schema.decodeUnknownEffect(codecOf(options.success))(result.value))
}
