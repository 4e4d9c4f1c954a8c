/** What an activity may know and change about the slip while it runs. Changes count only if it succeeds. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Activity from "./Activity.ts"

/** A variable is not there or not what was expected. */
export class VariableMissing extends Schema.TaggedError<VariableMissing>()("VariableMissing", {
  name: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `The slip's variable ${this.name} ${this.reason}.`
  }
}

/** A step in the making: one of a branch, or one that an activity inserts. */
export interface Planned<out A extends Activity.Any = Activity.Any> {
  readonly activity: A
  readonly arguments: unknown
  readonly timeoutMillis: number | null
}

/** Names an activity and its arguments, for `insert` and for branches. `timeout` bounds one execution. */
export const step = <A extends Activity.Any>(
  activity: A,
  args: NoInfer<Activity.ArgumentsOf<A>>,
  options: { readonly timeout?: Duration.Input } = {}
): Planned<A> => ({
  activity,
  arguments: args,
  timeoutMillis: options.timeout === undefined ? null : Duration.toMillis(Duration.fromInputUnsafe(options.timeout))
})

/** The execution or compensation at hand. */
export class ActivityContext extends Context.Service<
  ActivityContext,
  {
    readonly tenantId: string
    readonly correlationId: string
    readonly step: string
    readonly phase: "execute" | "compensate"
    /**
     * The same for every attempt at this step and phase, and for nothing else: hand it to what must not happen twice.
     */
    readonly idempotencyKey: string
    /** 1 for the first attempt. */
    readonly attempt: number
    /**
     * The token of the user on whose behalf the slip travels; undefined while it turns back. `OnBehalfOf.exchange`
     * makes of it one that others accept.
     */
    readonly oboToken: Redacted.Redacted<string> | undefined
    /** Reads a variable that the builder or an activity has set. */
    readonly variable: <A>(name: string, schema: Schema.Codec<A, unknown>) => Effect.Effect<A, VariableMissing>
    /** Sets a variable for the activities to come. */
    readonly setVariable: (name: string, value: Schema.Json) => Effect.Effect<void>
    /**
     * Has steps done next, before those that are left. Whether this activity may, and how many, is the policy that the
     * builder signed; what it does not allow faults the step.
     */
    readonly insert: (...steps: ReadonlyArray<Planned>) => Effect.Effect<void>
    /** Leaves steps out that are left to do, under the same policy. */
    readonly drop: (...steps: ReadonlyArray<string>) => Effect.Effect<void>
    /** Ends the slip after this step, well: what is left is not done, what was done is not undone. */
    readonly terminate: Effect.Effect<void>
    /** The steps that are left to do after this one. */
    readonly remaining: ReadonlyArray<{ readonly step: string; readonly activity: string }>
  }
>()("@tenon/routing-slip/ActivityContext") {}
