/** How long Restate keeps and retries what handlers do. */
import type * as restate from "@restatedev/restate-sdk"
import type * as Duration from "effect/Duration"
import { toMillis } from "effect/Duration"

/** What a host may choose. */
export interface ServiceOptions {
  /** How long the journal of an ended invocation can be looked at. Default: an hour. */
  readonly journalRetention?: Duration.Input | undefined
  /** How long a repetition is answered from Restate; later ones are answered from the receipt. Default: ten minutes. */
  readonly idempotencyRetention?: Duration.Input | undefined
  /** How long a workflow's key is taken, and its signals kept, after its end. Default: 30 days. */
  readonly workflowRetention?: Duration.Input | undefined
  /**
   * After how much waiting a run frees its slot. Of a step that takes longer Restate hears nothing but its end: signals
   * that come meanwhile wait for that, but for urgent ones that come to the same process. Default: a minute.
   */
  readonly inactivityTimeout?: Duration.Input | undefined
  /** How much longer a step may go on before Restate gives its attempt up. Default: ten minutes. */
  readonly abortTimeout?: Duration.Input | undefined
}

/**
 * Without end, as accepted work must wait for an endpoint that is down; steps pause their invocation themselves where
 * there is a bug, see `Attempt`.
 */
const retryPolicy: restate.RetryPolicy = {
  initialInterval: 50,
  exponentiationFactor: 2,
  maxInterval: 10_000,
  maxAttempts: Number.MAX_SAFE_INTEGER,
  onMaxAttempts: "pause"
}

const common = (options: ServiceOptions) => ({
  retryPolicy,
  onJournalMismatchErrors: "pause" as const,
  enableLazyState: true,
  journalRetention: toMillis(options.journalRetention ?? "1 hour"),
  inactivityTimeout: toMillis(options.inactivityTimeout ?? "1 minute"),
  abortTimeout: toMillis(options.abortTimeout ?? "10 minutes")
})

/** Of objects and plain services. */
export const ofActions = (options: ServiceOptions) => ({
  ...common(options),
  idempotencyRetention: toMillis(options.idempotencyRetention ?? "10 minutes")
})

/** Of workflows. */
export const ofWorkflows = (options: ServiceOptions) => ({
  ...common(options),
  workflowRetention: toMillis(options.workflowRetention ?? "30 days")
})
