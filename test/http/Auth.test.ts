import { assert, it } from "@effect/vitest"
import * as ApiKeys from "@tenon/core/ApiKeys"
import { Unavailable } from "@tenon/core/Failure"
import type * as Tenants from "@tenon/core/Tenants"
import { ActiveTenants } from "@tenon/http/ActiveTenants"
import type * as Auth from "@tenon/http/Auth"
import * as Jwt from "@tenon/http/Jwt"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Redacted from "effect/Redacted"
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Api, audience, issuer, layer, secret, statuses, token } from "../support/HttpDomain.ts"

const withoutTestServices = { excludeTestServices: true }
const shared: Jwt.Options = { keys: { secret: Redacted.make(secret) }, issuer, audience }
const path = "/api/v1/widgets"

it.layer(layer(), withoutTestServices)("tokens", (it) => {
  it.effect("are needed", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const answer = yield* call("GET", path, { token: "" })
      assert.strictEqual(answer.status, 401)
      assert.strictEqual(answer.headers.get("www-authenticate"), 'Bearer realm="tenon"')
      assert.strictEqual(answer.json.tag, "Unauthenticated")
    })
  )

  it.effect("that are forged, stale or meant for others are refused, and say nothing of themselves", () =>
    Effect.gen(function* () {
      const { admin, call } = yield* Api
      const now = Math.floor(Date.now() / 1000)
      const [header = "", payload = "", signature = ""] = admin.split(".")
      const unsecured = new UnsecuredJWT({ tenant_id: "tenant-a", roles: ["admin"] })
        .setSubject("ada")
        .setIssuer(issuer)
        .setAudience(audience)
        .setExpirationTime("1h")
        .encode()
      const otherPayload = Buffer.from(
        JSON.stringify({ ...JSON.parse(Buffer.from(payload, "base64url").toString()), tenant_id: "tenant-b" })
      ).toString("base64url")
      const made = yield* Effect.promise(() =>
        Promise.all([
          token("tenant-a", ["admin"], (jwt) => jwt.setExpirationTime(now - 60)),
          token("tenant-a", ["admin"], (jwt) => jwt.setNotBefore(now + 600)),
          token("tenant-a", ["admin"], (jwt) => jwt.setAudience("another")),
          token("tenant-a", ["admin"], (jwt) => jwt.setIssuer("https://evil.test")),
          token("tenant-a", ["admin"], (jwt) => jwt, "another secret that is long enough too"),
          new SignJWT({ tenant_id: "tenant-a" })
            .setProtectedHeader({ alg: "HS512" })
            .setSubject("ada")
            .setIssuer(issuer)
            .setAudience(audience)
            .setExpirationTime("1h")
            .sign(new TextEncoder().encode(secret)),
          token("", ["admin"]),
          token("tenant\u0000", ["admin"]),
          new SignJWT({ tenant_id: "tenant-a" })
            .setProtectedHeader({ alg: "HS256" })
            .setSubject("ada")
            .setIssuer(issuer)
            .setAudience(audience)
            .sign(new TextEncoder().encode(secret)),
          new SignJWT({ tenant_id: { $ne: null } })
            .setProtectedHeader({ alg: "HS256" })
            .setSubject("ada")
            .setIssuer(issuer)
            .setAudience(audience)
            .setExpirationTime("1h")
            .sign(new TextEncoder().encode(secret))
        ])
      )
      const bad = [
        ...made,
        unsecured,
        `${header}.${otherPayload}.${signature}`,
        `${header}.${payload}.`,
        `${header}.${payload}`,
        "abc",
        "a.b.c",
        "x".repeat(9_000),
        "tenon_unknown"
      ]
      for (const each of bad) {
        const answer = yield* call("GET", path, { token: each })
        assert.strictEqual(answer.status, 401, each.slice(0, 200))
        assert.strictEqual(answer.headers.get("www-authenticate"), 'Bearer realm="tenon", error="invalid_token"')
        assert.notInclude(answer.text, each)
      }
      assert.strictEqual((yield* call("GET", path)).status, 200)
    })
  )

  it.effect("come one at a time, in a header", () =>
    Effect.gen(function* () {
      const { admin, call } = yield* Api
      const both = yield* call("GET", path, { headers: { "x-api-key": "tenon_abc" } })
      assert.strictEqual(both.status, 401)
      const basic = yield* call("GET", path, { token: "", headers: { authorization: "Basic YTpi" } })
      assert.strictEqual(basic.status, 401)
      const jwtAsKey = yield* call("GET", path, { token: "", headers: { "x-api-key": admin } })
      assert.strictEqual(jwtAsKey.status, 401)
      const inUrl = yield* call("GET", `${path}?access_token=${admin}`, { token: "" })
      assert.strictEqual(inUrl.status, 401)
      assert.notInclude(inUrl.text, admin)
    })
  )

  it.effect("allow by role, and never the framework's own", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const matrix: ReadonlyArray<readonly [string, number, number, number, number]> = [
        ["viewer", 200, 403, 403, 403],
        ["editor", 200, 201, 200, 403],
        ["admin", 200, 201, 200, 204],
        ["system", 403, 403, 403, 403],
        ["stranger", 403, 403, 403, 403]
      ]
      for (const [role, read, create, update, destroy] of matrix) {
        const as = { token: yield* Effect.promise(() => token("tenant-a", [role])) }
        const made = yield* call("POST", path, { body: { name: "theirs" } })
        const at = `${path}/${made.json.id}`
        assert.strictEqual((yield* call("GET", path, as)).status, read, `${role} list`)
        assert.strictEqual((yield* call("GET", at, as)).status, read, `${role} read`)
        assert.strictEqual((yield* call("POST", path, { ...as, body: { name: "x" } })).status, create, `${role} create`)
        assert.strictEqual((yield* call("POST", `${at}/deactivate`, as)).status, update, `${role} update`)
        const removed = yield* call("DELETE", at, as)
        assert.strictEqual(removed.status, destroy, `${role} destroy`)
        if (destroy === 403) assert.strictEqual(removed.json.tag, "Forbidden")
      }
    })
  )

  it.effect("are asked about the row by a policy over rows", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const made = yield* call("POST", "/api/v1/gadgets", { body: { name: "owned", pin: "1" } })
      const bob = yield* Effect.promise(() => token("tenant-a", ["admin"], (jwt) => jwt.setSubject("bob")))
      const own = `/api/v1/gadgets/${made.json.id}/own`
      assert.strictEqual((yield* call("POST", own)).status, 204)
      assert.strictEqual((yield* call("POST", own, { token: bob })).status, 403)
    })
  )
})

