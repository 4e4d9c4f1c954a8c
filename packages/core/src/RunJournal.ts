/**
 * What runs have done and where they stand, for whoever looks: an operator, an agent's history, a check of new code
 * against old journals.
 *
 * Implementations: `RunStoreMemory` and `RunJournalSql` of `@tenon/sql`, each over the journal that the runs go on
 * from. Where another journal is the truth (Restate), its driver records the same operations here, behind the run: a
 * reader may be some moments late, and after the loss of that journal this is what is left.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Actor } from "./Actor.ts"
import type { Unavailable } from "./Failure.ts"
import type { Origin } from "./RunOrigin.ts"

/** Which run. */
export interface RunKey {
  readonly tenantId: string
  readonly workflow: string
  readonly key: string
}

/**
 * What an operation of a run is. Two are not the program's: `cancel` is the request that interrupted it, and after
 * `fork` a run goes its own way that began as another one (`RunOrigin`).
 */
export const Kind = Schema.Literals(["step", "sleep", "signal", "call", "send", "start", "notify", "cancel", "fork"])
export type Kind = typeof Kind.Type

/** Whether nobody waits for what comes of it: it has ended as it begins. */
export const isOneWay = ({ kind }: { readonly kind: Kind }): boolean =>
  kind === "send" || kind === "start" || kind === "notify"

/** An operation that has ended. */
export const Operation = Schema.Struct({
  /** Counted from 0 in the order in which the program began them. -1 for what is not the program's. */
  index: Schema.Int,
  kind: Kind,
  /**
   * A step's name; a signal's, with its id behind a slash; what was called, sent to, started, notified or forked; or
   * empty.
   */
  name: Schema.String,
  /** Milliseconds since 1970. */
  startedAt: Schema.Number,
  endedAt: Schema.Number,
  /** What came of it: a step's or call's ending, a signal's payload, to whom something was sent; else null. */
  outcome: Schema.Json
})
export interface Operation extends Schema.Struct.Type<typeof Operation.fields> {}

/** An operation that a program has begun; of a call, with what the action was given. */
export interface Begun extends Pick<Operation, "kind" | "name"> {
  readonly input?: Schema.Json
}

/**
 * Says that a run begins with operations of another one of its workflow instead of doing them: the first so many in the
 * order in which they were handed to its program, or, without a number, as many as the workflow's program can go on
 * from. A fork of itself is a run whose runtime has lost it.
 */
export const Fork = Schema.Struct({ key: Schema.String, operations: Schema.optionalKey(Schema.Int) })
export interface Fork extends Schema.Struct.Type<typeof Fork.fields> {}

/**
 * Which of the operations of a run a new one can begin with; `wanted` where somebody has chosen how many, which is the
 * most then; `lost` where it is that run itself. Of several choices, the first counts that leads to anything new.
 */
export interface Forkable {
  (
    operations: ReadonlyArray<Operation>,
    lost: boolean,
    wanted: number | undefined
  ): ReadonlyArray<ReadonlyArray<Operation>>
}

/**
 * Where a run stands: `waiting` for a time, a signal or a worker; `paused` until an operator resumes it, because of
 * `problem`; the last three are for good.
 */
export const Status = Schema.Literals(["waiting", "running", "paused", "done", "failed", "cancelled"])
export type Status = typeof Status.Type

/** A run as it stands. */
export interface Standing {
  readonly status: Status
  /** Why it failed, was paused, or is tried again: a sentence without details of the program's data. */
  readonly problem: string | undefined
}

/** Whether a run in this status still goes on, or may. */
export const isAlive = (status: Status | undefined): boolean =>
  status === "waiting" || status === "running" || status === "paused"

/** What a run began with besides its input; what it draws follows from `seed`, unless its journal says otherwise. */
export interface Beginning extends Origin {
  readonly actor: Actor
}

/** What is recorded of a run that another journal holds. */
export interface Recorded {
  /** How many operations were handed out before these. */
  readonly offset: number
  readonly operations: ReadonlyArray<Operation>
  readonly standing: Standing
  /** Undefined where that is recorded already. */
  readonly beginning: Beginning | undefined
}

/** Reads what runs have done, and records it for runtimes whose own journal is elsewhere. */
export class RunJournal extends Context.Service<
  RunJournal,
  {
    /** `undefined` where there is no such run, as far as is known. */
    readonly standing: (run: RunKey) => Effect.Effect<Standing | undefined, Unavailable>
    /** The operations that have ended, in the order in which they were handed to the program. */
    readonly operations: (run: RunKey) => Effect.Effect<ReadonlyArray<Operation>, Unavailable>
    /** `undefined` where there is no such run, or it has not begun, as far as is known. */
    readonly beginning: (run: RunKey) => Effect.Effect<Beginning | undefined, Unavailable>
    /** Notes what a run has done that another journal holds. What is there already stays. */
    readonly record: (run: RunKey, recorded: Recorded) => Effect.Effect<void, Unavailable>
  }
>()("@tenon/core/RunJournal") {}

/** A signal's name in the journal: no name of a signal has a slash, so no two signals share one. */
export const signalName = (name: string, id: string | undefined): string => (id === undefined ? name : `${name}/${id}`)

/** How the journal names a call of an action. */
export const callName = ({ name, resource }: { readonly resource: string; readonly name: string }): string =>
  `${resource}.${name}`
