/**
 * Who may sign and who can read: a JSON Web Key Set (RFC 7517) of Ed25519 and X25519 keys (RFC 8037), in which each key
 * says what it is good for. A key is only ever found by its `kid` here; a key that comes with a message is never used.
 */
import { Unavailable } from "@tenon/core/Failure"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Jose from "jose"
import { ActivityName, Instant } from "./Envelope.ts"

/** What a key is good for. */
export const Grants = Schema.Struct({
  /** Whether it may sign manifests, that is begin slips. */
  issues: Schema.optionalKey(Schema.Boolean),
  /** Whose transitions it may sign, or whose data it decrypts. */
  activities: Schema.optionalKey(Schema.Array(ActivityName)),
  /** For which tenants. Default: all. */
  tenants: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Signatures made before this are not accepted. */
  not_before: Schema.optionalKey(Instant),
  /** Rotated: signatures made at or after this are not accepted, those made before are. */
  retired_at: Schema.optionalKey(Instant),
  /** Compromised: nothing it signed, whenever that says it was, is accepted. */
  revoked: Schema.optionalKey(Schema.Boolean),
  /** Why it was revoked, for those whose messages are refused. */
  revoked_because: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200)))
})
export interface Grants extends Schema.Struct.Type<typeof Grants.fields> {}

/** A public key of the set. Members that are not known are left out, as RFC 7517 section 4 has it. */
export const PublicKey = Schema.Struct({
  kty: Schema.Literal("OKP"),
  crv: Schema.Literals(["Ed25519", "X25519"]),
  x: Schema.String,
  kid: Schema.NonEmptyString,
  use: Schema.Literals(["sig", "enc"]),
  tenon: Grants
})
export interface PublicKey extends Schema.Struct.Type<typeof PublicKey.fields> {}

/** A private key, kept by who signs or decrypts. */
export const PrivateKey = Schema.Struct({
  kty: Schema.Literal("OKP"),
  crv: Schema.Literals(["Ed25519", "X25519"]),
  x: Schema.String,
  d: Schema.String,
  kid: Schema.NonEmptyString,
  use: Schema.Literals(["sig", "enc"])
})
export interface PrivateKey extends Schema.Struct.Type<typeof PrivateKey.fields> {}

/** A public key, ready to be used. */
export interface Key {
  readonly kid: string
  readonly use: "sig" | "enc"
  readonly grants: Grants
  readonly key: Jose.CryptoKey | Uint8Array
}

/** Finds keys. */
export class Keys extends Context.Service<
  Keys,
  {
    readonly find: (kid: string) => Effect.Effect<Key | undefined, Unavailable>
    /** A key to encrypt with for an activity: one that is in use and not revoked. */
    readonly recipient: (activity: string) => Effect.Effect<Key | undefined, Unavailable>
  }
>()("@tenon/routing-slip/Keys") {}

const decodeSet = Schema.decodeUnknownEffect(Schema.Struct({ keys: Schema.Array(Schema.Unknown) }))
const decodeKey = Schema.decodeUnknownOption(PublicKey)

/** Reads a key set. As RFC 7517 section 5 has it, keys of kinds that are not understood are passed over. */
const load = Effect.fnUntraced(function* (jwks: unknown) {
  const { keys } = yield* decodeSet(jwks)
  const found = new Map<string, Key>()
  const unusable = new Set<string>()
  for (const each of keys) {
    const decoded = decodeKey(each)
    if (Option.isNone(decoded)) continue
    const { tenon: grants, ...jwk } = decoded.value
    if ((jwk.crv === "Ed25519") !== (jwk.use === "sig")) continue
    const alg = jwk.use === "sig" ? "Ed25519" : "ECDH-ES+A256KW"
    const key = yield* Effect.option(Effect.tryPromise(() => Jose.importJWK({ ...jwk, alg }, alg)))
    // Of several keys with one kid none can be meant.
    if (Option.isNone(key) || found.has(jwk.kid) || unusable.has(jwk.kid)) {
      yield* Effect.logWarning("A key of the set cannot be used", jwk.kid)
      found.delete(jwk.kid)
      unusable.add(jwk.kid)
    } else found.set(jwk.kid, { kid: jwk.kid, use: jwk.use, grants, key: key.value })
  }
  return found
})

