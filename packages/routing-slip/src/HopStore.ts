/**
 * What a worker remembers of its hops, so that a crash at any point loses nothing and repeats nothing: who works on a
 * step (inbox), what came of it and what is to be sent on (outbox), and how the slip stands.
 *
 * The workers of one slip share a store, or each service has its own; a store sees only the hops of its workers, so
 * only a shared one can show a whole slip, cancel it, and tell a fork made by one service from the original.
 *
 * Implementations: `HopStoreMemory` (this process; nothing survives it) and `HopStoreSql` (tenant transactions).
 */
import type { Unavailable } from "@tenon/core/Failure"
import type { Outgoing, Transport } from "@tenon/messaging/Transport"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Outcome } from "./Envelope.ts"

/** One phase of one step of one slip: what is done once. */
export interface HopKey {
  readonly tenantId: string
  readonly correlationId: string
  readonly step: string
  readonly phase: "execute" | "compensate"
}

/** The text form of a key, which activities hand to others as their idempotency key. */
export const keyText = ({ tenantId, correlationId, step, phase }: HopKey): string =>
  [tenantId, correlationId, step, phase].map(encodeURIComponent).join("/")

/** Something that happened to a slip. */
export interface SlipEvent {
  readonly type:
    | "dispatched"
    | "executed"
    | "scattered"
    | "arrived"
    | "gathered"
    | "superseded"
    | "faulted"
    | "cancelled"
    | "compensated"
    | "skipped"
    | "abandoned"
    | "retrying"
    | "halted"
    | "suspended"
    | "reauthorised"
  readonly step: string
  readonly activity: string
  readonly detail: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** An event as the store keeps it. `seq` names it within its store; later ones have larger numbers within one slip. */
export interface RecordedEvent extends SlipEvent {
  readonly seq: number
}

/** Which slips are meant. */
export interface SlipFilter {
  readonly status?: SlipState["status"] | undefined
  /** The activity at hand, or the last one. */
  readonly activity?: string | undefined
  /** Changed at or after, and before; milliseconds since 1970. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** The slip after which the page begins. */
  readonly after?: { readonly updatedAt: number; readonly correlationId: string } | undefined
  /** Default 100. */
  readonly limit?: number | undefined
}

/** How a slip stands, as its newest hop left it. */
export interface SlipState {
  readonly tenantId: string
  readonly correlationId: string
  readonly status: "executing" | "compensating" | "halted" | "suspended" | Outcome
  /** The activity at hand; the last one where the slip is over. */
  readonly activity: string
  readonly updatedAt: number
}

/** The same with its newest message, whole: what `verify` reads. */
export interface SlipRecord extends SlipState {
  readonly body: Uint8Array
}

const ended: ReadonlySet<SlipRecord["status"]> = new Set(Outcome.literals)

/** Whether nothing more will happen to a slip. */
export const isOver = (status: SlipRecord["status"]): boolean => ended.has(status)

/** The message of a claim, and where it stands in its slip's history. */
export interface Claimant {
  readonly digest: string
  /** The place of `digest` in the signed log; undefined where nothing is signed. */
  readonly index: number | undefined
  /** The branch whose log that is; empty for the trunk. Branches are forks that the slip has declared. */
  readonly branch: string
  readonly incoming: Outgoing
  /** Claims the step only where it was claimed before: nothing of its slip may be begun any more. */
  readonly knownOnly?: boolean
}

/** The first message of a branch, to be published after `delay` milliseconds. */
export interface Further {
  readonly key: HopKey
  readonly message: Outgoing
  readonly delay: number
}

/** What came of a step, stored all or nothing. */
export interface Completion {
  /**
   * The message that follows; undefined at the end of the slip, where branches follow, and where others are waited for.
   */
  readonly outgoing: Outgoing | undefined
  /** The first messages of branches. */
  readonly further?: ReadonlyArray<Further>
  readonly event: SlipEvent
  /** How the slip stands now; undefined where only a branch of it has moved. */
  readonly slip: SlipRecord | undefined
  /** Calls off the steps whose names begin with this; what is suspended of them comes at once. */
  readonly closes?: string | undefined
}

/** A branch that has come to its gather, with its last message. */
export interface Arrival {
  readonly branch: string
  readonly body: Uint8Array
}

/** What a worker is told that wants to do a step. */
export type Claim =
  /** It is yours until the lease ends. The token fences off whoever held it before. */
  | {
      readonly _tag: "Claimed"
      readonly token: number
      /** How often it was claimed, this time included, and how often it has failed. */
      readonly claims: number
      readonly failures: number
      /** Whether a worker was stopped or died in the middle of it, so that nobody knows what it has done. */
      readonly uncertain: boolean
      /** An operator who wants the compensation skipped. */
      readonly skippedBy: string | undefined
      /** Who wants the slip cancelled. */
      readonly cancelledBy: string | undefined
    }
  /**
   * Another worker is at it, or it waits for its next attempt or for an operator. The message is remembered, and comes
   * again from `pending` if that is needed: what the broker has of it may go.
   */
  | { readonly _tag: "Parked" }
  /** It was done `age` milliseconds ago. `outgoing` is what was to be sent on, if that may not have happened. */
  | { readonly _tag: "Done"; readonly outgoing: Outgoing | undefined; readonly age: number }
  /** Another message for this step or this place in the log was accepted before. */
  | { readonly _tag: "Forked"; readonly detail: string }
  /** Nobody has claimed the step before, which the message has asked for. */
  | { readonly _tag: "Unknown" }
  /** Its slip was over long ago and has been purged: whatever the step is, it was done, or never will be. */
  | { readonly _tag: "Purged" }

/** What became of a new slip: its first message is stored and to be published, or published too; or it is not new. */
export type Opened = "stored" | "sent" | "known"

/** The lease ran out and another worker has claimed the step. */
export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", { key: Schema.String }) {
  override get message() {
    return `Another worker has taken over ${this.key}.`
  }
}

