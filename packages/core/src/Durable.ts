/**
 * What a long-running program can do that survives a crash: every step is done once and its result kept; a program
 * that starts again finds the results of what it has done and goes on from there.
 *
 * Implementations: `RuntimeMemory` (a journal in this process) and `DurableRestate` of `@tenon/restate`.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import type { Actor } from "./Actor.ts"

/** How the result of a step is kept. Without a schema it must be JSON; without `failure` a failure is a defect. */
export interface StepOptions<A, E> {
  readonly success?: Schema.Codec<A, unknown>
  readonly failure?: Schema.Codec<E, unknown>
}

/** The run at hand. */
export class Durable extends Context.Service<
  Durable,
  {
    readonly key: string
    readonly actor: Actor
    /** Does something once and keeps what came of it, a typed failure included. Repeated after a crash in the middle. */
    readonly step: <A, E, R>(
      name: string,
      effect: Effect.Effect<A, E, R>,
      options?: StepOptions<A, E>
    ) => Effect.Effect<A, E, R>
    readonly sleep: (duration: Duration.Input) => Effect.Effect<void>
    /** Waits for a signal of this name; a signal that came before is not lost. Its payload is JSON. */
    readonly signal: (name: string) => Effect.Effect<Schema.Json>
    /** Calls an action, one way, once. */
    readonly send: <T extends Action.Any>(action: T, key: string, input: Action.InputOf<T>) => Effect.Effect<void>
  }
>()("@tenon/core/Durable") {}
