/** `tenon key` on a real database: what it makes lets in, until it is revoked, and nothing shows a secret again. */
import * as ApiKeys from "@tenon/core/ApiKeys"
import * as Registry from "@tenon/core/Registry"
import * as ApiKeysSql from "@tenon/sql/ApiKeysSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as TenantSql from "@tenon/sql/TenantSql"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scratch from "../support/ScratchDatabase.ts"
import { tenon } from "../support/TenonInProcess.ts"

it.live("keys are made, listed without their secrets, and revoked, each tenant's for itself", () =>
  Effect.gen(function* () {
    const scratch = yield* Scratch.scratch()
    yield* Scratch.on(scratch)(Migrations.ensure({ registry: Registry.make({ resources: [] }) }))
    const DATABASE_URL = Scratch.urlOf(scratch.name)
    const run = (...args: ReadonlyArray<string>) => tenon(["key", ...args], { DATABASE_URL })
    const made = yield* run("create", "acme", "--name", "nightly", "--role", "reader", "--role", "clerk")
    assert.strictEqual(made.code, 0, made.stderr)
    const secret = made.stdout.trim()
    const json = yield* run(
      "create",
      "acme",
      "--name",
      "until",
      "--role",
      "reader",
      "--expires",
      "2999-01-31",
      "--json"
    )
    const second = JSON.parse(json.stdout)
    assert.strictEqual(second.expiresAt, "2999-01-31T00:00:00.000Z")

    const keys = ApiKeysSql.layer().pipe(Layer.provide(TenantSql.layer({ url: Redacted.make(DATABASE_URL) })))
    const found = Effect.flatMap(ApiKeys.hashOf(secret), (hash) =>
      Effect.flatMap(ApiKeys.ApiKeys, (store) => store.find(hash))
    ).pipe(Effect.provide(keys))
    assert.deepStrictEqual((yield* found)?.roles, ["reader", "clerk"])

    const listed = yield* run("list", "acme")
    assert.match(listed.stdout, /nightly +reader, clerk +good/)
    assert.notInclude(listed.stdout, secret)
    assert.include((yield* run("list", "other")).stdout, "other has no keys")
    const all: ReadonlyArray<{ readonly id: string; readonly name: string }> = JSON.parse(
      (yield* run("list", "acme", "--json")).stdout
    )
    assert.deepStrictEqual(
      all.map(({ name }) => name),
      ["nightly", "until"]
    )
    const id = all[0]?.id ?? ""
    const foreign = yield* run("revoke", "other", id)
    assert.strictEqual(foreign.code, 1)
    assert.include(foreign.stderr, id)
    assert.include((yield* run("revoke", "acme", id)).stdout, `Revoked ${id}`)
    assert.include((yield* run("revoke", "acme", id)).stdout, "was revoked before")
    assert.isDefined((yield* found)?.revokedAt)
    assert.match((yield* run("list", "acme")).stdout, /nightly +reader, clerk +revoked/)
  }).pipe(Effect.scoped)
)

it.live("a key for nobody, for the framework or for the past is refused", () =>
  Effect.gen(function* () {
    const scratch = yield* Scratch.scratch()
    yield* Scratch.on(scratch)(Migrations.ensure({ registry: Registry.make({ resources: [] }) }))
    const env = { DATABASE_URL: Scratch.urlOf(scratch.name) }
    const refused = (...args: ReadonlyArray<string>) =>
      Effect.map(tenon(["key", "create", ...args], env), ({ code, stderr, stdout }) => {
        assert.strictEqual(code, 1, stdout)
        assert.notInclude(stdout, ApiKeys.prefix)
        return stdout + stderr
      })
    assert.include(yield* refused("", "--name", "a", "--role", "reader"), "tenant")
    assert.include(yield* refused("acme", "--name", "a", "--role", "system"), "framework's own")
    assert.include(yield* refused("acme", "--name", "a", "--role", "reader", "--expires", "2020-01-01"), "has passed")
    yield* refused("acme", "--name", "a")
  }).pipe(Effect.scoped)
)
