/**
 * Keeps arguments and what undoing needs from everyone but the activity concerned: a compact JWE (RFC 7516) by
 * ECDH-ES+A256KW over X25519 (RFC 8037) and A256GCM. What is signed is the encrypted text, so that signatures can be
 * checked by those who cannot read it.
 */
import type { Unavailable } from "@tenon/core/Failure"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Jose from "jose"
import type * as Envelope from "./Envelope.ts"
import { Keys, type PrivateKey } from "./Keys.ts"
import { Refused } from "./Refused.ts"
import type { Sealer } from "./RoutingSlip.ts"
import type { Seal } from "./Security.ts"
import * as StrictJson from "./StrictJson.ts"

const alg = "ECDH-ES+A256KW"
const enc = "A256GCM"

const Header = Schema.Struct({
  alg: Schema.Literal(alg),
  enc: Schema.Literal(enc),
  kid: Schema.NonEmptyString,
  epk: Schema.Struct({ kty: Schema.Literal("OKP"), crv: Schema.Literal("X25519"), x: Schema.String })
})
const decodeHeader = Schema.decodeUnknownOption(Header)

/** The header of a JWE. Exactly these members: no `zip` that would swell, no `crit` or `jwk` that would have it read otherwise. */
const headerOf = (jwe: string) => {
  const json = StrictJson.parseBytes(Jose.base64url.decode(jwe.split(".")[0] ?? ""))
  return Result.isSuccess(json) ? decodeHeader(json.success, { onExcessProperty: "error" }) : Option.none()
}

const undecryptable = (detail: string) => new Refused({ reason: "undecryptable", detail })

/** Encrypts for an activity. The activity's name is authenticated with it, so that no other accepts it as its own. */
export const sealing = Effect.fnUntraced(function* (
  activity: string
): Effect.fn.Return<Seal, Refused | Unavailable, Keys> {
  const key = yield* (yield* Keys).recipient(activity)
  if (key === undefined) return yield* undecryptable(`no key is known to encrypt for ${activity}`)
  return (data) => {
    const plain = new TextEncoder().encode(JSON.stringify({ activity, data }))
    const encrypting = Effect.promise(() =>
      new Jose.CompactEncrypt(plain).setProtectedHeader({ alg, enc, kid: key.kid }).encrypt(key.key)
    )
    return Effect.map(encrypting, (jwe) => ({ data: jwe, encrypted: true }))
  }
})

/** What `RoutingSlip.encrypt` takes, over the key set at hand. */
export const sealer: Effect.Effect<Sealer, never, Keys> = Effect.map(Keys, (keys) => ({
  conceal: (activity, data) =>
    Effect.flatMap(Effect.provideService(sealing(activity), Keys, keys), (seal) => seal(data))
}))

/** Decrypts with the private keys at hand. */
export const opener = Effect.fnUntraced(function* (keys: ReadonlyArray<PrivateKey>) {
  const byKid = new Map<string, Jose.CryptoKey | Uint8Array>()
  for (const jwk of keys) {
    byKid.set(jwk.kid, yield* Effect.promise(() => Jose.importJWK({ ...jwk, alg }, alg)))
  }
  return Effect.fnUntraced(function* (
    activity: string,
    { data, encrypted }: Envelope.Sealed
  ): Effect.fn.Return<Schema.Json, Refused> {
    if (!encrypted) return data
    if (typeof data !== "string") return yield* undecryptable("it is not a JWE")
    const header = yield* Effect.try({
      try: () => headerOf(data),
      catch: () => undecryptable("it is not a JWE")
    })
    const key = Option.isSome(header) ? byKid.get(header.value.kid) : undefined
    if (key === undefined) return yield* undecryptable("it is encrypted for someone else")
    const { plaintext } = yield* Effect.tryPromise({
      try: () => Jose.compactDecrypt(data, key, { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] }),
      catch: () => undecryptable("it is not what was encrypted")
    })
    const json = StrictJson.parseBytes(plaintext)
    const content = Result.isSuccess(json) ? decodeContent(json.success) : Option.none()
    return Option.isSome(content) && content.value.activity === activity
      ? content.value.data
      : yield* undecryptable(`it was not encrypted for ${activity}`)
  })
})

const decodeContent = Schema.decodeUnknownOption(Schema.Struct({ activity: Schema.String, data: Schema.Json }))
