/**
 * Exchanges tokens at a token endpoint: OAuth 2.0 Token Exchange (RFC 8693) on behalf of a user, client credentials
 * (RFC 6749 section 4.4) for the workload itself. What was issued is kept in this process's memory until shortly before
 * it expires, and asked for once however many steps want it.
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Jose from "jose"
import * as BoundedFetch from "./BoundedFetch.ts"
import * as ClientAuthentication from "./ClientAuthentication.ts"
import {
  AuthorityExpired,
  AuthorityRefused,
  type ExchangeFailure,
  ExchangeUnavailable,
  type Issued,
  type Target,
  TokenExchange
} from "./TokenExchange.ts"

/** How to reach the token endpoint. */
export interface Options {
  /** `https`, or a server on this machine. */
  readonly endpoint: string
  readonly client: ClientAuthentication.Client
  /** Who acts for the user, sent with each exchange; read each time, since such tokens are short-lived. */
  readonly actor?: {
    readonly token: Effect.Effect<Redacted.Redacted<string>, ExchangeUnavailable>
    readonly type?: string
  }
  /** The kind of token that slips travel with. Default an access token. */
  readonly subjectType?: string
  /** How long one request may take. Default 5 seconds. */
  readonly timeout?: Duration.Input
  /** How often a request is made again that got no answer or an error of the server. Default twice. */
  readonly retries?: number
  /**
   * How long a token is used at most, however long it is good for: so long a withdrawn authority may go unseen. Default
   * 5 minutes.
   */
  readonly maxAge?: Duration.Input
  /** How many tokens are kept. Default 1,000. */
  readonly capacity?: number
}

const tokenType = (name: string) => `urn:ietf:params:oauth:token-type:${name}`
const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"

/** A token is not used in its last seconds: the request that carries it takes time too. */
const margin = 10_000
/** How far the clocks of two machines may be apart, in milliseconds. */
const skew = 60_000

/** RFC 8693 section 2.2.1; `issued_token_type` is left to the endpoint, since client credentials have none. */
const Answer = Schema.Struct({
  access_token: Schema.NonEmptyString,
  token_type: Schema.String.check(Schema.isPattern(/^(bearer|n_a)$/i)),
  expires_in: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0)))
})
const decodeAnswer = Schema.decodeUnknownOption(Answer)
const decodeError = Schema.decodeUnknownOption(
  Schema.Struct({ error: Schema.String.check(Schema.isPattern(/^[a-z_]{1,64}$/)) })
)

/** Errors by which the endpoint says no for good, whatever token comes. */
const refusals = new Set(["invalid_target", "invalid_scope", "unauthorized_client", "access_denied"])
/** Errors by which it says that this token will not do; RFC 8693 section 2.2.2 has `invalid_request` for it. */
const lapses = new Set(["invalid_grant", "invalid_token", "invalid_request", "expired_token"])

const failureOf = (status: number, body: Schema.Json): ExchangeFailure => {
  const known = status >= 400 && status < 500 ? decodeError(body) : Option.none()
  // Only the code of the error is repeated: its description is the endpoint's and may say too much.
  const reason = Option.match(known, {
    onNone: () => `the token endpoint answers with status ${status}`,
    onSome: ({ error }) => `the token endpoint answers ${error}`
  })
  if (Option.isSome(known) && refusals.has(known.value.error)) return new AuthorityRefused({ reason })
  return Option.isSome(known) && lapses.has(known.value.error)
    ? new AuthorityExpired({ reason })
    : new ExchangeUnavailable({ reason })
}

/**
 * Whether a token says itself that it is over, so that nobody has to be asked. Others than JSON Web Tokens say nothing.
 */
const isOver = (token: Redacted.Redacted<string>, now: number): boolean => {
  try {
    const { exp } = Jose.decodeJwt(Redacted.value(token))
    return exp !== undefined && exp * 1_000 + skew < now
  } catch {
    return false
  }
}

const targetParams = ({ audience, resource, scope = [] }: Target) => ({
  audience,
  ...(resource === undefined ? {} : { resource }),
  ...(scope.length === 0 ? {} : { scope: scope.join(" ") })
})

/** What was issued, and for how many milliseconds that is good; 0 where the issuer does not say. */
interface Granted {
  readonly issued: Issued
  readonly goodFor: number
}

type Params = { readonly [name: string]: string }

