import * as AuthConfig from "@tenon/cli/AuthConfig"
import * as ApiKeys from "@tenon/core/ApiKeys"
import * as Tenants from "@tenon/core/Tenants"
import * as Auth from "@tenon/http/Auth"
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Headers from "effect/http/Headers"
import { SignJWT } from "jose"

const layerOf = (env: { readonly [name: string]: string }) =>
  AuthConfig.layer.pipe(
    Layer.provide([
      ApiKeys.layerMemory,
      Tenants.layerOf(new Map()),
      ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
    ])
  )
const built = (env: { readonly [name: string]: string }) => Layer.build(layerOf(env)).pipe(Effect.scoped)

const tokens = { JWT_ISSUER: "https://issuer.test", JWT_AUDIENCE: "tenon" }
const [secret, url] = [{ JWT_SECRET: "s".repeat(32) }, { JWT_JWKS_URL: "https://issuer.test/keys" }]

it.effect("the claims that name tenant, subject and roles are said by name, or by the way to them", () =>
  Effect.gen(function* () {
    const env = {
      ...tokens,
      ...secret,
      JWT_TENANT_CLAIM: "https://issuer.test/tenant",
      JWT_SUBJECT_CLAIM: "email",
      JWT_ROLES_CLAIM: '["realm","roles"]'
    }
    const context = yield* layerOf(env).pipe(Layer.build)
    const token = yield* Effect.promise(() =>
      new SignJWT({
        "https://issuer.test/tenant": "acme",
        tenant_id: "globex",
        email: "ada@acme.test",
        realm: { roles: ["editor"] }
      })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject("ada")
        .setIssuer(tokens.JWT_ISSUER)
        .setAudience(tokens.JWT_AUDIENCE)
        .setExpirationTime("1h")
        .sign(new TextEncoder().encode(secret.JWT_SECRET))
    )
    const actor = yield* Context.get(context, Auth.Auth).authenticate(
      Headers.fromInput({ authorization: `Bearer ${token}` })
    )
    assert.deepInclude(actor, { id: "ada@acme.test", tenantId: "acme", roles: ["editor"] })
    for (const wrong of ["[]", '["a", 1]', "[a"]) {
      const refusal = yield* Effect.flip(built({ ...env, JWT_ROLES_CLAIM: wrong }))
      assert.include(refusal.message, "JWT_ROLES_CLAIM")
    }
  }).pipe(Effect.scoped)
)

it.effect("tokens are of one kind: a secret and a URL of keys at once are refused", () =>
  Effect.gen(function* () {
    for (const env of [{}, { ...tokens, ...secret }, { ...tokens, ...url }]) yield* built(env)
    const refusal = yield* Effect.flip(built({ ...tokens, ...secret, ...url }))
    assert.include(refusal.message, "JWT_JWKS_URL and JWT_SECRET are both set")
  })
)
