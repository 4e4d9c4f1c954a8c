/* oxlint-disable typescript/no-explicit-any -- a collection of activities with different arguments: `any` is the only
   type argument that all of them are assignable to, since arguments are both read and written. */
/**
 * A step that slips can name: what it takes, how it is done, and how it is undone. Its dependencies are services; a
 * Layer given with `Activity.provide` is built for one execution and released when that succeeds, fails or is
 * interrupted.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { type Pipeable, Prototype as PipeablePrototype } from "effect/Pipeable"
import * as Schema from "effect/Schema"
import type { ActivityContext } from "./ActivityContext.ts"
import * as JsonForm from "./JsonForm.ts"

/** The fields of arguments or of what undoing needs; they need no services to be read or written. */
export type Fields = { readonly [name: string]: Schema.Codec<any, any> }

/** When to try again what failed. The n-th retry waits `delay` times `factor` to the power n-1, a day at most. */
export interface Retry {
  readonly times: number
  readonly delay: Duration.Duration
  readonly factor: number
}

/** How a retry is declared. */
export interface RetryOptions {
  readonly times: number
  /** Default one second. */
  readonly delay?: Duration.Input
  /** Default 2. */
  readonly factor?: number
}

/** What follows once every attempt at a compensation has failed: an operator decides, or the step stays as it is. */
export type OnCompensationFailure = "halt" | "continue"

/** An activity. */
export interface Activity<out Name extends string, in out Arguments, out R> extends Pipeable {
  readonly name: Name
  readonly queue: string
  readonly arguments: JsonForm.JsonCodec<Arguments>
  readonly log: JsonForm.JsonCodec<unknown>
  readonly description: string | undefined
  /** For whom the token of the user is exchanged before it is executed; undefined where none is needed. */
  readonly audience: string | undefined
  /** Takes decoded arguments, gives what undoing needs, decoded. */
  readonly execute: (args: unknown) => Effect.Effect<unknown, unknown, R | ActivityContext>
  readonly compensate: ((log: unknown) => Effect.Effect<void, unknown, R | ActivityContext>) | undefined
  readonly retry: Retry
  readonly compensationRetry: Retry
  readonly onCompensationFailure: OnCompensationFailure
  readonly timeout: Duration.Duration | undefined
}

/** Any activity. */
export interface Any extends Activity<string, any, any> {}

/** Any activity that needs the services `R`. */
export interface Needing<out R> extends Activity<string, any, R> {}

/** The name of an activity. */
export type NameOf<A extends Any> = A["name"]

/** What an activity takes. */
export type ArgumentsOf<A extends Any> = A["arguments"]["Type"]

/** The services that an activity needs besides its context. */
export type ServicesOf<A extends Any> = A extends Activity<any, any, infer R> ? R : never

interface Options<A extends Fields> {
  readonly arguments: A
  readonly description?: string
  /** Default `tenon.<name>`. */
  readonly queue?: string
  /** For a failed execution. Default: none, the slip turns back at the first failure. */
  readonly retry?: RetryOptions
  /** How long one execution may take. Default: as long as it likes. */
  readonly timeout?: Duration.Input
}

interface Undoable<L extends Fields, E, R> {
  /** What undoing needs: the result of `execute`, kept in the slip. */
  readonly log: L
  readonly compensate: (log: Schema.Struct.Type<L>) => Effect.Effect<void, E, R>
  /** For a failed compensation. Default five times, after 1, 2, 4, 8 and 16 seconds. */
  readonly compensationRetry?: RetryOptions
  /** Default `halt`. */
  readonly onCompensationFailure?: OnCompensationFailure
}

const retryOf = (options: RetryOptions | undefined, times: number): Retry => ({
  times: options?.times ?? times,
  delay: Duration.fromInputUnsafe(options?.delay ?? "1 second"),
  factor: options?.factor ?? 2
})

const day = Duration.days(1)

/** How long to wait after the n-th failure, or undefined where that was the last attempt. */
export const delayAfter = (retry: Retry, failures: number): Duration.Duration | undefined =>
  failures > retry.times ? undefined : Duration.min(Duration.times(retry.delay, retry.factor ** (failures - 1)), day)

