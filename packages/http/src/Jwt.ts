/** Verifies JSON Web Tokens (RFC 7519, with the advice of RFC 8725) and reads an actor from their claims. */
import type { Actor } from "@tenon/core/Actor"
import { Unauthenticated, Unavailable } from "@tenon/core/Failure"
import * as Field from "@tenon/core/Field"
import * as Storable from "@tenon/core/Storable"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Jose from "jose"

/** Where a claim is: its name, or the names that lead to it through nested objects. */
export type ClaimPath = string | ReadonlyArray<string>

/** Where the keys come from. */
export type Keys =
  | {
      /** The issuer's key set; fetched when needed, kept, and fetched again for a key id that is not in it. */
      readonly jwksUrl: string
      /** Milliseconds between two fetches, at least. Default 30 seconds. */
      readonly cooldownMillis?: number
      /** Milliseconds that a key set is kept, at most. Default 10 minutes. */
      readonly maxAgeMillis?: number
    }
  | { readonly secret: Redacted.Redacted }

/** Which tokens are accepted and what they say. */
export interface Options {
  readonly keys: Keys
  readonly issuer: string
  readonly audience: string
  /** Default: HS256 for a secret; RS256, PS256, ES256 and EdDSA for a key set. */
  readonly algorithms?: ReadonlyArray<string>
  /** Seconds by which clocks may differ. Default 5. */
  readonly clockToleranceSeconds?: number
  readonly claims?: {
    /** Default `tenant_id`. */
    readonly tenant?: ClaimPath | undefined
    /** Default `sub`. */
    readonly subject?: ClaimPath | undefined
    /** A list, or names separated by spaces. Default `roles`. */
    readonly roles?: ClaimPath | undefined
  }
}

/** An actor and how long the token that named it holds, in milliseconds since 1970. */
export interface Verified {
  readonly actor: Actor
  readonly until: number
}

/** Bytes that a shared secret has at least (RFC 7518, 3.2). */
export const leastSecretBytes = 32

/** The verifier of a configuration. */
export const make = (
  options: Options
): ((token: string, now: number) => Effect.Effect<Verified, Unauthenticated | Unavailable>) => {
  const verify = verifierOf(options.keys)
  const algorithms = algorithmsOf(options)
  const tolerance = options.clockToleranceSeconds ?? 5
  const { claims } = options
  return (token, now) =>
    Effect.tryPromise({
      try: () =>
        verify(token, {
          algorithms,
          issuer: options.issuer,
          audience: options.audience,
          clockTolerance: tolerance,
          requiredClaims: ["exp"],
          currentDate: new Date(now)
        }),
      catch: toFailure
    }).pipe(
      Effect.flatMap(({ payload }): Effect.Effect<Verified, Unauthenticated> => {
        const tenantId = identifier(claimAt(payload, claims?.tenant ?? "tenant_id"))
        const id = identifier(claimAt(payload, claims?.subject ?? "sub"))
        if (tenantId === undefined || id === undefined)
          return refuse(`the token names no ${tenantId === undefined ? "tenant" : "subject"}`)
        const roles = rolesOf(claimAt(payload, claims?.roles ?? "roles"))
        const until = ((payload.exp ?? 0) + tolerance) * 1000
        return Effect.succeed({ actor: { id, tenantId, kind: "user", roles }, until })
      })
    )
}

/** Throws where a configuration would let a public key be used as a shared secret, or no key at all. */
const algorithmsOf = ({ algorithms, keys }: Options): Array<string> => {
  const shared = "secret" in keys
  const chosen = algorithms ?? (shared ? ["HS256"] : ["RS256", "PS256", "ES256", "EdDSA"])
  const wrong = chosen.find((algorithm) => /^HS\d{3}$/.test(algorithm) !== shared || algorithm === "none")
  if (wrong !== undefined)
    throw new Error(`The algorithm ${wrong} does not go with ${shared ? "a shared secret" : "a key set"}`)
  if (shared && new TextEncoder().encode(Redacted.value(keys.secret)).length < leastSecretBytes)
    throw new Error(`A shared secret for tokens must have ${leastSecretBytes} bytes at least (RFC 7518, 3.2)`)
  return [...chosen]
}

type Verify = (token: string, options: Jose.JWTVerifyOptions) => Promise<Jose.JWTVerifyResult>

const verifierOf = (keys: Keys): Verify => {
  if ("secret" in keys) {
    const secret = new TextEncoder().encode(Redacted.value(keys.secret))
    return (token, options) => Jose.jwtVerify(token, secret, options)
  }
  const keySet = Jose.createRemoteJWKSet(new URL(keys.jwksUrl), {
    cooldownDuration: keys.cooldownMillis ?? 30_000,
    cacheMaxAge: keys.maxAgeMillis ?? 600_000,
    timeoutDuration: 5_000
  })
  return (token, options) => Jose.jwtVerify(token, keySet, options)
}

const refuse = (reason: string) => Effect.fail(new Unauthenticated({ reason }))

/** None of these sentences holds a part of the token. */
const toFailure = (error: unknown): Unauthenticated | Unavailable => {
  if (error instanceof Jose.errors.JWTExpired) return new Unauthenticated({ reason: "the token has expired" })
  if (error instanceof Jose.errors.JWTClaimValidationFailed)
    return new Unauthenticated({ reason: `the token's claim ${claimName(error.claim)} is not accepted here` })
  if (error instanceof Jose.errors.JWSSignatureVerificationFailed)
    return new Unauthenticated({ reason: "the token's signature does not hold" })
  if (error instanceof Jose.errors.JOSEAlgNotAllowed)
    return new Unauthenticated({ reason: "the token's algorithm is not accepted here" })
  if (error instanceof Jose.errors.JWKSNoMatchingKey || error instanceof Jose.errors.JWKSMultipleMatchingKeys)
    return new Unauthenticated({ reason: "the token's key is not one of its issuer's" })
  if (
    error instanceof Jose.errors.JWKSTimeout ||
    error instanceof Jose.errors.JWKSInvalid ||
    (error instanceof Error && (error.message === "fetch failed" || error.message.includes("JSON Web Key Set")))
  )
    return new Unavailable({ what: "The token issuer's key set" })
  return new Unauthenticated({ reason: "the token is not valid" })
}

const claimName = (claim: string) => (/^[a-z]{1,20}$/.test(claim) ? claim : "set")

const claimAt = (payload: Jose.JWTPayload, path: ClaimPath): unknown =>
  (typeof path === "string" ? [path] : path).reduce<unknown>(
    (value, name) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, name)
        ? (value as { readonly [name: string]: unknown })[name]
        : undefined,
    payload
  )

const isIdentifier = Schema.is(Field.Identifier)
const identifier = (claim: unknown): string | undefined =>
  isIdentifier(claim) && Storable.faultOf(claim) === undefined ? claim : undefined

/** `system` is the framework's own role, and no issuer's to give. */
const rolesOf = (claim: unknown): ReadonlyArray<string> =>
  (typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : []).filter(
    (role): role is string => typeof role === "string" && role !== "" && role !== "system"
  )
