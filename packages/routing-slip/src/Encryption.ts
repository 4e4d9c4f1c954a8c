/**
 * Keeps arguments and what undoing needs from everyone but the activity concerned: a compact JWE (RFC 7516) by
 * ECDH-ES+A256KW over X25519 (RFC 8037) and A256GCM. What is signed is the encrypted text, so that signatures can be
 * checked by those who cannot read it. Where it belongs stands in its header, which is authenticated with it: nobody
 * who moves it to a slip, tenant or step of his own has it read there.
 */
import type { Unavailable } from "@tenon/core/Failure"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Jose from "jose"
import * as Compact from "./Compact.ts"
import type * as Envelope from "./Envelope.ts"
import { Keys, type PrivateKey } from "./Keys.ts"
import { Refused } from "./Refused.ts"
import type { Sealer } from "./RoutingSlip.ts"
import type { Place, Seal } from "./Security.ts"
import * as StrictJson from "./StrictJson.ts"

const alg = "ECDH-ES+A256KW"
const enc = "A256GCM"

/** Where it belongs, as the header has it. */
const Belonging = Schema.Struct({
  tenant_id: Schema.String,
  correlation_id: Schema.String,
  activity: Schema.String,
  step: Schema.String,
  phase: Schema.Literals(["execute", "compensate"])
})
interface Belonging extends Schema.Struct.Type<typeof Belonging.fields> {}

const belonging = ({ activity, correlationId, phase, step, tenantId }: Place): Belonging => ({
  tenant_id: tenantId,
  correlation_id: correlationId,
  activity,
  step,
  phase
})

const Header = Schema.Struct({
  alg: Schema.Literal(alg),
  enc: Schema.Literal(enc),
  kid: Schema.NonEmptyString,
  epk: Schema.Struct({ kty: Schema.Literal("OKP"), crv: Schema.Literal("X25519"), x: Schema.String }),
  tenon: Belonging
})
const decodeHeader = Schema.decodeUnknownOption(Header)

/**
 * The header of a JWE. Exactly these members: no `zip` that would swell, no `crit` or `jwk` that would have it read
 * otherwise.
 */
const headerOf = (jwe: string) =>
  decodeHeader(Compact.jsonIn(Compact.partsOf(jwe, 5)?.[0]), { onExcessProperty: "error" })

const undecryptable = (detail: string) => new Refused({ reason: "undecryptable", detail })

/** Encrypts for an activity. */
export const sealing = Effect.fnUntraced(function* (
  activity: string
): Effect.fn.Return<Seal, Refused | Unavailable, Keys> {
  const key = yield* (yield* Keys).recipient(activity)
  if (key === undefined) return yield* undecryptable(`no key is known to encrypt for ${activity}`)
  return (place, data) => {
    const header = { alg, enc, kid: key.kid, tenon: belonging({ ...place, activity }) }
    const encrypting = Effect.promise(() =>
      new Jose.CompactEncrypt(new TextEncoder().encode(JSON.stringify(data)))
        .setProtectedHeader(header)
        .encrypt(key.key)
    )
    return Effect.map(encrypting, (jwe) => ({ data: jwe, encrypted: true }))
  }
})

/** What `RoutingSlip.encrypt` takes, over the key set at hand. */
export const sealer: Effect.Effect<Sealer, never, Keys> = Effect.map(Keys, (keys) => ({
  conceal: (place, data) =>
    Effect.flatMap(Effect.provideService(sealing(place.activity), Keys, keys), (seal) => seal(place, data))
}))

/** Decrypts with the private keys at hand. */
export const opener = Effect.fnUntraced(function* (keys: ReadonlyArray<PrivateKey>) {
  const byKid = new Map<string, Jose.CryptoKey | Uint8Array>()
  for (const jwk of keys) {
    byKid.set(jwk.kid, yield* Effect.promise(() => Jose.importJWK({ ...jwk, alg }, alg)))
  }
  return Effect.fnUntraced(function* (
    place: Place,
    { data, encrypted }: Envelope.Sealed
  ): Effect.fn.Return<Schema.Json, Refused> {
    if (!encrypted) return data
    if (typeof data !== "string") return yield* undecryptable("it is not a JWE")
    const header = Option.getOrUndefined(headerOf(data))
    if (header === undefined) return yield* undecryptable("it is not a JWE as it is written here")
    const key = byKid.get(header.kid)
    if (key === undefined) return yield* undecryptable("it is encrypted for someone else")
    if (!StrictJson.equal({ ...header.tenon }, { ...belonging(place) })) {
      return yield* undecryptable(`it was not encrypted for ${place.activity} at step ${place.step} of this slip`)
    }
    const { plaintext } = yield* Effect.tryPromise({
      try: () => Jose.compactDecrypt(data, key, { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] }),
      catch: () => undecryptable("it is not what was encrypted")
    })
    const json = StrictJson.parseBytes(plaintext)
    return Result.isSuccess(json) ? json.success : yield* undecryptable("what was encrypted is not JSON")
  })
})
