/**
 * API keys: secrets of 256 random bits that stand for an actor of a tenant. Only a SHA-256 of the secret is kept, which
 * is enough because nobody can guess 256 bits; so a copied table lets nobody in.
 *
 * Implementations: `layerMemory`, and `ApiKeysSql` of `@tenon/sql` (the table `tenon.api_keys`). A store looks a key up
 * by its hash before any tenant is known, so that one look-up is the only one that crosses tenants.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Hex from "effect/encoding/Hex"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Actor } from "./Actor.ts"
import { type ActionFailure, AlreadyExists, InvalidInput, type Issue } from "./Failure.ts"
import { NewId } from "./NewId.ts"

/** A key as it may be shown: never its secret, never its hash. Times are milliseconds since 1970. */
export interface ApiKey {
  readonly id: string
  readonly tenantId: string
  readonly name: string
  readonly roles: ReadonlyArray<string>
  readonly createdAt: number
  readonly expiresAt: number | undefined
  readonly revokedAt: number | undefined
}

/** A key as it is kept, with the SHA-256 of its secret in hexadecimal. */
export interface StoredKey extends ApiKey {
  readonly hash: string
}

/** Keeps API keys. */
export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    /** The key whose secret has this hash, of whatever tenant, expired and revoked ones too. */
    readonly find: (hash: string) => Effect.Effect<StoredKey | undefined, ActionFailure>
    /** Keeps a new key, under its tenant. */
    readonly add: (key: StoredKey) => Effect.Effect<void, ActionFailure>
    /** Whether the tenant had such a key that was not revoked before. */
    readonly revoke: (tenantId: string, id: string, at: number) => Effect.Effect<boolean, ActionFailure>
    /** Every key of the tenant, the oldest first. */
    readonly list: (tenantId: string) => Effect.Effect<ReadonlyArray<ApiKey>, ActionFailure>
  }
>()("@tenon/core/ApiKeys") {}

/** What every secret begins with, so that scanners for leaked secrets can find one. */
export const prefix = "tenon_"

/** The hash that a secret is kept under. */
export const hashOf = (secret: string): Effect.Effect<string> =>
  Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret))).pipe(
    Effect.map((digest) => Hex.encode(new Uint8Array(digest)))
  )

/** What a new key is for. */
export interface Options {
  readonly tenantId: string
  readonly name: string
  readonly roles: ReadonlyArray<string>
  /** Milliseconds since 1970. Default: it does not expire. */
  readonly expiresAt?: number | undefined
}

/** A new key and its secret, which nothing can show again. */
export interface Created {
  readonly key: ApiKey
  readonly secret: Redacted.Redacted
}

const issuesOf = ({ roles, tenantId }: Options): ReadonlyArray<Issue> => [
  ...(tenantId === "" ? [{ path: "tenantId", message: "must name a tenant" }] : []),
  ...(roles.includes("system") ? [{ path: "roles", message: "the role system is the framework's own" }] : [])
]

/** Makes and keeps a new key. Its roles may not include `system`, which is the framework's own. */
export const create = Effect.fn("ApiKeys.create")(function* (
  options: Options
): Effect.fn.Return<Created, ActionFailure, ApiKeys> {
  const keys = yield* ApiKeys
  const issues = issuesOf(options)
  if (issues.length > 0) return yield* new InvalidInput({ issues })
  const now = yield* Clock.currentTimeMillis
  const secret = prefix + newSecret()
  const key: ApiKey = {
    id: (yield* NewId)(now),
    tenantId: options.tenantId,
    name: options.name,
    roles: options.roles,
    createdAt: now,
    expiresAt: options.expiresAt,
    revokedAt: undefined
  }
  yield* keys.add({ ...key, hash: yield* hashOf(secret) })
  return { key, secret: Redacted.make(secret, { label: "ApiKey" }) }
})

const newSecret = () =>
  btoa(String.fromCharCode(...globalThis.crypto.getRandomValues(new Uint8Array(32))))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "")

/** Whom a key stands for at an instant, or why for nobody. */
export const actorOf = (key: ApiKey, now: number): Result.Result<Actor, string> => {
  if (key.revokedAt !== undefined && key.revokedAt <= now) return Result.fail("the API key was revoked")
  if (key.expiresAt !== undefined && key.expiresAt <= now) return Result.fail("the API key has expired")
  const roles = key.roles.filter((role) => role !== "system")
  return Result.succeed({ id: `api-key:${key.id}`, tenantId: key.tenantId, kind: "api-key", roles })
}

/** Keys in memory, none at first. */
export const layerMemory: Layer.Layer<ApiKeys> = Layer.sync(ApiKeys, () => {
  const keys = new Map<string, StoredKey>()
  const ofTenant = (tenantId: string) => [...keys.values()].filter((key) => key.tenantId === tenantId)
  return {
    find: (hash) => Effect.sync(() => keys.get(hash)),
    add: (key) =>
      Effect.suspend(() => {
        if (keys.has(key.hash)) return Effect.fail(new AlreadyExists({ resource: "ApiKey", fields: ["hash"] }))
        keys.set(key.hash, key)
        return Effect.void
      }),
    revoke: (tenantId, id, at) =>
      Effect.sync(() => {
        const found = ofTenant(tenantId).find((key) => key.id === id)
        if (found === undefined || found.revokedAt !== undefined) return false
        keys.set(found.hash, { ...found, revokedAt: at })
        return true
      }),
    list: (tenantId) => Effect.sync(() => ofTenant(tenantId).map(({ hash: _hash, ...key }) => key))
  }
})
