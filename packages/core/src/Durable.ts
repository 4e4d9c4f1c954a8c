/**
 * What a long-running program can do that survives a crash: every step is done once and its result kept; a program
 * that starts again finds the results of what it has done and goes on from there.
 *
 * Implementations: `RunAttempt`, over the journal of a `RunStore` (in memory or PostgreSQL), and `DurableRestate` of
 * `@tenon/restate`.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import type { Actor } from "./Actor.ts"
import type { Failure } from "./Failure.ts"
import type { Invocation } from "./Invocation.ts"
import type * as Workflow from "./Workflow.ts"

/** How the result of a step is kept. Without a schema it must be JSON; without `failure` a failure is a defect. */
export interface StepOptions<A, E> {
  readonly success?: Schema.Codec<A, unknown>
  readonly failure?: Schema.Codec<E, unknown>
}

/** When something is sent: at once, or no sooner than `delay` from now. */
export interface Delayed {
  readonly delay?: Duration.Input
}

/** On whose word an action is called. */
export interface CallOptions {
  /**
   * `door` has the policy of the run's actor decide, as for a caller from outside: right where something else than the
   * program chose the call, such as a model. Default: `internal`, as for `send`.
   */
  readonly origin?: Invocation["origin"]
}

/**
 * The run at hand. Time is Effect's `Clock`, chance its `Random` and ids `NewId`: inside a run all three are the run's
 * own and the same at every replay. Outside of a step a program waits for nothing but these operations.
 */
export class Durable extends Context.Service<
  Durable,
  {
    /** The workflow's name. */
    readonly workflow: string
    readonly key: string
    /** On whose behalf the run was started. */
    readonly actor: Actor
    /**
     * Does something once and keeps what came of it, a typed failure included: 20 MB of JSON at most. Repeated after a
     * crash in the middle. An interruption of the fiber that waits for it reaches its body.
     */
    readonly step: <A, E, R>(
      name: string,
      effect: Effect.Effect<A, E, R>,
      options?: StepOptions<A, E>
    ) => Effect.Effect<A, E, R>
    readonly sleep: (duration: Duration.Input) => Effect.Effect<void>
    /**
     * Waits for a signal of this name; a signal that came before is not lost. Its payload is JSON. `id` tells apart
     * several waits of one name, such as the answers to several questions.
     */
    readonly signal: (name: string, id?: string) => Effect.Effect<Schema.Json>
    /** Calls an action, one way, once. */
    readonly send: <T extends Action.Any>(
      action: T,
      key: string,
      input: Action.InputOf<T>,
      options?: Delayed
    ) => Effect.Effect<void>
    /** Calls an action under the run's actor, once, and waits for its answer. */
    readonly call: <T extends Action.Any>(
      action: T,
      key: string,
      input: Action.InputOf<T>,
      options?: CallOptions
    ) => Effect.Effect<Action.OutputOf<T>, Action.FailureOf<T> | Failure>
    /** Starts a run of a workflow, one way; a run with the same key is started once. */
    readonly start: <W extends Workflow.Any>(
      workflow: W,
      key: string,
      input: Workflow.InputOf<W>,
      options?: Delayed
    ) => Effect.Effect<void>
    /**
     * Gives another run a signal, one way; the first of a name and id counts. Signals that are on their way together
     * may overtake each other.
     */
    readonly notify: <W extends Workflow.Any, S extends keyof Workflow.SignalsOf<W> & string>(
      workflow: W,
      key: string,
      signal: S,
      payload: Workflow.SignalsOf<W>[S],
      id?: string
    ) => Effect.Effect<void>
  }
>()("@tenon/core/Durable") {}
