/** Checks a finished or travelling slip without any worker, broker or database: its file and the key set are enough. */
import * as Effect from "effect/Effect"
import type { Outcome } from "./Envelope.ts"
import * as SignedLog from "./SignedLog.ts"
import type * as StrictJson from "./StrictJson.ts"
import * as Wire from "./Wire.ts"

/** What a slip's file proves. */
export interface Report {
  readonly tenantId: string
  readonly correlationId: string
  readonly outcome: Outcome | "under way"
  /** Steps whose effects still stand although the slip turned back. */
  readonly notUndone: ReadonlyArray<string>
  readonly entries: ReadonlyArray<{
    readonly index: number
    readonly kid: string
    readonly what: string
    /** Milliseconds since 1970, by the clock of who signed. */
    readonly at: number
  }>
}

/** Verifies the bytes of a message. Fails with `Refused` where they prove nothing. */
export const verify = Effect.fn("Verify.verify")(function* (body: Uint8Array, limits?: StrictJson.Limits) {
  const envelope = yield* Wire.decode(body, limits)
  const { entries, last, slip } = yield* SignedLog.verifyEnvelope(envelope)
  const report: Report = {
    tenantId: last.tenant_id,
    correlationId: last.correlation_id,
    outcome: slip.phase === "done" ? (slip.outcome ?? "completed") : "under way",
    notUndone: slip.not_undone,
    entries: entries.map(({ index, kid, transition, at }) => ({
      index,
      kid,
      what: transition === null ? "manifest" : `${transition.type} ${transition.step}`,
      at
    }))
  }
  return report
})
