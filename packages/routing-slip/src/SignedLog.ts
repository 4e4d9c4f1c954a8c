/**
 * The signed log of a slip: a JWS (RFC 7515, Ed25519 of RFC 8037 under the fully-specified algorithm name of RFC 9864)
 * for its beginning and for each transition, each naming the digest of the one before. Folding the log gives the slip,
 * so the readable part of a message proves nothing: it is compared with what the log says. The newest entry names the
 * queue and the message it is for, which makes it the signature of the hop as well.
 */
import type { Unavailable } from "@tenon/core/Failure"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Jose from "jose"
import * as Compact from "./Compact.ts"
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
  /** After this instant no step is begun; what was done is undone. */
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
const decodeKnown = Schema.decodeUnknownOption(Entry)
const encodeEntry = Schema.encodeSync(Entry)
const decodeHeader = Schema.decodeUnknownOption(Header)

/** Signs entries with one private key. */
export interface Signer {
  readonly kid: string
  readonly sign: (entry: Entry) => Effect.Effect<string>
  /** Whether a public key tells its signatures. */
  readonly isOf: (key: Key) => Effect.Effect<boolean>
}

/** Prepares a private key for signing. Dies where it is not an Ed25519 key. */
export const signer = (jwk: PrivateKey): Effect.Effect<Signer> =>
  Effect.promise(async () => {
    const key = await Jose.importJWK({ ...jwk, alg: algorithm }, algorithm)
    const header = { alg: algorithm, typ: type, kid: jwk.kid }
    const signed = (text: string) =>
      new Jose.CompactSign(new TextEncoder().encode(text)).setProtectedHeader(header).sign(key)
    const probe = await signed("")
    const fits = new WeakMap<Key, Promise<boolean>>()
    const isOf = (given: Key) => {
      const known = fits.get(given) ?? verified(probe, given).then(Boolean, () => false)
      fits.set(given, known)
      return Effect.promise(() => known)
    }
    const sign = (entry: Entry) => Effect.promise(() => signed(JSON.stringify(encodeEntry(entry))))
    return { kid: jwk.kid, sign, isOf }
  })

const verified = (jws: string, { key }: Key) => Jose.compactVerify(jws, key, { algorithms: [algorithm] })

