/**
 * What a worker demands of a message before it acts on it, and what it adds when it passes the message on.
 *
 * Implementations: `layerUnsigned` here, which trusts whoever can reach the queue (a single process, a test), and
 * `SecuritySigned`, which trusts nobody: every transition is signed and checked.
 */
import type { Unavailable } from "@tenon/core/Failure"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import type * as Envelope from "./Envelope.ts"
import { Refused } from "./Refused.ts"
import type { Transition } from "./Slip.ts"
import type { Unable } from "./Unable.ts"

/** A message that may be acted on. */
export interface Admitted {
  /** Names the content of the message: two messages for one step that differ in it are a fork. */
  readonly digest: string
  /** The place of the newest entry in the signed log; undefined where nothing is signed. */
  readonly index: number | undefined
  /** After this instant nothing more of its slip is begun; undefined where nothing is signed. */
  readonly expires?: number
}

/** The message that is to follow another. */
export interface Following {
  readonly messageId: string
  /** The queue it is for; null at the end of the slip. */
  readonly queue: string | null
  readonly transition: Transition
  /** The security contexts of branches: those that it joins, or those of a trunk that goes on without them. */
  readonly joined?: ReadonlyArray<Envelope.SecurityContext> | undefined
}

/** A digest as the signed log uses it: SHA-256, base64url. */
export const digest = (content: string | Uint8Array): string => hash("sha256", content, "base64url")

/** Names the content of a message that was admitted, as `Admitted.digest` does. */
export const digestOf = ({ headers }: Envelope.Envelope, body: Uint8Array): string =>
  digest(headers.security_context.jws_signature ?? body)

/** Where encrypted data belongs: nowhere else is it read. */
export interface Place {
  readonly tenantId: string
  readonly correlationId: string
  readonly activity: string
  readonly step: string
  /** Whether it is what doing the step takes, or what undoing it does. */
  readonly phase: "execute" | "compensate"
}

/** Encrypts with a key that was found before. */
export type Seal = (place: Omit<Place, "activity">, data: Schema.Json) => Effect.Effect<Envelope.Sealed>

/** Checks and proves. */
export class Security extends Context.Service<
  Security,
  {
    /** Accepts a message that came from a queue, or refuses it. `body` is what `envelope` was read from. */
    readonly admit: (
      envelope: Envelope.Envelope,
      body: Uint8Array,
      queue: string
    ) => Effect.Effect<Admitted, Refused | Unavailable>
    /** Whether others would accept now what this worker signs for an activity. Where not, it takes no messages. */
    readonly able: (activity: string) => Effect.Effect<void, Unable | Unavailable>
    /**
     * The same, before anything of a step is done, for the tenant of its slip too: what could not be passed on is not
     * done.
     */
    readonly ready: (
      envelope: Envelope.Envelope,
      activity: string
    ) => Effect.Effect<void, Refused | Unable | Unavailable>
    /** The security context of the message that follows `envelope`, proving the transition made by `activity`. */
    readonly prove: (
      envelope: Envelope.Envelope,
      activity: string,
      following: Following
    ) => Effect.Effect<Envelope.SecurityContext, Refused | Unable | Unavailable>
    /** Reads what may be encrypted for an activity, and belongs there. */
    readonly reveal: (place: Place, sealed: Envelope.Sealed) => Effect.Effect<Schema.Json, Refused | Unavailable>
    /** Finds the key to encrypt with for an activity, before there is anything to encrypt. */
    readonly sealing: (activity: string) => Effect.Effect<Seal, Refused | Unavailable>
  }
>()("@tenon/routing-slip/Security") {}

/** Trusts every message that is well formed. */
export const layerUnsigned: Layer.Layer<Security> = Layer.succeed(Security, {
  admit: (_, body) => Effect.succeed({ digest: digest(body), index: undefined }),
  able: () => Effect.void,
  ready: () => Effect.void,
  prove: ({ headers }) =>
    Effect.succeed({ obo_token: headers.security_context.obo_token, jws_signature: null, jws_log: [] }),
  reveal: (_, { data, encrypted }) =>
    encrypted
      ? Effect.fail(new Refused({ reason: "undecryptable", detail: "this worker has no keys to decrypt with" }))
      : Effect.succeed(data),
  sealing: () =>
    Effect.fail(new Refused({ reason: "undecryptable", detail: "this worker has no keys to encrypt with" }))
})