const build = <Name extends string, Arguments, R>(
  fields: Omit<Activity<Name, Arguments, R>, "pipe">
): Activity<Name, Arguments, R> => Object.assign(Object.create(PipeablePrototype), fields)

/** The JSON form of some fields. Throws where a type of theirs has none: such an activity would fail at its worker. */
const formOf = (activity: string, what: string, fields: Fields): JsonForm.JsonCodec<any> => {
  const schema = Schema.Struct(fields)
  const faults = JsonForm.faultsIn(schema)
  if (faults.length === 0) return JsonForm.of<any>(schema)
  throw new Error(`The activity ${activity} cannot be declared: its ${what} ${faults.join("; ")}.`)
}

/**
 * Declares an activity that cannot be undone, or does not need to be. Throws where no JSON stands for a type of its
 * arguments or its log.
 */
export function make<const Name extends string, const A extends Fields, E, R>(
  name: Name,
  options: Options<A> & {
    readonly execute: (args: Schema.Struct.Type<A>) => Effect.Effect<void, E, R>
    readonly log?: never
    readonly compensate?: never
  }
): Activity<Name, Schema.Struct.Type<A>, Exclude<R, ActivityContext>>
/** Declares an activity that can be undone: `execute` gives what `compensate` takes. */
export function make<const Name extends string, const A extends Fields, const L extends Fields, E1, R1, E2, R2>(
  name: Name,
  options: Options<A> &
    Undoable<L, E2, R2> & {
      readonly execute: (args: Schema.Struct.Type<A>) => Effect.Effect<Schema.Struct.Type<L>, E1, R1>
    }
): Activity<Name, Schema.Struct.Type<A>, Exclude<R1 | R2, ActivityContext>>
export function make(
  name: string,
  options: Options<Fields> & {
    readonly execute: (args: any) => Effect.Effect<any, unknown, any>
  } & Partial<Undoable<any, unknown, any>>
): Any {
  return build({
    name,
    queue: options.queue ?? `tenon.${name}`,
    arguments: formOf(name, "argument", options.arguments),
    log: options.log === undefined ? JsonForm.of(Schema.Unknown) : formOf(name, "log", options.log),
    description: options.description,
    audience: undefined,
    execute: options.execute,
    compensate: options.compensate as Any["compensate"],
    retry: retryOf(options.retry, 0),
    compensationRetry: retryOf(options.compensationRetry, 5),
    onCompensationFailure: options.onCompensationFailure ?? "halt",
    timeout: options.timeout === undefined ? undefined : Duration.fromInputUnsafe(options.timeout)
  })
}

/** Wraps what an activity does and how it is undone, in something that needs other services. */
export const around = <Name extends string, Arguments, R, S>(
  self: Activity<Name, Arguments, R>,
  wrap: <A, E>(effect: Effect.Effect<A, E, R | ActivityContext>) => Effect.Effect<A, unknown, S | ActivityContext>,
  audience = self.audience
): Activity<Name, Arguments, S> => {
  const { compensate, execute } = self
  return build<Name, Arguments, S>({
    ...self,
    audience,
    execute: (args) => wrap(execute(args)),
    compensate: compensate === undefined ? undefined : (log) => wrap(compensate(log))
  })
}

/** Has a Layer built for each execution and released at its end. What it needs itself is shared by all executions. */
export const provide =
  <ROut, E, RIn>(layer: Layer.Layer<ROut, E, RIn>) =>
  <Name extends string, Arguments, R>(
    self: Activity<Name, Arguments, R>
  ): Activity<Name, Arguments, Exclude<R, ROut> | RIn> =>
    around<Name, Arguments, R, Exclude<R, ROut> | RIn>(
      self,
      // Local: not even two executions at once share what the layer builds.
      <A, F>(effect: Effect.Effect<A, F, R | ActivityContext>) =>
        Effect.provide(effect, layer, { local: true }) as Effect.Effect<
          A,
          F | E,
          Exclude<R, ROut> | RIn | ActivityContext
        >
    )
