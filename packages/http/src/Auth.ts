/** Who is asking, from the credentials of a request: a JSON Web Token or an API key. */
import type { Actor } from "@tenon/core/Actor"
import * as ApiKeys from "@tenon/core/ApiKeys"
import { type ActionFailure, Unauthenticated } from "@tenon/core/Failure"
import { Tenants } from "@tenon/core/Tenants"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { hash, timingSafeEqual } from "node:crypto"
import { ActiveTenants } from "./ActiveTenants.ts"
import * as Jwt from "./Jwt.ts"
import { noCredentials } from "./Problem.ts"
import * as TokenCache from "./TokenCache.ts"

/** Finds the actor of a request. */
export class Auth extends Context.Service<
  Auth,
  { readonly authenticate: (headers: Headers.Headers) => Effect.Effect<Actor, ActionFailure> }
>()("@tenon/http/Auth") {}

/** Which credentials are accepted. API keys always are; an `ApiKeys` without keys lets none in. */
export interface Options {
  readonly jwt?: Jwt.Options | undefined
  /**
   * Milliseconds that a finding is remembered, which is how late a revoked key or a suspended tenant may still be let
   * in, at most. Default 5 seconds.
   */
  readonly rememberMillis?: number
  /** Tokens, and tenants, that are remembered, at most. Default 10,000. */
  readonly rememberCount?: number
}

/** Longer credentials are refused unread. */
const maxLength = 8_192

/**
 * Checks credentials with the port `ApiKeys` and, where so configured, as JSON Web Tokens. Neither lets anyone in for a
 * tenant that is suspended: of keys their store sees to that, of tokens the port `Tenants` is asked.
 */
export const layer = (options: Options): Layer.Layer<Auth, never, ApiKeys.ApiKeys | Tenants> =>
  Layer.effect(
    Auth,
    Effect.gen(function* () {
      const keys = yield* ApiKeys.ApiKeys
      const count = options.rememberCount ?? 10_000
      const remember = options.rememberMillis ?? 5_000
      const cache = new TokenCache.TokenCache(count)
      const tenants = new ActiveTenants(yield* Tenants, remember, count)
      const verifyJwt = options.jwt === undefined ? undefined : Jwt.make(options.jwt)

      const verifyKey = Effect.fnUntraced(function* (secret: string, now: number) {
        const digest = hash("sha256", secret, "hex")
        const found = yield* keys.find(digest)
        if (found === undefined || !sameHash(found.hash, digest)) return yield* unknownKey
        const actor = ApiKeys.actorOf(found, now)
        if (Result.isFailure(actor)) return yield* new Unauthenticated({ reason: actor.failure })
        return { actor: actor.success, until: found.expiresAt ?? Number.POSITIVE_INFINITY }
      })

      const verify = (token: string, now: number): Effect.Effect<Jwt.Verified, ActionFailure> => {
        if (token.startsWith(ApiKeys.prefix)) return verifyKey(token, now)
        return verifyJwt === undefined ? notAccepted : verifyJwt(token, now)
      }

      /** A token outlives the suspension of its tenant, which its issuer may know nothing of. */
      const admit = (actor: Actor, now: number): Effect.Effect<Actor, ActionFailure> =>
        actor.kind === "api-key"
          ? Effect.succeed(actor)
          : Effect.flatMap(tenants.isActive(actor.tenantId, now), (active) =>
              active ? Effect.succeed(actor) : notActive
            )

      return Auth.of({
        authenticate: (headers) => {
          const token = tokenIn(headers)
          if (typeof token !== "string") return Effect.fail(token)
          return Effect.clockWith((clock) => {
            const now = clock.currentTimeMillisUnsafe()
            const name = TokenCache.nameOf(token)
            const known = cache.get(name, now)
            if (known !== undefined) return admit(known, now)
            return Effect.flatMap(verify(token, now), ({ actor, until }) => {
              cache.set(name, actor, Math.min(until, now + remember))
              return admit(actor, now)
            })
          })
        }
      })
    })
  )

const unknownKey = Effect.fail(new Unauthenticated({ reason: "the API key is not known" }))
const notActive = Effect.fail(new Unauthenticated({ reason: "the tenant is not active" }))
const notAccepted = Effect.fail(new Unauthenticated({ reason: "only API keys are accepted here" }))

/** In constant time, though whoever can steer a SHA-256 byte by byte knows the secret already. */
const sameHash = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

const bearer = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i
const visible = /^[\x21-\x7e]+$/

/** The one credential of a request (RFC 6750, 2: several are refused). */
const tokenIn = (headers: Headers.Headers): string | Unauthenticated => {
  const { authorization, "x-api-key": apiKey } = headers
  if (authorization === undefined && apiKey === undefined) return new Unauthenticated({ reason: noCredentials })
  if (authorization !== undefined && apiKey !== undefined)
    return new Unauthenticated({ reason: "send either `Authorization` or `X-Api-Key`, not both" })
  const given = authorization ?? apiKey ?? ""
  if (given.length > maxLength) return new Unauthenticated({ reason: "the credentials are too long" })
  if (authorization === undefined)
    return given.startsWith(ApiKeys.prefix) && visible.test(given)
      ? given
      : new Unauthenticated({ reason: "the API key is not one" })
  if (given.includes(",")) return new Unauthenticated({ reason: "send one `Authorization`, not several" })
  return bearer.exec(given)?.[1] ?? new Unauthenticated({ reason: "`Authorization` must be `Bearer` and a token" })
}
