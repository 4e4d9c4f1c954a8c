/**
 * Where durable actions and workflows run: one object at a time, retried until done, with sends that survive a crash.
 *
 * Implementations: `RuntimeMemory` (in this process, on the test clock where there is one; a crash loses what waits),
 * `RuntimeSql` of `@tenon/sql` (PostgreSQL alone) and `RuntimeRestate` of `@tenon/restate`. A runtime calls
 * `Interpreter.execute` for every action and carries out the deliveries that come back; it decides nothing itself.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Actor } from "./Actor.ts"
import type { ActionFailure, Unavailable } from "./Failure.ts"
import type { Delivery, Executed, Invocation } from "./Invocation.ts"
import type { RunKey } from "./RunJournal.ts"

/** Runs durable actions and workflows. */
export class Runtime extends Context.Service<
  Runtime,
  {
    /** Runs an action on its object and waits for its answer. Exclusive per object for write kinds. */
    readonly invoke: (invocation: Invocation) => Effect.Effect<Executed, ActionFailure>
    /**
     * Accepts a delivery on behalf of an actor: once this succeeds it is carried out, at least once in the face of
     * crashes and once as the database sees it. `id` makes a repeated call of this the same delivery.
     */
    readonly deliver: (actor: Actor, delivery: Delivery, id: string) => Effect.Effect<void, ActionFailure>
    /**
     * Whether a workflow's run goes on: it waits, runs, or is paused. False where it has ended, and where the runtime
     * does not know it, as when it has lost its data.
     */
    readonly isAlive: (run: RunKey) => Effect.Effect<boolean, Unavailable>
    /**
     * Drops what the runtime still keeps of a run that is not alive and would keep it from being started again, as the
     * key of one that was killed. A run that goes on stays as it is.
     */
    readonly forget: (run: RunKey) => Effect.Effect<void, Unavailable>
    /** Interrupts a workflow's run: what it is in the middle of is aborted, and its finalizers still take steps. */
    readonly cancel: (run: RunKey) => Effect.Effect<void, Unavailable>
    /** Goes on with a run that was paused because of a bug. */
    readonly resume: (run: RunKey) => Effect.Effect<void, Unavailable>
  }
>()("@tenon/core/Runtime") {}
