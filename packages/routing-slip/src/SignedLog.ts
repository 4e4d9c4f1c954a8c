/**
 * The signed log of a slip: a JWS (RFC 7515, Ed25519 of RFC 8037 under the fully-specified algorithm name of RFC 9864)
 * for its beginning and for each transition, each naming the digest of the one before. Folding the log gives the slip, so the readable part
 * of a message proves nothing: it is compared with what the log says. The newest entry names the queue and the message
 * it is for, which makes it the signature of the hop as well.
 */
import type { Unavailable } from "@tenon/core/Failure"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Jose from "jose"
import * as Envelope from "./Envelope.ts"
import { type Key, Keys, type PrivateKey } from "./Keys.ts"
import { Refused } from "./Refused.ts"
import type { Issuer } from "./RoutingSlip.ts"
import { digest } from "./Security.ts"
import * as Slip from "./Slip.ts"
import * as StrictJson from "./StrictJson.ts"

const algorithm = "Ed25519"
const type = "tenon-slip+jws"

/** The beginning of a slip. */
const Manifest = Schema.Struct({
  slip: Envelope.RoutingSlip,
  /** The digest of the token that the slip travels with. */
  obo_sha256: Schema.NullOr(Schema.String),
  /** After this instant no step is executed; compensation goes on. */
  expires_at: Envelope.Instant
})

/** What an entry signs. */
const Entry = Schema.Struct({
  index: Schema.Natural,
  /** The digest of the entry before; null for the first. */
  prev: Schema.NullOr(Schema.String),
  tenant_id: Schema.String,
  correlation_id: Schema.String,
  message_id: Schema.String,
  /** The queue that the message is for; null at the end of the slip. */
  aud: Schema.NullOr(Envelope.QueueName),
  at: Envelope.Instant,
  manifest: Schema.NullOr(Manifest),
  transition: Schema.NullOr(Slip.Transition)
})
export interface Entry extends Schema.Struct.Type<typeof Entry.fields> {}

const Header = Schema.Struct({ alg: Schema.Literal(algorithm), typ: Schema.Literal(type), kid: Schema.NonEmptyString })

const decodeEntry = Schema.decodeUnknownEffect(Entry)
const encodeEntry = Schema.encodeSync(Entry)
const decodeHeader = Schema.decodeUnknownOption(Header)
const decodeBase64 = (text: string) => new TextDecoder().decode(Jose.base64url.decode(text))

/** Signs entries with one private key. */
export interface Signer {
  readonly kid: string
  readonly sign: (entry: Entry) => Effect.Effect<string>
}

/** Prepares a private key for signing. Dies where it is not an Ed25519 key. */
export const signer = (jwk: PrivateKey): Effect.Effect<Signer> =>
  Effect.promise(async () => {
    const key = await Jose.importJWK({ ...jwk, alg: algorithm }, algorithm)
    const header = { alg: algorithm, typ: type, kid: jwk.kid }
    const sign = (entry: Entry) =>
      Effect.promise(() =>
        new Jose.CompactSign(new TextEncoder().encode(JSON.stringify(encodeEntry(entry))))
          .setProtectedHeader(header)
          .sign(key)
      )
    return { kid: jwk.kid, sign }
  })

/** Signs the beginnings of slips, for `RoutingSlip.sign`, and fresh authority, for `Reauthorisation`. */
export const issuer = ({ kid, sign }: Signer): Issuer => ({
  manifest: ({ headers, slip, oboToken, queue, at, lifetimeMillis }) =>
    sign({
      ...headers,
      index: 0,
      prev: null,
      aud: queue,
      at,
      manifest: { slip, obo_sha256: oboToken === null ? null : digest(oboToken), expires_at: at + lifetimeMillis },
      transition: null
    }).pipe(Effect.map((jws) => ({ obo_token: oboToken, jws_signature: jws, jws_log: [] }))),
  reauthorise: ({ headers, messageId, step, queue, oboToken, at, lifetimeMillis }) => {
    const log = entriesOf(headers.security_context)
    return sign({
      index: log.length,
      prev: log.length === 0 ? null : digest(log.at(-1) ?? ""),
      tenant_id: headers.tenant_id,
      correlation_id: headers.correlation_id,
      message_id: messageId,
      aud: queue,
      at,
      manifest: null,
      transition: {
        type: "reauthorised",
        step,
        at,
        by: kid,
        obo_sha256: digest(oboToken),
        expires_at: at + lifetimeMillis
      }
    }).pipe(Effect.map((jws) => ({ obo_token: oboToken, jws_signature: jws, jws_log: log })))
  }
})