/** There is no halted or suspended step to resume or skip. */
export class NotHalted extends Schema.TaggedError<NotHalted>()(
  "NotHalted",
  { correlationId: Schema.String },
  { httpStatus: 409 }
) {
  override get message() {
    return `The slip ${this.correlationId} is neither halted nor suspended.`
  }
}

/** It is not clear which of its halted steps is to be skipped, or another than those was named. Nothing has changed. */
export class SkipUnclear extends Schema.TaggedError<SkipUnclear>()(
  "SkipUnclear",
  {
    correlationId: Schema.String,
    /** The step that was named. */
    step: Schema.optionalKey(Schema.String),
    halted: Schema.Array(Schema.String)
  },
  { httpStatus: 409, description: "Several steps are halted and none of them is named." }
) {
  override get message() {
    const halted = this.halted.join(", ")
    return this.step === undefined
      ? `Several steps of the slip ${this.correlationId} are halted: ${halted}. Name the one to skip.`
      : `Step ${this.step} of the slip ${this.correlationId} is not halted. Halted: ${halted}.`
  }
}

/** Who wants a halted step skipped; which, where not the only one. */
export interface Skip {
  readonly by: string
  readonly step?: string | undefined
}

/** Why none of the halted steps was skipped: there is none, it was taken at this moment, or it is not clear which. */
export const notSkipped = (
  correlationId: string,
  halted: ReadonlyArray<string>,
  { step }: Skip
): NotHalted | SkipUnclear => {
  if (step === undefined ? halted.length < 2 : halted.length === 0 || halted.includes(step)) {
    return new NotHalted({ correlationId })
  }
  return new SkipUnclear({ correlationId, halted, ...(step === undefined ? {} : { step }) })
}

