/**
 * Where a `RunEngine` keeps its runs: what was started, the journal of each, and the signals that came for it.
 *
 * A run belongs to one worker at a time. Claiming it gives a fencing token, and everything that is written on the run's
 * behalf is refused once a newer token was given: a worker that was paused for longer than its lease can write nothing.
 *
 * Implementations: `RunStoreMemory` (one process; loses everything with it) and `RunStoreSql` of `@tenon/sql`
 * (PostgreSQL; any replica goes on with the runs of one that died, once its leases have ended).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Actor } from "./Actor.ts"
import type { Unavailable } from "./Failure.ts"
import type { Delivery } from "./Invocation.ts"
import type { Fork, Operation, RunKey } from "./RunJournal.ts"

/** A run to start. */
export interface NewRun extends RunKey {
  /** Identifies this run for good, whatever its key; what it draws and sends follows from it. */
  readonly id: string
  readonly actor: Actor
  readonly input: Schema.Json
  readonly delayMillis: number
  readonly fork: Fork | undefined
  /** The span that it was started in, as `traceparent`. */
  readonly trace: string | undefined
}

/** The right to write for a run. */
export interface Claim extends RunKey {
  readonly token: number
}

/** A run that was claimed. */
export interface ClaimedRun {
  readonly claim: Claim
  readonly id: string
  readonly actor: Actor
  readonly input: Schema.Json
  /** When it was first claimed, in milliseconds since 1970: the run's clock begins there. */
  readonly beganAt: number
  /** How often it has failed with a defect since it last got anywhere. */
  readonly failures: number
  /** How many of its claims in a row ended with no word of their worker: it may be what stops their processes. */
  readonly lost: number
  /** What it begins with, while its journal is empty. */
  readonly fork: Fork | undefined
  readonly trace: string | undefined
}

/** A signal that came for a run. */
export interface Signal {
  readonly name: string
  readonly id: string | undefined
  readonly payload: Schema.Json
}

/** What came for a run from outside. `count` grows with all that comes. */
export interface Mail {
  readonly count: number
  readonly signals: ReadonlyArray<Signal>
  readonly cancelled: boolean
}

/** What a run is to be after a write. */
export type Next =
  | { readonly _tag: "Running" }
  /**
   * It waits, and gives its claim back: until `afterMillis` have passed (for ever where undefined), or until there is
   * more mail than `mail`. With a `problem`, it is tried again because of that.
   */
  | {
      readonly _tag: "Waiting"
      readonly afterMillis: number | undefined
      readonly mail: number
      readonly problem?: string
    }
  | { readonly _tag: "Paused"; readonly problem: string }
  | { readonly _tag: "Ended"; readonly status: "done" | "failed" | "cancelled"; readonly problem?: string }

/** What is written for a run, all of it or nothing. */
export interface Write {
  /** Added to the journal in this order. */
  readonly operations: ReadonlyArray<Operation>
  /** Accepted with the write, each once for its id. */
  readonly deliveries: ReadonlyArray<{ readonly id: string; readonly delivery: Delivery }>
  /** The span that the deliveries go on from, as `traceparent`. */
  readonly trace?: string | undefined
  readonly next: Next
}

/** A newer claim was given, or the run is no longer running: whoever holds this one must stop. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", { run: Schema.String }) {
  override get message() {
    return `The run ${this.run} was taken over by another worker.`
  }
}

/** Keeps runs. */
export class RunStore extends Context.Service<
  RunStore,
  {
    /** Starts a run; where there is one with this tenant, workflow and key, alive or not, it does nothing. */
    readonly start: (run: NewRun) => Effect.Effect<void, Unavailable>
    /**
     * Keeps a signal and wakes its run; the first of a name and id counts. One that comes before its run was started is
     * kept for it, and one for a run that has ended does nothing.
     */
    readonly signal: (run: RunKey, signal: Signal) => Effect.Effect<void, Unavailable>
    /** Asks a run to stop; its finalizers still run. Does nothing where it has ended. */
    readonly cancel: (run: RunKey) => Effect.Effect<void, Unavailable>
    /** Goes on with a paused run. Does nothing where it is not paused. */
    readonly resume: (run: RunKey) => Effect.Effect<void, Unavailable>
    /**
     * Claims up to `limit` runs of these workflows that are due, or whose lease has ended. `now` is the worker's clock.
     * `nextMillis` says after how long the next is due, where that is known. Of those that were lost before they were
     * claimed last, it claims up to `doubtful`, first those that were lost less often.
     */
    readonly claim: (options: {
      readonly workflows: ReadonlyArray<string>
      readonly limit: number
      readonly doubtful: number
      readonly leaseMillis: number
      readonly now: number
    }) => Effect.Effect<
      { readonly runs: ReadonlyArray<ClaimedRun>; readonly nextMillis: number | undefined },
      Unavailable
    >
    /** Everything that a claimed run has done, in the order in which it was journaled, and what came for it. */
    readonly read: (
      claim: Claim
    ) => Effect.Effect<{ readonly operations: ReadonlyArray<Operation>; readonly mail: Mail }, Unavailable>
    /** What came for a claimed run. */
    readonly mail: (claim: Claim) => Effect.Effect<Mail, Unavailable>
    /**
     * Writes for a run, once however often it is asked after `Unavailable`. `offset` is how long its journal is
     * already.
     */
    readonly write: (claim: Claim, offset: number, write: Write) => Effect.Effect<void, LeaseLost | Unavailable>
    /** What came for the runs of claims that still hold, in no order. */
    readonly look: (claims: ReadonlyArray<Claim>) => Effect.Effect<ReadonlyArray<Held>, Unavailable>
    /** Extends leases, and tells which claims still hold. As a write does, it says that their workers are not lost. */
    readonly renew: (
      claims: ReadonlyArray<Claim>,
      leaseMillis: number
    ) => Effect.Effect<ReadonlyArray<Held>, Unavailable>
    /** Completes when there may be something to claim or to look at, as far as this process knows. */
    readonly awaitWork: Effect.Effect<void>
  }
>()("@tenon/core/RunStore") {}

/** A claim that holds, and how much mail its run has. */
export interface Held {
  readonly run: RunKey
  readonly token: number
  readonly mail: number
}

/** A run's identity as one text. */
export const textOf = ({ key, tenantId, workflow }: RunKey): string => JSON.stringify([tenantId, workflow, key])
