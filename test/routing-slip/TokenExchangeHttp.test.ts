/** The token endpoint is a server on this machine that speaks RFC 8693. */
import * as TokenExchange from "@tenon/routing-slip/TokenExchange"
import * as TokenExchangeHttp from "@tenon/routing-slip/TokenExchangeHttp"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as TestClock from "effect/testing/TestClock"
import * as Jose from "jose"
import * as TokenEndpoint from "../support/TokenEndpoint.ts"

type Endpoint = Effect.Success<typeof TokenEndpoint.make>

const secret = Redacted.make("s3cret:&%")
const subject = (name = "ada's token") => Redacted.make(name)
const payments = { audience: "https://payments.example", scope: ["charge", "refund"] }

const over = (endpoint: Endpoint, options: Partial<TokenExchangeHttp.Options> = {}) =>
  TokenExchangeHttp.layer({
    endpoint: endpoint.url,
    client: { id: "worker one", secret },
    timeout: "10 seconds",
    retries: 0,
    ...options
  }).pipe(Layer.provide(FetchHttpClient.layer))

const exchange = (token = subject(), target: TokenExchange.Target = payments) =>
  Effect.flatMap(TokenExchange.TokenExchange, (tokens) => tokens.exchange(token, target))

const test = (
  name: string,
  body: (endpoint: Endpoint) => Effect.Effect<void, unknown, TokenExchange.TokenExchange>,
  options?: Partial<TokenExchangeHttp.Options>
) =>
  it.live(name, () =>
    Effect.scoped(
      Effect.flatMap(TokenEndpoint.make, (endpoint) => Effect.provide(body(endpoint), over(endpoint, options)))
    )
  )

/** The endpoint answers so; the exchange is to fail so. */
const failing = (
  name: string,
  mode: TokenEndpoint.Mode,
  tag: TokenExchange.ExchangeFailure["_tag"],
  options?: Partial<TokenExchangeHttp.Options>
) =>
  test(
    name,
    (endpoint) =>
      Effect.gen(function* () {
        endpoint.state.mode = mode
        const failure = yield* Effect.flip(exchange())
        assert.strictEqual(failure._tag, tag, failure.message)
        assert.notInclude(JSON.stringify(failure) + failure.message, "ada")
      }),
    options
  )

