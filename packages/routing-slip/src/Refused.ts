/** Why a message is not acted on. It is set aside with this reason, and nothing is executed. */
import * as Schema from "effect/Schema"

/** The reasons, which dead letters are grouped by. */
export const Reason = Schema.Literals([
  /** Larger or deeper than is read at all. */
  "too-large",
  /** Not JSON, or not an envelope. */
  "malformed",
  /** One JSON object names a key twice. */
  "duplicate-key",
  /** No such activity is performed here. */
  "unknown-activity",
  /** It is signed for, or its next step belongs to, another queue. */
  "wrong-audience",
  "unsigned",
  /** A signature that does not fit what it signs, or is of a kind that is not accepted. */
  "bad-signature",
  "unknown-key",
  "revoked-key",
  /** Signed after its key was retired, or before it was valid. */
  "retired-key",
  /** The key may not sign this. */
  "not-authorised",
  /** The entries of the log do not follow each other: one is missing, foreign or out of place. */
  "broken-log",
  /** The log says something else than the readable part of the message. */
  "tampered",
  /** A transition that its slip does not allow. */
  "illegal-transition",
  "expired",
  /** Another message for the same step was accepted before. */
  "forked",
  /**
   * The step was done more than a day ago (`redelivery`), or its slip has been purged. Sooner, it may be the broker
   * that hands the message over again: then it is acknowledged, and nothing is executed.
   */
  "replayed",
  /** Encrypted for someone else, or not what was encrypted. */
  "undecryptable"
])
export type Reason = typeof Reason.Type

/** The message is refused. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { reason: Reason, detail: Schema.String }) {
  override get message() {
    return `${this.reason}: ${this.detail}`
  }
}
