import * as AuthConfig from "@tenon/cli/AuthConfig"
import * as ApiKeys from "@tenon/core/ApiKeys"
import * as Tenants from "@tenon/core/Tenants"
import { assert, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const built = (env: { readonly [name: string]: string }) =>
  Layer.build(AuthConfig.layer).pipe(
    Effect.provide([
      ApiKeys.layerMemory,
      Tenants.layerOf(new Map()),
      ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
    ]),
    Effect.scoped
  )

const tokens = { JWT_ISSUER: "https://issuer.test", JWT_AUDIENCE: "tenon" }
const [secret, url] = [{ JWT_SECRET: "s".repeat(32) }, { JWT_JWKS_URL: "https://issuer.test/keys" }]

it.effect("tokens are of one kind: a secret and a URL of keys at once are refused", () =>
  Effect.gen(function* () {
    for (const env of [{}, { ...tokens, ...secret }, { ...tokens, ...url }]) yield* built(env)
    const refusal = yield* Effect.flip(built({ ...tokens, ...secret, ...url }))
    assert.include(refusal.message, "JWT_JWKS_URL and JWT_SECRET are both set")
  })
)