const recipientOf = (keys: ReadonlyMap<string, Key>, activity: string, now: number): Key | undefined =>
  keys
    .values()
    .find(
      ({ grants, use }) =>
        use === "enc" &&
        grants.revoked !== true &&
        (grants.not_before ?? 0) <= now &&
        (grants.retired_at ?? Number.POSITIVE_INFINITY) > now &&
        (grants.activities ?? []).includes(activity)
    )

/** A key set that does not change while the process lives. */
export const layer = (jwks: unknown): Layer.Layer<Keys, Schema.SchemaError> =>
  Layer.effect(
    Keys,
    Effect.gen(function* () {
      const keys = yield* load(jwks)
      return {
        find: (kid) => Effect.succeed(keys.get(kid)),
        recipient: (activity) => Effect.map(Clock.currentTimeMillis, (now) => recipientOf(keys, activity, now))
      }
    })
  )

/** How a key set is kept fresh. */
export interface ReloadOptions {
  /** How old it may be before it is read again: how long a revocation takes to be heeded. Default one minute. */
  readonly maxAge?: Duration.Input
  /** How old it may be while it cannot be read; then nothing is accepted any more. Default one hour. */
  readonly maxStale?: Duration.Input
  /** An unknown `kid` has it read at once, but not more often than this. Default 10 seconds. */
  readonly cooldown?: Duration.Input
}

const millis = (input: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(input))

/** A key set that is read again and again: a file, a JWKS endpoint. */
export const layerReloading = <E, R>(
  read: Effect.Effect<unknown, E, R>,
  options: ReloadOptions = {}
): Layer.Layer<Keys, never, R> =>
  Layer.effect(
    Keys,
    Effect.gen(function* () {
      const context = yield* Effect.context<R>()
      const maxAge = millis(options.maxAge ?? "1 minute")
      const maxStale = millis(options.maxStale ?? "1 hour")
      const cooldown = millis(options.cooldown ?? "10 seconds")
      const turn = Semaphore.makeUnsafe(1)
      let keys: ReadonlyMap<string, Key> = new Map()
      let readText: string | undefined
      let readAt = Number.NEGATIVE_INFINITY
      let triedAt = Number.NEGATIVE_INFINITY

      /** A set that has not changed keeps its keys: what was checked with them need not be checked again. */
      const reload = Effect.fnUntraced(function* (set: unknown) {
        const text = JSON.stringify(set)
        if (text === readText) return
        keys = yield* load(set)
        readText = text
      })

      /** Reads the set if it is older than `age`, unless that was tried just now. */
      const fresh = (age: number) =>
        turn.withPermit(
          Effect.gen(function* () {
            const now = yield* Clock.currentTimeMillis
            if (now - readAt > age && now - triedAt >= Math.min(age, cooldown)) {
              triedAt = now
              const loaded = yield* Effect.result(Effect.flatMap(Effect.provideContext(read, context), reload))
              if (loaded._tag === "Success") readAt = now
              else yield* Effect.logWarning("The key set cannot be read", loaded.failure)
            }
            if (now - readAt > maxStale) return yield* new Unavailable({ what: "The key set" })
            return { keys, now }
          })
        )

      return {
        find: Effect.fnUntraced(function* (kid) {
          const known = (yield* fresh(maxAge)).keys.get(kid)
          return known ?? (yield* fresh(cooldown)).keys.get(kid)
        }),
        recipient: (activity) =>
          Effect.map(fresh(maxAge), (current) => recipientOf(current.keys, activity, current.now))
      }
    })
  )

/** Makes a pair of keys: the public one goes into the key set, the private one to its owner. */
export const generate = (
  kid: string,
  use: "sig" | "enc",
  grants: Grants
): Effect.Effect<{ readonly publicKey: PublicKey; readonly privateKey: PrivateKey }> =>
  Effect.promise(async () => {
    const crv = use === "sig" ? ("Ed25519" as const) : ("X25519" as const)
    const pair = await Jose.generateKeyPair(use === "sig" ? "Ed25519" : "ECDH-ES+A256KW", { crv, extractable: true })
    const { d = "", x = "" } = await Jose.exportJWK(pair.privateKey)
    const common = { kty: "OKP", crv, x, kid, use } as const
    return { publicKey: { ...common, tenon: grants }, privateKey: { ...common, d } }
  })
