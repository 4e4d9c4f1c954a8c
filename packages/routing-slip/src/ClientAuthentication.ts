/** How this workload proves who it is to a token endpoint (RFC 6749 section 2.3, RFC 7523 section 2.2). */
import { NewId } from "@tenon/core/NewId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Jose from "jose"

/** The workload as the endpoint knows it: by a shared secret, or by a key of which the endpoint has the public half. */
export type Client =
  | { readonly id: string; readonly secret: Redacted.Redacted<string> }
  | {
      readonly id: string
      /** A private JSON Web Key with `alg` and `kid`. */
      readonly key: Redacted.Redacted<Jose.JWK>
      /** What the endpoint calls itself, where that is not its URL. */
      readonly audience?: string
    }

/** Adds the proof to a request. */
export type Authenticate = Effect.Effect<{
  readonly headers: { readonly [name: string]: string }
  readonly params: { readonly [name: string]: string }
}>

/** As `application/x-www-form-urlencoded` writes a value, which RFC 6749 section 2.3.1 wants before Base64. */
const encoded = (value: string) => new URLSearchParams({ v: value }).toString().slice(2)

/** Prepares the proof. Dies where the key cannot be used. */
export const make = (client: Client, endpoint: string): Effect.Effect<Authenticate> => {
  if ("secret" in client) {
    const pair = `${encoded(client.id)}:${encoded(Redacted.value(client.secret))}`
    const headers = { authorization: `Basic ${Buffer.from(pair).toString("base64")}` }
    return Effect.succeed(Effect.succeed({ headers, params: {} }))
  }
  return Effect.gen(function* () {
    const { alg = "", kid = "", ...jwk } = Redacted.value(client.key)
    const key = yield* Effect.promise(() => Jose.importJWK({ ...jwk, alg }, alg))
    const generate = yield* NewId
    return Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const assertion = yield* Effect.promise(() =>
        new Jose.SignJWT()
          .setProtectedHeader({ alg, ...(kid === "" ? {} : { kid }) })
          .setIssuer(client.id)
          .setSubject(client.id)
          .setAudience(client.audience ?? endpoint)
          .setJti(generate(now))
          .setIssuedAt(Math.floor(now / 1_000))
          .setExpirationTime(Math.floor(now / 1_000) + 60)
          .sign(key)
      )
      return {
        headers: {},
        params: {
          client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
          client_assertion: assertion
        }
      }
    })
  })
}
