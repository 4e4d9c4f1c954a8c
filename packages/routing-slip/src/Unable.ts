/**
 * Why a worker can do no step of an activity: nobody would accept what it signs. No message is to blame for that, and
 * another worker may do the step; so messages are handed back, and the worker takes no more until it is mended.
 */
import * as Schema from "effect/Schema"
import { Reason } from "./Refused.ts"

/** The worker's own key is revoked, retired, unknown, another than the key set has, or not for the activity. */
export class Unable extends Schema.TaggedError<Unable>()("Unable", { reason: Reason, detail: Schema.String }) {
  override get message() {
    return `${this.reason}: ${this.detail}`
  }
}
