/** Gives a slip that was suspended a fresh token of its user, and sends it on. */
import type { Unavailable } from "@tenon/core/Failure"
import { NewId } from "@tenon/core/NewId"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Envelope from "./Envelope.ts"
import { HopStore, NotHalted, type SlipEvent } from "./HopStore.ts"
import { Refused } from "./Refused.ts"
import type { Dispatched, Issuer } from "./RoutingSlip.ts"
import { digest } from "./Security.ts"
import * as SignedLog from "./SignedLog.ts"
import * as Slip from "./Slip.ts"
import * as Wire from "./Wire.ts"

/** With what and on whose word. */
export interface Options {
  readonly token: Redacted.Redacted<string>
  /** Signs the new authority; needed where the slip is signed. */
  readonly issuer?: Issuer
  /** Who has it resumed, for the slip's events. */
  readonly by: string
  /** How long the slip may be executed from now on, where it is signed. Default a week. */
  readonly lifetime?: Duration.Input
}

/** The security context of a message with the fresh token. */
const contextOf = (
  envelope: Envelope.Envelope,
  { step, queue }: Slip.Hop,
  fresh: { readonly messageId: string; readonly at: number },
  { issuer, lifetime, token }: Options
) => {
  const { headers } = envelope
  const { jws_signature } = headers.security_context
  const oboToken = Redacted.value(token)
  if (jws_signature === null) {
    return Effect.succeed<Envelope.SecurityContext>({ obo_token: oboToken, jws_signature, jws_log: [] })
  }
  const lifetimeMillis = Duration.toMillis(Duration.fromInputUnsafe(lifetime ?? "7 days"))
  return issuer === undefined
    ? Effect.fail(new Refused({ reason: "unsigned", detail: "the slip is signed, and so its new authority has to be" }))
    : issuer.reauthorise({ headers, step, queue, oboToken, lifetimeMillis, ...fresh })
}

/**
 * Has every suspended step of a slip done with the token. Fails where none is suspended, or the slip is signed and no
 * issuer is given. Of two at once, one succeeds.
 */
export const resume = Effect.fn("Reauthorisation.resume")(function* (
  { tenantId, correlationId }: Dispatched,
  options: Options
): Effect.fn.Return<void, NotHalted | Refused | Unavailable, HopStore> {
  const store = yield* HopStore
  const generate = yield* NewId
  const suspended = yield* store.suspended(tenantId, correlationId)
  if (suspended.length === 0) return yield* new NotHalted({ correlationId })
  for (const { key, message } of suspended) {
    const envelope = yield* Wire.decode(message.body)
    const hop = Slip.next(envelope.headers.routing_slip)
    if (hop === undefined) continue
    const at = yield* Clock.currentTimeMillis
    const messageId = generate(at)
    const security_context = yield* contextOf(envelope, hop, { messageId, at }, options)
    const body = Wire.encode({ ...envelope, headers: { ...envelope.headers, message_id: messageId, security_context } })
    const log = SignedLog.entriesOf(security_context)
    const newest = log.at(-1)
    const event: SlipEvent = { type: "reauthorised", step: hop.step, activity: hop.activity, detail: options.by, at }
    yield* store.reauthorise(
      key,
      message.id,
      {
        digest: digest(newest ?? body),
        index: newest === undefined ? undefined : SignedLog.after(envelope.headers.security_context).index,
        branch: envelope.headers.routing_slip.branch?.branch ?? "",
        incoming: { queue: message.queue, id: messageId, body }
      },
      event
    )
  }
})