/** Asks the endpoint once. */
const ask = (options: Options, authenticate: ClientAuthentication.Authenticate) => {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(options.timeout ?? "5 seconds"))
  return Effect.fnUntraced(function* (
    params: Params
  ): Effect.fn.Return<Granted, ExchangeFailure, HttpClient.HttpClient> {
    const { headers, params: own } = yield* authenticate
    const request = HttpClientRequest.post(options.endpoint).pipe(
      HttpClientRequest.acceptJson,
      HttpClientRequest.setHeaders(headers),
      HttpClientRequest.bodyUrlParams({ ...params, ...own })
    )
    const askedAt = yield* Clock.currentTimeMillis
    const { body, status } = yield* BoundedFetch.json(request, millis).pipe(
      Effect.catchTag("FetchFailed", ({ message }) =>
        Effect.fail(new ExchangeUnavailable({ reason: `of the token endpoint: ${message}` }))
      )
    )
    if (status !== 200) return yield* failureOf(status, body)
    const answer = decodeAnswer(body)
    if (Option.isNone(answer)) {
      return yield* new ExchangeUnavailable({ reason: "the token endpoint's answer is not one of RFC 8693" })
    }
    const { access_token, expires_in } = answer.value
    const goodFor = (expires_in ?? 0) * 1_000
    const expiresAt = expires_in === undefined ? undefined : askedAt + goodFor
    return { issued: { token: Redacted.make(access_token), expiresAt }, goodFor }
  })
}

/** What is asked for: two requests for the same share one answer. */
class Wanted implements Equal.Equal {
  readonly subject: Redacted.Redacted<string> | undefined
  readonly target: Target
  private readonly key: string
  constructor(subject: Redacted.Redacted<string> | undefined, target: Target) {
    this.subject = subject
    this.target = target
    const { audience, resource = null, scope = [] } = target
    this.key = JSON.stringify([subject === undefined ? null : Redacted.value(subject), audience, resource, scope])
  }
  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof Wanted && that.key === this.key
  }
  [Hash.symbol](): number {
    return Hash.string(this.key)
  }
}

/** Exchanges at the endpoint. Dies where secrets would go over the network in clear. */
export const layer = (options: Options): Layer.Layer<TokenExchange, never, HttpClient.HttpClient> =>
  Layer.effect(
    TokenExchange,
    Effect.gen(function* () {
      const url = new URL(options.endpoint)
      if (!BoundedFetch.isGuarded(url)) return yield* Effect.die(new Error(`${url.origin} is not reached over TLS`))
      const context = yield* Effect.context<HttpClient.HttpClient>()
      const once = ask(options, yield* ClientAuthentication.make(options.client, options.endpoint))
      const maxAge = Duration.toMillis(Duration.fromInputUnsafe(options.maxAge ?? "5 minutes"))

      const paramsOf = Effect.fnUntraced(function* ({ subject, target }: Wanted) {
        if (subject === undefined) return { grant_type: "client_credentials", ...targetParams(target) }
        const actor = options.actor === undefined ? undefined : Redacted.value(yield* options.actor.token)
        return {
          grant_type: exchangeGrant,
          subject_token: Redacted.value(subject),
          subject_token_type: options.subjectType ?? tokenType("access_token"),
          requested_token_type: tokenType("access_token"),
          ...targetParams(target),
          ...(actor === undefined
            ? {}
            : { actor_token: actor, actor_token_type: options.actor?.type ?? tokenType("jwt") })
        }
      })
      const cache = yield* Cache.makeWith<Wanted, Granted, ExchangeFailure>(
        (wanted) =>
          Effect.flatMap(paramsOf(wanted), once).pipe(
            Effect.retry({
              schedule: Schedule.jittered(Schedule.exponential("200 millis")),
              times: options.retries ?? 2,
              while: ({ _tag }) => _tag === "ExchangeUnavailable"
            }),
            Effect.provideContext(context)
          ),
        {
          capacity: options.capacity ?? 1_000,
          timeToLive: (exit) => (Exit.isSuccess(exit) ? Math.max(0, Math.min(maxAge, exit.value.goodFor - margin)) : 0)
        }
      )
      const issue = (subject: Redacted.Redacted<string> | undefined, target: Target) =>
        Effect.map(Cache.get(cache, new Wanted(subject, target)), ({ issued }) => issued)

      return TokenExchange.of({
        exchange: Effect.fn("TokenExchange.exchange")(function* (subject, target) {
          if (isOver(subject, yield* Clock.currentTimeMillis)) {
            return yield* new AuthorityExpired({ reason: "the token that the slip travels with has expired" })
          }
          return yield* issue(subject, target)
        }),
        workload: Effect.fn("TokenExchange.workload")((target) =>
          issue(undefined, target).pipe(
            // Nobody's token is in play: the workload itself is refused.
            Effect.catchTag("AuthorityExpired", ({ reason }) => Effect.fail(new AuthorityRefused({ reason })))
          )
        )
      })
    })
  )