/** All entries of a message, the manifest first; none where it is not signed. */
export const entriesOf = ({ jws_log, jws_signature }: Envelope.SecurityContext): ReadonlyArray<string> =>
  jws_signature === null ? [] : [...jws_log, jws_signature]

/** What a log proves. */
export interface Proven {
  readonly slip: Envelope.RoutingSlip
  readonly entries: ReadonlyArray<Entry & { readonly kid: string }>
  /** The newest entry and its digest. */
  readonly last: Entry
  readonly digest: string
  /** What the slip may be executed with: the manifest's, or that of the newest entry that reauthorises it. */
  readonly authority: Authority
}

/** The digest of the token that the slip travels with, and until when it may be executed. */
export type Authority = Pick<typeof Manifest.Type, "obo_sha256" | "expires_at">

/** How far the clocks of two machines may be apart, in milliseconds. */
const skew = 60_000

const refuse = (reason: Refused["reason"], detail: string) => Effect.fail(new Refused({ reason, detail }))

/** Whether the key may sign at this time for this tenant; what it may sign is checked where that is known. */
const checkKey = (key: Key, entry: Entry): Effect.Effect<void, Refused> => {
  const { not_before = 0, retired_at = Number.POSITIVE_INFINITY, tenants } = key.grants
  if (entry.at < not_before || entry.at >= retired_at) {
    return refuse("retired-key", `${key.kid} was not in use when entry ${entry.index} says it was signed`)
  }
  return tenants !== undefined && !tenants.includes(entry.tenant_id)
    ? refuse("not-authorised", `${key.kid} may not sign for the tenant ${entry.tenant_id}`)
    : Effect.void
}

/** Reads an entry whose signature is good. */
const open = Effect.fnUntraced(function* (
  jws: string,
  index: number
): Effect.fn.Return<{ readonly entry: Entry; readonly key: Key }, Refused | Unavailable, Keys> {
  const keys = yield* Keys
  const header = yield* Effect.try({
    try: () => StrictJson.parse(decodeBase64(jws.split(".")[0] ?? "")),
    catch: () => new Refused({ reason: "bad-signature", detail: `entry ${index} is not a JWS` })
  })
  // Exactly these members: no `jwk`, `jku`, `x5u` or `crit` that would have it checked in another way.
  const known = Result.isSuccess(header) ? decodeHeader(header.success, { onExcessProperty: "error" }) : Option.none()
  if (Option.isNone(known)) {
    return yield* refuse("bad-signature", `the header of entry ${index} is not one that is accepted`)
  }
  const { kid } = known.value
  const key = yield* keys.find(kid)
  if (key === undefined || key.use !== "sig") return yield* refuse("unknown-key", `no key ${kid} is known`)
  if (key.grants.revoked === true) return yield* refuse("revoked-key", `the key ${kid} is revoked`)
  const { payload } = yield* Effect.tryPromise({
    try: () => Jose.compactVerify(jws, key.key, { algorithms: [algorithm] }),
    catch: () => new Refused({ reason: "bad-signature", detail: `the signature of entry ${index} is not good` })
  })
  const json = StrictJson.parseBytes(payload)
  if (Result.isFailure(json)) return yield* refuse("malformed", `entry ${index}: ${json.failure.detail}`)
  const entry = yield* decodeEntry(json.success, { onExcessProperty: "error" }).pipe(
    Effect.mapError(({ message }) => new Refused({ reason: "malformed", detail: `entry ${index}: ${message}` }))
  )
  yield* checkKey(key, entry)
  return { entry, key }
})

