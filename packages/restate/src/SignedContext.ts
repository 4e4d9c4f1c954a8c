/**
 * Who calls, signed, in a header of every invocation: Restate's ingress is open to whoever reaches it, and a handler
 * runs nothing without this.
 *
 * The signature (HMAC-SHA256, RFC 2104) covers service, handler, key and a digest of the body, so a context cannot be
 * moved to another call. Used again for the same call it does nothing a second time, because its `id` is the key of the
 * receipt that the action commits with its rows; the ids of what follows are derived from it.
 *
 * Expiry: a context that a door signed has to be accepted within a lifetime: its handler's first attempt must come
 * before it ends. Later attempts, and contexts signed by handlers, never lapse, because what they stand for has been
 * accepted: a retry, a delayed send or a waiting workflow may come arbitrarily late.
 *
 * Determinism: Restate compares a journaled send with the one that a replay makes, header included. So what a handler
 * signs depends only on its own context and its journal: the same key id, no clock, no randomness.
 */
import * as NodeCrypto from "node:crypto"
import type { Actor } from "@tenon/core/Actor"
import { Unauthenticated } from "@tenon/core/Failure"
import type { Invocation } from "@tenon/core/Invocation"
import type * as RowMark from "@tenon/core/RowMark"
import type { Fork } from "@tenon/core/RunJournal"
import * as Result from "effect/Result"
import type { ContextKeys } from "./ContextKeys.ts"
import type { Target } from "./Target.ts"

/** The header that carries a signed context. */
export const header = "x-tenon-context"

/** What is signed besides the call itself. */
export interface Claims {
  /** Identifies what is to be done once. */
  readonly id: string
  readonly actor: Actor
  readonly origin: Invocation["origin"]
  /** Milliseconds since 1970 at which the call was asked for, or, where delayed, at which it is due. */
  readonly at: number
  /** Milliseconds since 1970 before which the first attempt must come; absent where the call cannot lapse. */
  readonly expires?: number
  readonly idempotencyKey?: string
  readonly fingerprint?: string
  readonly expectedVersion?: RowMark.Expected
  /** Which of several signals of one name it is, where it is a signal. */
  readonly signal?: string
  /** Which run it takes over operations of, where it is the start of a workflow. */
  readonly fork?: Fork
  /** Trace parent (W3C Trace Context, `traceparent`). */
  readonly trace?: string
}

/** A context that was found to be in order, with the id of the key that signed it. */
export interface Verified {
  readonly claims: Claims
  readonly keyId: string
}

const version = "1"

const mac = (secret: NodeCrypto.KeyObject, keyId: string, payload: string, target: Target, body: Uint8Array) =>
  NodeCrypto.createHmac("sha256", secret)
    .update(
      JSON.stringify([
        version,
        keyId,
        payload,
        target.service,
        target.handler,
        target.key,
        NodeCrypto.hash("sha256", body, "base64url")
      ])
    )
    .digest()

/** Signs a context for one call, with the current key or a given one. */
export const sign = (
  keys: ContextKeys,
  claims: Claims,
  target: Target,
  body: Uint8Array,
  keyId: string = keys.current
): string => {
  const secret = keys.secrets.get(keyId)
  if (secret === undefined) throw new Error(`There is no context key with the id ${keyId}`)
  const payload = Buffer.from(JSON.stringify(claims)).toString("base64url")
  return `${version}.${keyId}.${payload}.${mac(secret, keyId, payload, target, body).toString("base64url")}`
}

const refuse = (reason: string) => Result.fail(new Unauthenticated({ reason }))

/** Checks a context against the call it came with. `first` is false once an earlier attempt was accepted. */
export const verify = (
  keys: ContextKeys,
  text: string | undefined,
  target: Target,
  body: Uint8Array,
  moment: { readonly now: number; readonly first: boolean }
): Result.Result<Verified, Unauthenticated> => {
  if (text === undefined) return refuse("a call to a handler needs a signed context; call through Tenon's doors")
  const [form, keyId, payload, signature, ...rest] = text.split(".")
  if (form !== version || keyId === undefined || payload === undefined || signature === undefined || rest.length > 0) {
    return refuse("the context is malformed")
  }
  const secret = keys.secrets.get(keyId)
  if (secret === undefined) return refuse("the context is signed with an unknown key")
  const given = Buffer.from(signature, "base64url")
  const expected = mac(secret, keyId, payload, target, body)
  if (given.length !== expected.length || !NodeCrypto.timingSafeEqual(given, expected)) {
    return refuse("the context is not signed for this call")
  }
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Claims
  if (moment.first && claims.expires !== undefined && moment.now >= claims.expires) {
    return refuse("the context expired before the call was accepted")
  }
  return Result.succeed({ claims, keyId })
}

const digest = (text: string) => NodeCrypto.hash("sha256", text, "base64url").slice(0, 24)

/** An id for a call that nothing was asked for before. */
export const newId = (): string => NodeCrypto.randomBytes(18).toString("base64url")

/** The id of the n-th thing that follows from a call: the same at every replay, and of the same length at any depth. */
export const follow = (id: string, index: number): string => digest(`${id}/${index}`)

/** The id of a call that others may ask for again by a name of their own. */
export const named = (...names: ReadonlyArray<string>): string => digest(JSON.stringify(names))

/**
 * The same as an idempotency key for the ingress, which gives an invocation's output to whoever knows its key: only who
 * has the context key can make it. After a rotation it is another, and what was accepted before may be accepted again;
 * the receipt of the call's id keeps it from being done twice.
 */
export const secretly = (keys: ContextKeys, id: string): string => {
  const secret = keys.secrets.get(keys.current)
  if (secret === undefined) throw new Error(`There is no context key with the id ${keys.current}`)
  return NodeCrypto.createHmac("sha256", secret)
    .update(JSON.stringify(["ingress", id]))
    .digest("base64url")
    .slice(0, 24)
}