/** Signs the beginnings of slips, for `RoutingSlip.sign`, and fresh authority, for `Reauthorisation`. */
export const issuer = ({ kid, sign }: Pick<Signer, "kid" | "sign">): Issuer => ({
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
    const { index, log, prev } = after(headers.security_context)
    return sign({
      index,
      prev,
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
  readonly authority: Authority
}

/** What a slip may be executed with: the digests of the tokens that it may travel with, and until when. */
export interface Authority {
  readonly tokens: ReadonlyArray<string | null>
  readonly expires_at: number
}

/** How far the clocks of two machines may be apart, in milliseconds. */
const skew = 60_000

const refuse = (reason: Refused["reason"], detail: string) => Effect.fail(new Refused({ reason, detail }))

/** Whether the key may sign at this time. */
const checkTime = ({ grants, kid }: Key, at: number): Effect.Effect<void, Refused> => {
  const { not_before = 0, retired_at = Number.POSITIVE_INFINITY } = grants
  // A clock that is behind may sign with a new key before its time, never with an old one after it: they overlap.
  return at < not_before - skew || at >= retired_at
    ? refuse("retired-key", `${kid} was not in use at ${at}, when it says that it signed`)
    : Effect.void
}

/** Whether the key may sign for this tenant. */
export const checkTenant = ({ grants: { tenants }, kid }: Key, tenant_id: string): Effect.Effect<void, Refused> =>
  tenants !== undefined && !tenants.includes(tenant_id)
    ? refuse("not-authorised", `${kid} may not sign for the tenant ${tenant_id}`)
    : Effect.void

/** Whether the key may sign at this time for this tenant; what it may sign is checked where that is known. */
const checkKey = (key: Key, { at, tenant_id }: Pick<Entry, "at" | "tenant_id">): Effect.Effect<void, Refused> =>
  Effect.andThen(checkTime(key, at), checkTenant(key, tenant_id))

/** The key of that name, to check signatures with. */
const signingKey = Effect.fnUntraced(function* (kid: string): Effect.fn.Return<Key, Refused | Unavailable, Keys> {
  const key = yield* (yield* Keys).find(kid)
  if (key === undefined || key.use !== "sig") return yield* refuse("unknown-key", `no key ${kid} is known`)
  if (key.grants.revoked !== true) return key
  const why = key.grants.revoked_because
  return yield* refuse("revoked-key", `the key ${kid} is revoked${why === undefined ? "" : `: ${why}`}`)
})

/**
 * Makes sure that what a key signs now for an activity is accepted by those who go by the key set at hand, whose key of
 * that name it gives.
 */
export const checkSigner = Effect.fnUntraced(function* (
  signer: Signer,
  activity: string
): Effect.fn.Return<Key, Refused | Unavailable, Keys> {
  const key = yield* signingKey(signer.kid)
  yield* checkTime(key, yield* Clock.currentTimeMillis)
  if (!isGranted(key, activity)) return yield* refuse("not-authorised", `${key.kid} may not sign for ${activity}`)
  if (yield* signer.isOf(key)) return key
  return yield* refuse("bad-signature", `the key set has another key under the name of this worker's own, ${key.kid}`)
})

const isGranted = ({ grants }: Key, activity: string): boolean => (grants.activities ?? []).includes(activity)

/** Reads an entry whose signature is good. */
const open = Effect.fnUntraced(function* (
  jws: string,
  index: number
): Effect.fn.Return<{ readonly entry: Entry; readonly key: Key }, Refused | Unavailable, Keys> {
  const parts = Compact.partsOf(jws, 3)
  if (parts === undefined) return yield* refuse("bad-signature", `entry ${index} is not a JWS as it is written`)
  // Exactly these members: no `jwk`, `jku`, `x5u` or `crit` that would have it checked in another way.
  const known = decodeHeader(Compact.jsonIn(parts[0]), { onExcessProperty: "error" })
  if (Option.isNone(known)) {
    return yield* refuse("bad-signature", `the header of entry ${index} is not one that is accepted`)
  }
  const key = yield* signingKey(known.value.kid)
  const { payload } = yield* Effect.tryPromise({
    try: () => verified(jws, key),
    catch: () => new Refused({ reason: "bad-signature", detail: `the signature of entry ${index} is not good` })
  })
  const json = StrictJson.parseBytes(payload)
  if (Result.isFailure(json)) return yield* refuse("malformed", `entry ${index}: ${json.failure.detail}`)
  const entry = yield* decodeEntry(json.success, { onExcessProperty: "error" }).pipe(
    Effect.mapError(({ message }) => new Refused({ reason: "malformed", detail: `entry ${index}: ${message}` }))
  )
  yield* checkKey(key, entry)
  if (entry.at > (yield* Clock.currentTimeMillis) + skew) {
    return yield* refuse("broken-log", `entry ${index} is signed in the future`)
  }
  return { entry, key }
})

/** The end of one chain of entries: the trunk's, or a branch's. */
interface Tip {
  readonly entry: Entry
  readonly digest: string
  readonly slip: Envelope.RoutingSlip
  readonly authority: Authority
  /** Of a branch: the digest of the entry that it leaves the trunk at. */
  readonly from: string | undefined
  /** Whether branches leave it: then only their gather may follow. */
  readonly branched: boolean
}

/** What the entries up to one of them prove; the beginning of a log is checked once for all that continue it. */
interface Checked {
  readonly entries: ReadonlyArray<Entry & { readonly kid: string }>
  /** By their digests. */
  readonly tips: ReadonlyMap<string, Tip>
  readonly keys: ReadonlyMap<string, Key>
}

const nothing: Checked = { entries: [], tips: new Map(), keys: new Map() }

/** Whether the entry stands where it belongs: after the one that it names, in the same slip. */
const follows = (entry: Entry, before: Entry | undefined): boolean =>
  entry.index === (before === undefined ? 0 : before.index + 1) &&
  (entry.prev === null) === (before === undefined) &&
  (entry.manifest !== null) === (before === undefined) &&
  (entry.transition !== null) === (before !== undefined) &&
  (before === undefined ||
    (entry.tenant_id === before.tenant_id &&
      entry.correlation_id === before.correlation_id &&
      entry.at >= before.at - skew))

/** The branches that a gather names, which have to be among the ends that are there; they end in it. */
const joinedIn = (checked: Checked, trunk: Tip, transition: Slip.Transition): ReadonlyArray<Tip> | undefined => {
  if (transition.type !== "gathered") return []
  const found = transition.joined.map(({ branch, digest }) => {
    const tip = checked.tips.get(digest)
    return tip !== undefined && tip.from === trunk.digest && tip.slip.branch?.branch === branch ? tip : undefined
  })
  return found.includes(undefined) ? undefined : found.filter((tip) => tip !== undefined)
}

/** Steps are signed for by their activity's key, a fresh authority by one that may begin slips. */
const maySign = (key: Key, { type }: Slip.Transition, { activity }: Slip.Hop): boolean =>
  type === "reauthorised" ? key.grants.issues === true : isGranted(key, activity)

/** The authority after a transition: a fresh one, or all that the branches have which are joined. */
const authorityAfter = (transition: Slip.Transition, chains: ReadonlyArray<Tip>): Authority =>
  transition.type === "reauthorised"
    ? { tokens: [transition.obo_sha256], expires_at: transition.expires_at }
    : {
        tokens: chains.flatMap(({ authority }) => authority.tokens),
        expires_at: Math.max(...chains.map(({ authority }) => authority.expires_at))
      }

/** Puts an entry at the end of the chain that it continues. */
const continued = Effect.fnUntraced(function* (
  checked: Checked,
  before: Tip,
  entry: Entry,
  transition: Slip.Transition,
  key: Key
): Effect.fn.Return<Pick<Tip, "slip" | "authority"> & { readonly gone: ReadonlyArray<string> }, Refused> {
  const { index } = entry
  const hop = Slip.next(before.slip)
  if (hop === undefined || !maySign(key, transition, hop)) {
    const what = hop === undefined ? "a slip at its end" : `${hop.activity} to be ${transition.type}`
    return yield* refuse("not-authorised", `${key.kid} may not sign for ${what}`)
  }
  const begunAt = transition.type === "executed" ? (transition.begun_at ?? entry.at) : undefined
  if (begunAt !== undefined && begunAt > before.authority.expires_at + skew) {
    return yield* refuse("expired", `step ${hop.step} was executed after the slip's authority had run out`)
  }
  // So what comes after an entry that was made too late was begun too late as well.
  if (begunAt !== undefined && (begunAt > entry.at || begunAt < before.entry.at - skew)) {
    return yield* refuse("broken-log", `step ${hop.step} was begun before its turn, or after it was done`)
  }
  if (before.branched && transition.type !== "scattered" && transition.type !== "gathered") {
    return yield* refuse("broken-log", `entry ${index} goes on where branches were begun`)
  }
  if (
    transition.type === "scattered" &&
    checked.tips.values().some((tip) => tip.from === before.digest && tip.slip.branch?.branch === transition.branch)
  ) {
    return yield* refuse("broken-log", `entry ${index} begins a branch for a second time`)
  }
  const joined = joinedIn(checked, before, transition)
  if (joined === undefined) return yield* refuse("broken-log", `entry ${index} joins branches that are not there`)
  const branches = joined.map(({ slip }) => slip)
  const applied = Slip.apply(before.slip, transition, branches)
  if (Result.isFailure(applied)) return yield* refuse("illegal-transition", applied.failure)
  const gone = [before, ...joined].map((tip) => tip.digest)
  const authority = authorityAfter(transition, [before, ...joined])
  return { slip: applied.success, authority, gone: transition.type === "scattered" ? [] : gone }
})

/** Checks one more entry. */
const advance = Effect.fnUntraced(function* (
  checked: Checked,
  jws: string
): Effect.fn.Return<Checked, Refused | Unavailable, Keys> {
  const place = checked.entries.length
  const { entry, key } = yield* open(jws, place)
  const before = entry.prev === null ? undefined : checked.tips.get(entry.prev)
  if ((place === 0) !== (before === undefined) || !follows(entry, before?.entry)) {
    return yield* refuse("broken-log", `entry ${place} does not follow the one before it`)
  }
  const tips = new Map(checked.tips)
  let slip: Envelope.RoutingSlip
  let authority: Authority
  if (before === undefined || entry.transition === null) {
    if (key.grants.issues !== true) return yield* refuse("not-authorised", `${key.kid} may not begin slips`)
    if (entry.manifest === null || !Slip.isStart(entry.manifest.slip)) {
      return yield* refuse("illegal-transition", "the manifest is not a beginning")
    }
    slip = entry.manifest.slip
    authority = { tokens: [entry.manifest.obo_sha256], expires_at: entry.manifest.expires_at }
  } else {
    const next = yield* continued(checked, before, entry, entry.transition, key)
    slip = next.slip
    authority = next.authority
    for (const digest of next.gone) tips.delete(digest)
    if (entry.transition.type === "scattered") tips.set(before.digest, { ...before, branched: true })
  }
  if (entry.aud !== (Slip.next(slip)?.queue ?? null)) {
    return yield* refuse("broken-log", `entry ${place} is for another queue than its next step`)
  }
  const own = digest(jws)
  const from = entry.transition?.type === "scattered" ? before?.digest : slip.branch && before?.from
  tips.set(own, { entry, digest: own, slip, authority, from, branched: false })
  return {
    entries: [...checked.entries, { ...entry, kid: key.kid }],
    tips,
    keys: new Map(checked.keys).set(key.kid, key)
  }
})

/**
 * Logs that were checked by this process, by the digest of all their entries, the latest ones only. What a worker has
 * checked once it need not check again when the slip comes back longer, as long as the keys are the same.
 */
export class Cache {
  private readonly known = new Map<string, { readonly checked: Checked; readonly size: number }>()
  private readonly most: { readonly logs: number; readonly size: number }
  private size = 0
  /** `most`: so many logs, and so many characters of them together. */
  constructor(most = { logs: 500, size: 16 * 1024 * 1024 }) {
    this.most = most
  }
  get(name: string): Checked | undefined {
    return this.known.get(name)?.checked
  }
  set(name: string, checked: Checked, size: number): void {
    this.delete(name)
    if (size > this.most.size) return
    this.known.set(name, { checked, size })
    this.size += size
    for (const oldest of this.known.keys()) {
      if (this.known.size <= this.most.logs && this.size <= this.most.size) break
      this.delete(oldest)
    }
  }
  private delete(name: string): void {
    this.size -= this.known.get(name)?.size ?? 0
    this.known.delete(name)
  }
}

/** The names of a log's beginnings in the cache: each the digest of all entries up to one. */
const namesOf = (log: ReadonlyArray<string>): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (const jws of log) names.push(digest(`${names.at(-1) ?? ""} ${jws}`))
  return names
}

/** The longest beginning that was checked before and whose keys are what they were; a revoked key is another key. */
const longestKnown = Effect.fnUntraced(function* (names: ReadonlyArray<string>, cache: Cache) {
  const keys = yield* Keys
  for (let length = names.length; length > 0; length--) {
    const known = cache.get(names[length - 1] ?? "")
    if (known === undefined) continue
    const now = yield* Effect.forEach(known.keys.values(), (key) =>
      Effect.map(keys.find(key.kid), (found) => found === key)
    )
    if (!now.includes(false)) return { checked: known, length }
  }
  return { checked: nothing, length: 0 }
})

/** Checks a whole log and says what it proves. */
export const verify = Effect.fnUntraced(function* (
  log: ReadonlyArray<string>,
  cache: Cache = new Cache({ logs: 0, size: 0 })
): Effect.fn.Return<Proven, Refused | Unavailable, Keys> {
  const names = namesOf(log)
  const known = yield* longestKnown(names, cache)
  let { checked } = known
  for (const jws of log.slice(known.length)) checked = yield* advance(checked, jws)
  const tip = checked.tips.values().reduce<Tip | undefined>((_, each) => each, undefined)
  if (tip === undefined) return yield* refuse("unsigned", "the message carries no signed log")
  const stray = checked.tips.values().find((each) => each !== tip && each.digest !== tip.from)
  if (stray !== undefined) return yield* refuse("broken-log", "the log has more than one end")
  const size = log.reduce((sum, jws) => sum + jws.length, 0)
  cache.set(names.at(-1) ?? "", checked, size)
  return { slip: tip.slip, entries: checked.entries, last: tip.entry, digest: tip.digest, authority: tip.authority }
})

/** Reads an entry that was checked before. */
const entryIn = (jws: string): Entry | undefined => {
  return Option.getOrUndefined(decodeKnown(Compact.jsonIn(jws.split(".")[1])))
}

/** Where the next entry goes. */
export interface Place {
  readonly index: number
  readonly prev: string | null
  /** All entries that it comes after. */
  readonly log: ReadonlyArray<string>
}

/** The place after the newest entry of a message that was checked. */
export const after = (context: Envelope.SecurityContext): Place => placeAfter(entriesOf(context))

const placeAfter = (log: ReadonlyArray<string>, all = log): Place => {
  const newest = log.at(-1)
  return newest === undefined
    ? { index: 0, prev: null, log: all }
    : { index: (entryIn(newest)?.index ?? 0) + 1, prev: digest(newest), log: all }
}

/**
 * The place after the trunk's newest entry, as the branches of a slip know it: with the entries of all branches before
 * it where they are `joined`, without them where the trunk goes on alone.
 */
export const onTrunk = (contexts: ReadonlyArray<Envelope.SecurityContext>, joined: boolean): Place => {
  let trunk: ReadonlyArray<string> = []
  const branches = contexts.flatMap((context) => {
    const log = entriesOf(context)
    const from = log.findLastIndex((jws) => entryIn(jws)?.transition?.type === "scattered")
    trunk = log.slice(0, Math.max(0, from))
    return log.slice(Math.max(0, from))
  })
  return placeAfter(trunk, joined ? [...trunk, ...branches] : trunk)
}

const encodeSlip = Schema.encodeSync(Envelope.RoutingSlip)

/** Checks a whole message against its log. */
export const verifyEnvelope = Effect.fnUntraced(function* (
  { headers, payload }: Envelope.Envelope,
  cache?: Cache
): Effect.fn.Return<Proven, Refused | Unavailable, Keys> {
  const proven = yield* verify(entriesOf(headers.security_context), cache)
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
  if (!authority.tokens.includes(token === null ? null : digest(token))) {
    return yield* refuse("tampered", "the token is not the one that was signed for")
  }
  return proven
})