const quick: Auth.Options = { jwt: shared, rememberMillis: 50 }

it.layer(layer({}, quick), withoutTestServices)("API keys", (it) => {
  it.effect("let in until they are revoked or expire", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const keys = yield* ApiKeys.ApiKeys
      const { key, secret } = yield* ApiKeys.create({ tenantId: "tenant-a", name: "ci", roles: ["editor"] })
      const value = Redacted.value(secret)
      assert.match(value, /^tenon_[A-Za-z0-9_-]{43}$/)
      const asBearer = yield* call("POST", path, { token: value, body: { name: "by key" } })
      assert.strictEqual(asBearer.status, 201)
      const asHeader = yield* call("GET", path, { token: "", headers: { "x-api-key": value } })
      assert.strictEqual(asHeader.json.items.length, 1)
      assert.strictEqual((yield* call("DELETE", `${path}/x`, { token: value })).status, 403)
      assert.isFalse(yield* keys.revoke("tenant-b", key.id, Date.now()))
      assert.isTrue(yield* keys.revoke("tenant-a", key.id, Date.now()))
      yield* Effect.sleep("80 millis")
      const revoked = yield* call("GET", path, { token: value })
      assert.strictEqual(revoked.status, 401)
      assert.include(revoked.json.detail, "revoked")
      const brief = yield* ApiKeys.create({ tenantId: "tenant-a", name: "x", roles: [], expiresAt: Date.now() - 1 })
      assert.strictEqual((yield* call("GET", path, { token: Redacted.value(brief.secret) })).status, 401)
      const wrong = yield* Effect.flip(ApiKeys.create({ tenantId: "tenant-a", name: "x", roles: ["system"] }))
      assert.strictEqual(wrong._tag, "InvalidInput")
      const listed = yield* keys.list("tenant-a")
      assert.strictEqual(listed.length, 2)
      assert.notInclude(JSON.stringify(listed), value)
      for (const each of listed) assert.notProperty(each, "hash")
    })
  )
})

it.layer(layer({}, quick), withoutTestServices)("a tenant that is suspended", (it) => {
  it.effect("has its tokens refused until it is active again, and nobody else's", () =>
    Effect.gen(function* () {
      const { call, other } = yield* Api
      const status = (with_?: string) =>
        Effect.map(call("GET", path, with_ === undefined ? {} : { token: with_ }), (answer) => answer.status)
      assert.strictEqual(yield* status(), 200)
      for (const [standing, expected] of [
        ["suspended", 401],
        ["active", 200],
        ["erased", 401]
      ] as const) {
        statuses.set("tenant-a", standing)
        yield* Effect.sleep("80 millis")
        assert.strictEqual(yield* status(), expected, standing)
        assert.strictEqual(yield* status(other), 200)
      }
      statuses.delete("tenant-a")
    })
  )
})

