/**
 * Gets the tokens that activities call others with. While a slip goes forward, its user's token is exchanged for one
 * that is good for one audience only (OAuth 2.0 Token Exchange, RFC 8693); while it turns back, the workload asks in
 * its own name, since what was begun must be undone whether or not the user is still there.
 *
 * Implementations: `layerMemory` here, for tests and a single process, and `TokenExchangeHttp`, over a token endpoint.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { digest } from "./Security.ts"

/** Whom a token is to be good for, as RFC 8693 section 2.1 names it. */
export interface Target {
  readonly audience: string
  /** The URI of the service, where the token endpoint wants one. */
  readonly resource?: string
  readonly scope?: ReadonlyArray<string>
}

/** A token that was issued. */
export interface Issued {
  readonly token: Redacted.Redacted<string>
  /** Milliseconds since 1970; undefined where the issuer does not say. */
  readonly expiresAt: number | undefined
}

/** The user's token is accepted no more, or there is none. A slip waits then, until it is given a fresh one. */
export class AuthorityExpired extends Schema.TaggedError<AuthorityExpired>()(
  "AuthorityExpired",
  { reason: Schema.String },
  { httpStatus: 401 }
) {
  override get message() {
    return `The user's authority is accepted no more: ${this.reason}.`
  }
}

/** The issuer does not let this user or this workload have such a token; a fresh token would not help. */
export class AuthorityRefused extends Schema.TaggedError<AuthorityRefused>()(
  "AuthorityRefused",
  { reason: Schema.String },
  { httpStatus: 403 }
) {
  override get message() {
    return `The authority for this step is refused: ${this.reason}.`
  }
}

/** The issuer did not answer, or not with a token; the same may succeed later. */
export class ExchangeUnavailable extends Schema.TaggedError<ExchangeUnavailable>()(
  "ExchangeUnavailable",
  { reason: Schema.String },
  { httpStatus: 503, retryable: true }
) {
  override get message() {
    return `No token could be had: ${this.reason}.`
  }
}

/** Why there is no token. */
export type ExchangeFailure = AuthorityExpired | AuthorityRefused | ExchangeUnavailable

/** Exchanges tokens. */
export class TokenExchange extends Context.Service<
  TokenExchange,
  {
    /** A token for the target on behalf of the user whose token is given. */
    readonly exchange: (subject: Redacted.Redacted<string>, target: Target) => Effect.Effect<Issued, ExchangeFailure>
    /** A token for the target in the workload's own name. */
    readonly workload: (target: Target) => Effect.Effect<Issued, AuthorityRefused | ExchangeUnavailable>
  }
>()("@tenon/routing-slip/TokenExchange") {}

/** Issues tokens that name their audience and whom they are for, by digest. They are worth nothing elsewhere. */
export const layerMemory = (
  options: {
    /** Whether a user's token is still accepted. Default: always. */
    readonly accepts?: (subject: Redacted.Redacted<string>, now: number) => boolean
  } = {}
): Layer.Layer<TokenExchange> =>
  Layer.succeed(TokenExchange, {
    exchange: (subject, { audience }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        options.accepts?.(subject, now) === false
          ? Effect.fail(new AuthorityExpired({ reason: "it is not accepted" }))
          : Effect.succeed({
              token: Redacted.make(`${audience} for ${digest(Redacted.value(subject))}`),
              expiresAt: undefined
            })
      ),
    workload: ({ audience }) =>
      Effect.succeed({ token: Redacted.make(`${audience} for the workload`), expiresAt: undefined })
  })