/**
 * How long at most, in milliseconds, a message that the broker has confirmed rests before it is published again for a
 * step that is set aside and that nobody claims: there may be no worker now, or all may refuse it.
 */
export const longestPause = 3_600_000

/** A claim that is held. */
export interface Held {
  readonly key: HopKey
  readonly token: number
}

/** How a claim is given back. */
export interface Release {
  /** Its message is set aside by the broker. */
  readonly refused?: boolean
  /** Nothing of the step was done under this claim. */
  readonly unbegun?: boolean
}

/** A message that is to be published, and the hop or the slip that it comes from. */
export interface Pending {
  readonly key: HopKey
  readonly message: Outgoing
}

/** What `Unavailable` calls the store. */
export const storeName = "The store of hops"

/** Remembers hops. */
export class HopStore extends Context.Service<
  HopStore,
  {
    /**
     * Whether steps can be claimed and stored at the moment. Asked where the store was `Unavailable`, by the name
     * `storeName`: then it is known whether it is away, or chokes on one message.
     */
    readonly answers: Effect.Effect<void, Unavailable>
    /** Claims a step for `lease` milliseconds. */
    readonly claim: (key: HopKey, claimant: Claimant, lease: number) => Effect.Effect<Claim, Unavailable>
    /** Extends the lease. */
    readonly renew: (held: Held, lease: number) => Effect.Effect<void, Fenced | Unavailable>
    /**
     * Gives a claim back as if it had not been made: its worker stops, or cannot store what came of the step, which is
     * uncertain from now on. So it is where the store itself has lost the claim, which was that of a message with
     * `digest`. One that is `refused` is set aside by the broker: the store forgets it, and does not have it come
     * again, but for a copy that came while the claim was held, since that may be the only one. What is `unbegun`
     * leaves nothing uncertain that was not so before.
     */
    readonly release: (held: Held, digest: string, how?: Release) => Effect.Effect<void, Unavailable>
    /**
     * Stores what came of a step: the messages to send on, the event and the slip's state, all or nothing. True where
     * `outgoing` is published with it: the queues of `via` live in the database of the store.
     */
    readonly complete: (
      held: Held,
      completion: Completion,
      via?: Transport["Service"]
    ) => Effect.Effect<boolean, Fenced | Unavailable>
    /**
     * Records that a branch has come to the gather of that name, once, and gives those that came up to and including
     * it, in their order. That answer never changes, so that of all arrivals the same one always tips the scale.
     */
    readonly arrive: (
      key: HopKey,
      gather: string,
      arrival: Arrival
    ) => Effect.Effect<ReadonlyArray<Arrival>, Unavailable>
    /**
     * Sets a step aside for its next attempt after `delay` milliseconds; `incoming` comes again then, and at once where
     * it has been called off, unless that was known to who claimed it (`isCalledOff`). It counts as a failure of the
     * step, unless it is `blameless`. `uncertain`: what it did may stand; `undoing`: it does, and is to be undone here,
     * for which no cancellation hurries it. `event` is undefined where that was told before.
     */
    readonly postpone: (
      held: Held,
      again: {
        readonly incoming: Outgoing
        readonly delay: number
        readonly event: SlipEvent | undefined
        readonly blameless?: boolean
        readonly uncertain?: boolean
        readonly undoing?: boolean
        readonly isCalledOff?: boolean
      }
    ) => Effect.Effect<void, Fenced | Unavailable>
    /**
     * Sets a step aside until it is reauthorised, resumed or cancelled; after `delay` milliseconds it comes again, and
     * at once where it has been called off already.
     */
    readonly suspend: (
      held: Held,
      again: { readonly incoming: Outgoing; readonly delay: number | undefined; readonly event: SlipEvent }
    ) => Effect.Effect<void, Fenced | Unavailable>
    /** The suspended steps of a slip with their messages. */
    readonly suspended: (tenantId: string, correlationId: string) => Effect.Effect<ReadonlyArray<Pending>, Unavailable>
    /** Has a suspended step done with another message in the place of its own, if that has the id `instead` still. */
    readonly reauthorise: (
      key: HopKey,
      instead: string,
      message: Claimant,
      event: SlipEvent
    ) => Effect.Effect<void, NotHalted | Unavailable>
    /** Sets a step aside until an operator decides. `uncertain`: what it did may stand. */
    readonly halt: (
      held: Held,
      again: { readonly incoming: Outgoing; readonly event: SlipEvent; readonly uncertain?: boolean }
    ) => Effect.Effect<void, Fenced | Unavailable>
    /** Records a new slip with its first message, which it publishes where `complete` would. */
    readonly open: (
      slip: SlipRecord,
      first: Outgoing,
      event: SlipEvent,
      via?: Transport["Service"]
    ) => Effect.Effect<Opened, Unavailable>
    /**
     * The message with this id has been confirmed by the broker. Where the step has another message by now (its own
     * outcome, while the relay published what it waited for), that one stays. Nobody waits for this to be written:
     * until it is, and where it is lost with the process, the message may be sent again. The message of a step that is
     * set aside stays too, but comes from `pending` less and less often for as long as no worker takes it
     * (`longestPause`).
     */
    readonly dispatched: (key: HopKey, id: string) => Effect.Effect<void>
    /**
     * Messages that should have been published `grace` milliseconds ago and may not have been, and those whose wait or
     * whose worker's lease is over. Each is not given out again for another `grace`.
     */
    readonly pending: (limit: number, grace: number) => Effect.Effect<ReadonlyArray<Pending>, Unavailable>
    /** Has what is halted or suspended tried again as it is. */
    readonly resume: (tenantId: string, correlationId: string) => Effect.Effect<void, NotHalted | Unavailable>
    /** Has one halted step skipped: the one that is named, or the only one there is. */
    readonly skip: (
      tenantId: string,
      correlationId: string,
      skip: Skip
    ) => Effect.Effect<void, NotHalted | SkipUnclear | Unavailable>
    /**
     * Has a slip turn back before its next step; what is suspended, or waits for its next attempt, at once. What is
     * halted waits for `resume` all the same, and what is to be undone for its time.
     */
    readonly cancel: (tenantId: string, correlationId: string, by: string) => Effect.Effect<void, Unavailable>
    /**
     * Removes up to `limit` slips, of whatever tenant, with all that belongs to them, and says how many: those that
     * have been over for `age` milliseconds, and of which nothing has moved, waits or is to be published since, nor is
     * a branch still away. That they were there is remembered: none is opened again, and no step of theirs claimed.
     */
    readonly purge: (age: number, limit: number) => Effect.Effect<number, Unavailable>
    readonly slip: (tenantId: string, correlationId: string) => Effect.Effect<SlipRecord | undefined, Unavailable>
    /** The same without its message, which may be large: for those who ask often. */
    readonly state: (tenantId: string, correlationId: string) => Effect.Effect<SlipState | undefined, Unavailable>
    /** Without their messages, the newest first; of one instant, by correlation id, the last first. */
    readonly slips: (tenantId: string, filter: SlipFilter) => Effect.Effect<ReadonlyArray<SlipState>, Unavailable>
    /** What happened, in order. */
    readonly events: (
      tenantId: string,
      correlationId: string
    ) => Effect.Effect<ReadonlyArray<RecordedEvent>, Unavailable>
  }
>()("@tenon/routing-slip/HopStore") {}

/** The key under which a branch's first message waits to be published. */
export const branchKey = (key: HopKey, branch: string): HopKey => ({ ...key, step: `${branch}.0` })

/** The key under which a slip's first message waits to be published. */
export const openingKey = (slip: { readonly tenantId: string; readonly correlationId: string }): HopKey => ({
  tenantId: slip.tenantId,
  correlationId: slip.correlationId,
  step: "0",
  phase: "execute"
})