/** Whether the entry stands where it belongs: after the one before it, in the same slip. */
const follows = (entry: Entry, index: number, before: Entry | undefined, prev: string | null): boolean =>
  entry.index === index &&
  entry.prev === prev &&
  (entry.manifest !== null) === (index === 0) &&
  (entry.transition !== null) === index > 0 &&
  (before === undefined ||
    (entry.tenant_id === before.tenant_id &&
      entry.correlation_id === before.correlation_id &&
      entry.at >= before.at - skew))

/** Steps are signed for by their activity's key, a fresh authority by one that may begin slips. */
const maySign = ({ grants }: Key, { type }: Slip.Transition, { activity }: Slip.Hop): boolean =>
  type === "reauthorised" ? grants.issues === true : (grants.activities ?? []).includes(activity)

/** Checks a whole log and says what it proves. */
export const verify = Effect.fnUntraced(function* (
  log: ReadonlyArray<string>
): Effect.fn.Return<Proven, Refused | Unavailable, Keys> {
  const entries: Array<Entry & { readonly kid: string }> = []
  let slip: Envelope.RoutingSlip | undefined
  let authority: Authority = { obo_sha256: null, expires_at: 0 }
  let prev: string | null = null
  for (const [index, jws] of log.entries()) {
    const { entry, key } = yield* open(jws, index)
    if (!follows(entry, index, entries.at(-1), prev)) {
      return yield* refuse("broken-log", `entry ${index} does not follow the one before it`)
    }
    if (slip === undefined) {
      if (key.grants.issues !== true) return yield* refuse("not-authorised", `${key.kid} may not begin slips`)
      if (entry.manifest === null || !Slip.isStart(entry.manifest.slip)) {
        return yield* refuse("illegal-transition", "the manifest is not a beginning")
      }
      ;({ slip, ...authority } = entry.manifest)
    } else if (entry.transition !== null) {
      const hop = Slip.next(slip)
      if (hop === undefined || !maySign(key, entry.transition, hop)) {
        const what = hop === undefined ? "a slip at its end" : `${hop.activity} to be ${entry.transition.type}`
        return yield* refuse("not-authorised", `${key.kid} may not sign for ${what}`)
      }
      if (entry.transition.type === "reauthorised") authority = entry.transition
      if (entry.transition.type === "executed" && entry.at > authority.expires_at + skew) {
        return yield* refuse("expired", `step ${hop.step} was executed after the slip's authority had run out`)
      }
      const applied: Result.Result<Envelope.RoutingSlip, string> = Slip.apply(slip, entry.transition)
      if (Result.isFailure(applied)) return yield* refuse("illegal-transition", applied.failure)
      slip = applied.success
    }
    if (entry.aud !== (Slip.next(slip)?.queue ?? null)) {
      return yield* refuse("broken-log", `entry ${index} is for another queue than its next step`)
    }
    entries.push({ ...entry, kid: key.kid })
    prev = digest(jws)
  }
  const last = entries.at(-1)
  if (slip === undefined || last === undefined || prev === null) {
    return yield* refuse("unsigned", "the message carries no signed log")
  }
  return { slip, entries, last, digest: prev, authority }
})

const encodeSlip = Schema.encodeSync(Envelope.RoutingSlip)

/** Checks a whole message against its log. */
export const verifyEnvelope = Effect.fnUntraced(function* ({
  headers,
  payload
}: Envelope.Envelope): Effect.fn.Return<Proven, Refused | Unavailable, Keys> {
  const proven = yield* verify(entriesOf(headers.security_context))
  const { authority, last, slip } = proven
  if (
    last.tenant_id !== headers.tenant_id ||
    last.correlation_id !== headers.correlation_id ||
    last.message_id !== headers.message_id
  ) {
    return yield* refuse("tampered", "the ids of the message are not those of its log")
  }
  if (!StrictJson.equal(encodeSlip(slip) as Schema.Json, encodeSlip(headers.routing_slip) as Schema.Json)) {
    return yield* refuse("tampered", "the slip is not the one that its log leads to")
  }
  if (!StrictJson.equal(payload, Slip.next(slip)?.payload.data ?? null)) {
    return yield* refuse("tampered", "the payload is not that of the step at hand")
  }
  const token = headers.security_context.obo_token
  if ((token === null ? null : digest(token)) !== authority.obo_sha256) {
    return yield* refuse("tampered", "the token is not the one that was signed for")
  }
  return proven
})