it.effect("how a tenant stands is asked for beside requests, never too late, and nobody is let in unknown", () =>
  Effect.gen(function* () {
    let asked = 0
    let answer: Effect.Effect<Tenants.Status | undefined, Unavailable> = Effect.succeed("active")
    const tenants = new ActiveTenants(
      {
        status: () => Effect.suspend(() => (asked++, Effect.delay(answer, "10 millis"))),
        atWork: () => Effect.succeed([])
      },
      100,
      2
    )
    const at = (now: number, tenantId = "t") => tenants.isActive(tenantId, now)
    const cold = yield* Effect.forkChild(at(0))
    yield* TestClock.adjust("10 millis")
    assert.isTrue(yield* Fiber.join(cold))
    // Known: answered at once, at any rate of requests; halfway there one of them has it looked up again.
    for (const now of [1, 49, 60, 61, 99]) assert.isTrue(yield* at(now))
    assert.strictEqual(asked, 1)
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(asked, 2)
    yield* TestClock.adjust("10 millis")
    assert.isTrue(yield* at(150))
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(asked, 3)
    answer = Effect.fail(new Unavailable({ what: "The database" }))
    yield* TestClock.adjust("10 millis")
    // What was known when the store went away counts until it is too old, and then nobody gets in.
    assert.isTrue(yield* at(200))
    const late = yield* Effect.forkChild(Effect.flip(at(250)))
    yield* TestClock.adjust("10 millis")
    assert.strictEqual((yield* Fiber.join(late))._tag, "Unavailable")
  })
)

const issuerKeys = async (kid: string) => {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" }
  return { jwk, privateKey, publicKey }
}

const signed = (key: Awaited<ReturnType<typeof generateKeyPair>>["privateKey"], kid: string, tenantId = "tenant-a") =>
  new SignJWT({ org: { tenant: tenantId }, realm_access: { roles: ["admin"] } })
    .setProtectedHeader({ alg: "ES256", kid })
    .setSubject("ada")
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime("1h")
    .sign(key)

const jwks: { keys: Array<object>; fetched: number; broken: boolean } = { keys: [], fetched: 0, broken: false }
const jwksServer = createServer((_, response) => {
  jwks.fetched++
  response.writeHead(jwks.broken ? 500 : 200, { "content-type": "application/json" })
  response.end(JSON.stringify({ keys: jwks.keys }))
})
await new Promise<void>((resolve) => jwksServer.listen(0, "127.0.0.1", resolve))
jwksServer.unref()
const byKeySet: Auth.Options = {
  rememberMillis: 0,
  jwt: {
    keys: {
      jwksUrl: `http://127.0.0.1:${(jwksServer.address() as AddressInfo).port}/`,
      cooldownMillis: 20,
      maxAgeMillis: 150
    },
    issuer,
    audience,
    claims: { tenant: ["org", "tenant"], roles: ["realm_access", "roles"] }
  }
}

it.layer(layer({}, byKeySet), withoutTestServices)("a key set", (it) => {
  it.effect("rotates", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const [one, two] = yield* Effect.promise(() => Promise.all([issuerKeys("one"), issuerKeys("two")]))
      jwks.keys = [one.jwk]
      const first = yield* Effect.promise(() => signed(one.privateKey, "one"))
      for (let count = 0; count < 3; count++)
        assert.strictEqual((yield* call("GET", path, { token: first })).status, 200)
      assert.strictEqual(jwks.fetched, 1)
      jwks.keys = [one.jwk, two.jwk]
      yield* Effect.sleep("30 millis")
      const second = yield* Effect.promise(() => signed(two.privateKey, "two"))
      assert.strictEqual((yield* call("GET", path, { token: second })).status, 200)
      jwks.keys = [two.jwk]
      yield* Effect.sleep("200 millis")
      const removed = yield* call("GET", path, { token: first })
      assert.strictEqual(removed.status, 401)
      const pem = yield* Effect.promise(() => exportSPKI(two.publicKey))
      const confused = yield* Effect.promise(() =>
        new SignJWT({ org: { tenant: "tenant-a" } })
          .setProtectedHeader({ alg: "HS256", kid: "two" })
          .setSubject("ada")
          .setIssuer(issuer)
          .setAudience(audience)
          .setExpirationTime("1h")
          .sign(new TextEncoder().encode(pem))
      )
      assert.strictEqual((yield* call("GET", path, { token: confused })).status, 401)
      jwks.broken = true
      yield* Effect.sleep("200 millis")
      const unreachable = yield* call("GET", path, { token: second })
      assert.strictEqual(unreachable.status, 503)
      assert.strictEqual(unreachable.json.tag, "Unavailable")
    })
  )
})

it("a configuration that mixes public keys and shared secrets is refused at once", () => {
  assert.throws(() => Jwt.make({ ...shared, algorithms: ["RS256"] }), /does not go with/)
  assert.throws(() => Jwt.make({ ...shared, algorithms: ["none"] }), /does not go with/)
  assert.throws(() => Jwt.make({ ...shared, keys: { secret: Redacted.make("short") } }), /32 bytes/)
  assert.throws(
    () => Jwt.make({ ...shared, keys: { jwksUrl: "https://x.test" }, algorithms: ["HS256"] }),
    /does not go with/
  )
})
