/**
 * Gives a slip that was suspended a fresh token of its user, and sends it on. Where the slip is signed, so is its fresh
 * authority: by a key that the key set lets begin slips.
 */
import type { Unavailable } from "@tenon/core/Failure"
import { NewId } from "@tenon/core/NewId"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Envelope from "./Envelope.ts"
import { HopStore, type Pending, type SlipEvent } from "./HopStore.ts"
import { Keys } from "./Keys.ts"
import { Reason, Refused } from "./Refused.ts"
import type { Dispatched, Issuer } from "./RoutingSlip.ts"
import { digest } from "./Security.ts"
import * as SignedLog from "./SignedLog.ts"
import * as Size from "./Size.ts"
import * as Slip from "./Slip.ts"
import * as StrictJson from "./StrictJson.ts"
import * as Wire from "./Wire.ts"

/** No step of the slip waits for a token, or not any more. */
export class NotSuspended extends Schema.TaggedError<NotSuspended>()(
  "NotSuspended",
  { correlationId: Schema.String },
  { httpStatus: 409, description: "No step of the slip waits for a fresh token." }
) {
  override get message() {
    return `No step of the slip ${this.correlationId} is suspended: it has no use for a token.`
  }
}

/** The slip is signed, and here is no key to sign its fresh authority with. */
export class IssuerNeeded extends Schema.TaggedError<IssuerNeeded>()(
  "IssuerNeeded",
  { correlationId: Schema.String },
  { httpStatus: 409, description: "The slip is signed, and here is no key that may give it a fresh token." }
) {
  override get message() {
    return `The slip ${this.correlationId} is signed: only who holds a key that begins slips can give it a fresh token. Name the files of that key and of the key set.`
  }
}

/** Workers would refuse the slip with what it was given. It stays suspended as it was. */
export class NotReauthorised extends Schema.TaggedError<NotReauthorised>()(
  "NotReauthorised",
  { correlationId: Schema.String, reason: Reason, detail: Schema.String },
  { httpStatus: 409, description: "Workers would refuse the slip with this token or this issuer's key." }
) {
  override get message() {
    return `The slip ${this.correlationId} stays suspended, since workers would refuse it: ${this.reason}: ${this.detail}`
  }
}

/**
 * What signs fresh authority, and the key set that workers check it against, so that nothing is sent that they refuse.
 */
export interface Issuing {
  readonly issuer: Issuer
  readonly keys: Keys["Service"]
}

/** With what and on whose word. */
export interface Options {
  readonly token: Redacted.Redacted<string>
  /** Needed where the slip is signed. */
  readonly issuing?: Issuing | undefined
  /** Who has it resumed, for the slip's events. */
  readonly by: string
  /** How long the slip may be executed from now on, where it is signed. Default a week. */
  readonly lifetime?: Duration.Input
}

/** Who signs where operators resume slips; nobody unless it is provided. */
export const Issuers = Context.Reference<Issuing | undefined>("@tenon/routing-slip/Reauthorisation/Issuers", {
  defaultValue: () => undefined
})

/** The security context of a message with the fresh token. */
const contextOf = (
  { headers }: Envelope.Envelope,
  { step, queue }: Slip.Hop,
  fresh: { readonly messageId: string; readonly at: number },
  { issuing, lifetime, token }: Options
): Effect.Effect<Envelope.SecurityContext, IssuerNeeded> => {
  const oboToken = Redacted.value(token)
  if (headers.security_context.jws_signature === null) {
    return Effect.succeed({ obo_token: oboToken, jws_signature: null, jws_log: [] })
  }
  const lifetimeMillis = Duration.toMillis(Duration.fromInputUnsafe(lifetime ?? "7 days"))
  return issuing === undefined
    ? Effect.fail(new IssuerNeeded({ correlationId: headers.correlation_id }))
    : issuing.issuer.reauthorise({ headers, step, queue, oboToken, lifetimeMillis, ...fresh })
}

/**
 * Whether workers would act on the message. One that they refuse would be lost to the slip, which is no longer
 * suspended.
 */
const check = Effect.fnUntraced(function* (envelope: Envelope.Envelope, body: Uint8Array, issuing?: Issuing) {
  const size = Wire.sizeOf(envelope, body)
  const limit = Size.forth(StrictJson.defaultLimits, envelope.headers.routing_slip)
  if (size > limit) {
    const detail = Size.tooLarge(size, limit).message
    return yield* new Refused({ reason: "too-large", detail })
  }
  if (issuing === undefined || envelope.headers.security_context.jws_signature === null) return
  yield* Effect.provideService(SignedLog.verifyEnvelope(envelope), Keys, issuing.keys)
})

/** A suspended step's message with the fresh token. */
const renew = Effect.fnUntraced(function* ({ key, message }: Pending, options: Options) {
  const generate = yield* NewId
  const envelope = yield* Wire.decode(message.body)
  const hop = Slip.next(envelope.headers.routing_slip)
  if (hop === undefined) return yield* new Refused({ reason: "malformed", detail: "the slip is at its end" })
  const at = yield* Clock.currentTimeMillis
  const messageId = generate(at)
  const security_context = yield* contextOf(envelope, hop, { messageId, at }, options)
  const fresh = { ...envelope, headers: { ...envelope.headers, message_id: messageId, security_context } }
  const body = Wire.encode(fresh)
  yield* check(fresh, body, options.issuing)
  const newest = SignedLog.entriesOf(security_context).at(-1)
  const event: SlipEvent = { type: "reauthorised", step: hop.step, activity: hop.activity, detail: options.by, at }
  const claimant = {
    digest: digest(newest ?? body),
    index: newest === undefined ? undefined : SignedLog.after(envelope.headers.security_context).index,
    branch: envelope.headers.routing_slip.branch?.branch ?? "",
    incoming: { queue: message.queue, id: messageId, body }
  }
  return { key, instead: message.id, claimant, event }
})

/**
 * Has every suspended step of a slip done with the token. Fails, with nothing changed, where none is suspended any
 * more, where the slip is signed and nobody is given who could sign, and where workers would refuse what comes of it.
 * Of two at once, one succeeds.
 */
export const resume = Effect.fn("Reauthorisation.resume")(function* (
  { tenantId, correlationId }: Dispatched,
  options: Options
): Effect.fn.Return<void, NotSuspended | IssuerNeeded | NotReauthorised | Unavailable, HopStore> {
  const store = yield* HopStore
  const suspended = yield* store.suspended(tenantId, correlationId)
  if (suspended.length === 0) return yield* new NotSuspended({ correlationId })
  const renewed = yield* Effect.forEach(suspended, (each) => renew(each, options)).pipe(
    Effect.catchTag("Refused", ({ detail, reason }) => new NotReauthorised({ correlationId, reason, detail }))
  )
  // One of them may have gone on meanwhile.
  const resumed = yield* Effect.forEach(renewed, ({ claimant, event, instead, key }) =>
    store.reauthorise(key, instead, claimant, event).pipe(
      Effect.as(true),
      Effect.catchTag("NotHalted", () => Effect.succeed(false))
    )
  )
  if (!resumed.includes(true)) return yield* new NotSuspended({ correlationId })
})