describe("an exchange of tokens", () => {
  test("asks as RFC 8693 has it and authenticates as RFC 6749 has it", (endpoint) =>
    Effect.gen(function* () {
      const { token } = yield* exchange()
      assert.strictEqual(Redacted.value(token), "https://payments.example for ada's token")
      assert.deepStrictEqual(endpoint.asked, [
        {
          authorization: `Basic ${btoa("worker+one:s3cret%3A%26%25")}`,
          form: {
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token: "ada's token",
            subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
            requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
            audience: "https://payments.example",
            scope: "charge refund"
          }
        }
      ])
    }))

  test(
    "names the workload as the actor, with a token read each time",
    (endpoint) =>
      Effect.gen(function* () {
        yield* exchange(subject("ada"))
        yield* exchange(subject("bob"))
        assert.deepStrictEqual(
          endpoint.asked.map(({ form }) => [form["actor_token"], form["actor_token_type"]]),
          [
            ["pod 1", "urn:ietf:params:oauth:token-type:jwt"],
            ["pod 2", "urn:ietf:params:oauth:token-type:jwt"]
          ]
        )
      }),
    {
      actor: {
        token: ((count) => Effect.sync(() => Redacted.make(`pod ${++count}`)))(0)
      }
    }
  )

  it.live("proves the workload by a key where it has one", () =>
    Effect.gen(function* () {
      const pair = yield* Effect.promise(() => Jose.generateKeyPair("ES256", { extractable: true }))
      const jwk = yield* Effect.promise(() => Jose.exportJWK(pair.privateKey))
      const endpoint = yield* TokenEndpoint.make
      const client = { id: "worker", key: Redacted.make({ ...jwk, alg: "ES256", kid: "k1" }) }
      yield* Effect.provide(exchange(), over(endpoint, { client }))
      const [asked] = endpoint.asked
      assert.isUndefined(asked?.authorization)
      const { payload, protectedHeader } = yield* Effect.promise(() =>
        Jose.jwtVerify(asked?.form["client_assertion"] ?? "", pair.publicKey, { audience: endpoint.url })
      )
      assert.deepStrictEqual([payload.iss, payload.sub, protectedHeader.kid], ["worker", "worker", "k1"])
    }).pipe(Effect.scoped)
  )

  test("is made once by many steps at once, and per user and target", (endpoint) =>
    Effect.gen(function* () {
      yield* Effect.all(
        Array.from({ length: 20 }, () => exchange()),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(endpoint.asked.length, 1)
      yield* exchange(subject("bob's token"))
      yield* exchange(subject(), { audience: "https://stock.example" })
      yield* exchange(subject(), { ...payments, scope: ["charge"] })
      assert.strictEqual(endpoint.asked.length, 4)
      yield* exchange()
      assert.strictEqual(endpoint.asked.length, 4)
    }))

  it.effect("is kept until shortly before its token expires, and never longer than its maximal age", () =>
    Effect.gen(function* () {
      const endpoint = yield* TokenEndpoint.make
      endpoint.state.expiresIn = 60
      const asks = (token: string) => Effect.as(exchange(subject(token)), endpoint.asked.length)
      yield* Effect.gen(function* () {
        yield* asks("ada")
        yield* TestClock.adjust("49 seconds")
        yield* asks("ada")
        assert.strictEqual(endpoint.asked.length, 1)
        yield* TestClock.adjust("2 seconds")
        yield* asks("ada")
        assert.strictEqual(endpoint.asked.length, 2, "in its last ten seconds it is not used any more")
        endpoint.state.expiresIn = 86_400
        yield* asks("bob")
        yield* TestClock.adjust("119 seconds")
        yield* asks("bob")
        assert.strictEqual(endpoint.asked.length, 3)
        yield* TestClock.adjust("2 seconds")
        yield* asks("bob")
        assert.strictEqual(endpoint.asked.length, 4)
      }).pipe(Effect.provide(over(endpoint, { maxAge: "2 minutes" })))
    }).pipe(Effect.scoped)
  )

  test("is not kept where the endpoint does not say for how long it is good, nor where it failed", (endpoint) =>
    Effect.gen(function* () {
      const answer = { access_token: "t", token_type: "bearer" }
      endpoint.state.mode = TokenEndpoint.json(200, answer)
      yield* exchange()
      yield* exchange()
      endpoint.state.mode = TokenEndpoint.json(400, { error: "invalid_grant" })
      yield* Effect.flip(exchange())
      endpoint.state.mode = TokenEndpoint.json(200, answer)
      yield* exchange()
      assert.strictEqual(endpoint.asked.length, 4)
    }))

  test("in the workload's own name sends no user's token", (endpoint) =>
    Effect.gen(function* () {
      const { token } = yield* (yield* TokenExchange.TokenExchange).workload(payments)
      assert.strictEqual(Redacted.value(token), "https://payments.example for the workload")
      assert.deepStrictEqual(endpoint.asked[0]?.form, {
        grant_type: "client_credentials",
        audience: "https://payments.example",
        scope: "charge refund"
      })
    }))

  test("of a token that says itself that it is over needs no endpoint", (endpoint) =>
    Effect.gen(function* () {
      const old = new Jose.UnsecuredJWT({ sub: "ada", exp: 1_000_000_000 }).encode()
      const failure = yield* Effect.flip(exchange(subject(old)))
      assert.strictEqual(failure._tag, "AuthorityExpired")
      assert.strictEqual(endpoint.asked.length, 0)
    }))

  test(
    "is tried again where the endpoint stumbles",
    (endpoint) =>
      Effect.gen(function* () {
        endpoint.state.mode = (response) => {
          endpoint.state.mode = "issue"
          TokenEndpoint.json(503, { error: "temporarily_unavailable" })(response)
        }
        yield* exchange()
        assert.strictEqual(endpoint.asked.length, 2)
      }),
    { retries: 1 }
  )

  for (const error of ["invalid_grant", "invalid_request", "invalid_token"]) {
    failing(`is over where the endpoint answers ${error}`, TokenEndpoint.json(400, { error }), "AuthorityExpired")
  }
  for (const error of ["invalid_target", "invalid_scope", "unauthorized_client", "access_denied"]) {
    failing(`is refused where the endpoint answers ${error}`, TokenEndpoint.json(400, { error }), "AuthorityRefused")
  }
  const later = (name: string, mode: TokenEndpoint.Mode) => failing(`waits for ${name}`, mode, "ExchangeUnavailable")
  failing("waits for a slow endpoint", "slow", "ExchangeUnavailable", { timeout: "150 millis" })
  later("an endpoint that hangs up", "hangUp")
  later("one that does not know the workload", TokenEndpoint.json(401, { error: "invalid_client" }))
  later("one that fails", TokenEndpoint.json(500, { error: "invalid_grant" }))
  later("one that has too much to do", TokenEndpoint.json(429, {}))
  later("an answer that is no JSON", TokenEndpoint.json(200, "<html>ada</html>"))
  later("an answer without a token", TokenEndpoint.json(200, { token_type: "Bearer" }))
  later(
    "an answer with two tokens",
    TokenEndpoint.json(200, '{"access_token":"a","access_token":"b","token_type":"Bearer"}')
  )
  later(
    "a token of a kind that needs more than its text",
    TokenEndpoint.json(200, { access_token: "t", token_type: "DPoP" })
  )
  later("a token that is over", TokenEndpoint.json(200, { access_token: "t", token_type: "Bearer", expires_in: -1 }))
  later(
    "a megabyte",
    TokenEndpoint.json(200, JSON.stringify({ access_token: "t".repeat(1_000_000), token_type: "Bearer" }))
  )
  later("a redirection, which is not followed", (response) =>
    response.writeHead(307, { location: "http://127.0.0.1:1/elsewhere" }).end("{}")
  )

  it.live("with an endpoint that is down waits", () =>
    Effect.gen(function* () {
      const endpoint = yield* Effect.scoped(TokenEndpoint.make)
      const failure = yield* Effect.flip(Effect.provide(exchange(), over(endpoint)))
      assert.strictEqual(failure._tag, "ExchangeUnavailable")
    })
  )

  it.live("is never made over the network in clear", () =>
    Effect.gen(function* () {
      const layer = TokenExchangeHttp.layer({ endpoint: "http://login.example/token", client: { id: "w", secret } })
      const exit = yield* Effect.exit(Effect.provide(exchange(), Layer.provide(layer, FetchHttpClient.layer)))
      assert.include(exit._tag === "Failure" ? Cause.pretty(exit.cause) : "", "TLS")
    })
  )

  it.live("leaves no token in logs", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(JSON.stringify(message)))
      const endpoint = yield* TokenEndpoint.make
      endpoint.lapsed.add("bob's token")
      yield* Effect.gen(function* () {
        yield* Effect.log("issued", yield* exchange())
        yield* Effect.log("failed", yield* Effect.flip(exchange(subject("bob's token"))))
      }).pipe(Effect.provide(Layer.mergeAll(over(endpoint), Logger.layer([logger]))))
      assert.strictEqual(lines.length, 2)
      assert.notMatch(lines.join(), /ada|bob|s3cret/)
    }).pipe(Effect.scoped)
  )
})
