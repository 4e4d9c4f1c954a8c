/**
 * Queues between services: at least once, confirmed, with dead letters.
 *
 * A message that `publish` has confirmed is handed to a subscriber of its queue until one settles it, through crashes
 * of either side. It may be handed over more than once and out of order; whoever takes it has to know a message that it
 * has seen before (see the hop of `@tenon/routing-slip`). Nothing is trimmed or expires: what no one takes, waits.
 *
 * Implementations, all held to `TransportLaws` of `@tenon/testing`:
 * - `TransportMemory`: this process, on the clock at hand, with faults on demand. A crash loses everything.
 * - `TransportRedis`: Redis Streams 7.0 and later. As durable as the server's append-only file is told to be; a message
 *   of a killed worker waits for `visibility` to pass.
 * - `TransportSql`: PostgreSQL, in the framework's tables. As durable as the database; needs no other server, and each
 *   message costs a few of its writes. A message of a killed worker waits for `visibility` to pass.
 * - `TransportRabbitMq`: quorum queues with publisher confirms, RabbitMQ 3.10 and later. Durable on a majority of
 * nodes.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Statement, Transactions } from "./Transactions.ts"

/** The broker does not answer, refuses, or did not confirm. What was to be published may or may not have arrived. */
export class TransportError extends Schema.TaggedError<TransportError>()(
  "TransportError",
  { operation: Schema.String, reason: Schema.String },
  { httpStatus: 503, retryable: true, description: "The message broker does not answer; try again." }
) {
  override get message() {
    return `${this.operation}: ${this.reason}`
  }
}

/** Someone named a queue that the broker does not have. */
export class NoSuchQueue extends Schema.TaggedError<NoSuchQueue>()("NoSuchQueue", { queue: Schema.String }) {
  override get message() {
    return `There is no queue ${this.queue} at the broker.`
  }
}

/** A message to send. `id` names it to people and tools; a transport does not drop a second one with the same id. */
export interface Outgoing {
  /** Letters, digits, dots, hyphens and underscores; with other characters transports name what belongs to a queue. */
  readonly queue: string
  readonly id: string
  readonly body: Uint8Array
}

/** A message as handed to a subscriber. */
export interface Delivery extends Outgoing {
  /** 1 when it is handed over for the first time, as well as the broker can tell. */
  readonly attempt: number
}

/** What becomes of a delivery. */
export type Settlement =
  /** It is done with. */
  | { readonly _tag: "Ack" }
  /**
   * It comes again after `delay`, during which it takes up one of the subscriber's places. `blameless`: it is not why,
   * and `maxDeliveries` does not count it.
   */
  | { readonly _tag: "Requeue"; readonly delay: Duration.Input; readonly blameless?: boolean }
  /** It is set aside for a person. `reason` is one of few; `detail` may say anything. */
  | { readonly _tag: "DeadLetter"; readonly reason: string; readonly detail: string }

/** It is done with. */
export const ack: Settlement = { _tag: "Ack" }

/** It comes again after a while. */
export const requeue = (delay: Duration.Input): Settlement => ({ _tag: "Requeue", delay })

/** It comes again after a while, however often: something else is wrong than the message, say a database is away. */
export const putOff = (delay: Duration.Input): Settlement => ({ _tag: "Requeue", delay, blameless: true })

/** It is set aside for a person. */
export const deadLetter = (reason: string, detail: string): Settlement => ({ _tag: "DeadLetter", reason, detail })

/** A message that was set aside. */
export interface DeadLetter {
  /** Names this dead letter, also where the same message was set aside twice. */
  readonly letter: string
  readonly id: string
  readonly queue: string
  readonly body: Uint8Array
  readonly reason: string
  readonly detail: string
  /** The same for letters that likely share a cause: queue, reason, and detail without its numbers and ids. */
  readonly fingerprint: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Which dead letters: one, all with a fingerprint, or all. */
export type Selection = { readonly letter: string } | { readonly fingerprint: string } | "all"

/** How a queue is listened to. */
export interface SubscribeOptions {
  /** How many messages are handed over at once, at most. Default 16. */
  readonly prefetch?: number
  /**
   * How long messages in hand may take once the scope closes; then they are interrupted and given back. Default 20 s.
   */
  readonly drain?: Duration.Input
  /** A message handed over more often than this is set aside with the reason `delivery-limit`. Default 20. */
  readonly maxDeliveries?: number
}

/** Called for each message. A defect hands the message over again after a second; an interruption gives it back. */
export type Handler<R> = (delivery: Delivery) => Effect.Effect<Settlement, never, R>

/** Queues that live in a database, as a store in the same database may use them: it publishes with what it stores. */
export interface Joint {
  /** The store's own, where both are in one database. */
  readonly transactions: Transactions["Service"]
  /**
   * Statements that publish where an earlier statement of the transaction has set a setting of that name to `made`.
   * They end under another role: nothing may follow them but others like them.
   */
  readonly publishing: (message: Outgoing, setting: string) => ReadonlyArray<Statement>
  /** Wakes subscribers, once the transaction is committed. */
  readonly published: (message: Outgoing) => Effect.Effect<void>
}

/** Sends and receives messages. To connect is to build the layer, to disconnect is to close its scope. */
export class Transport extends Context.Service<
  Transport,
  {
    /** Succeeds once the broker has the message for good. Declares the queue where it is new. */
    readonly publish: (message: Outgoing) => Effect.Effect<void, TransportError>
    /**
     * Listens until the scope closes; then it takes no more, lets those in hand finish and gives back the rest. It
     * reconnects by itself; only a failure to listen in the first place is an error.
     */
    readonly subscribe: <R>(
      queue: string,
      handler: Handler<R>,
      options?: SubscribeOptions
    ) => Effect.Effect<void, TransportError, R | Scope.Scope>
    /** Whether the broker has a queue of this name; true also where it cannot tell. Makes none. */
    readonly exists: (queue: string) => Effect.Effect<boolean, TransportError>
    /** The dead letters of a queue, the oldest first, `limit` at most (default 100). */
    readonly deadLetters: (queue: string, limit?: number) => Effect.Effect<ReadonlyArray<DeadLetter>, TransportError>
    /** Puts dead letters back into their queue, as if new, and says how many. */
    readonly redrive: (queue: string, selection: Selection) => Effect.Effect<number, TransportError>
    /** Throws dead letters away and says how many. */
    readonly discard: (queue: string, selection: Selection) => Effect.Effect<number, TransportError>
    /** For stores; only where the queues live in a database. */
    readonly joint?: Joint
  }
>()("@tenon/messaging/Transport") {}

/** Whether a dead letter is among those meant. */
export const selects = (selection: Selection, letter: DeadLetter): boolean =>
  selection === "all" ||
  ("letter" in selection ? selection.letter === letter.letter : selection.fingerprint === letter.fingerprint)
