/** Key sets from a file and from a server on this machine. */
import * as Keys from "@tenon/routing-slip/Keys"
import * as KeysFile from "@tenon/routing-slip/KeysFile"
import * as KeysUrl from "@tenon/routing-slip/KeysUrl"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as TestClock from "effect/testing/TestClock"
import * as TokenEndpoint from "../support/TokenEndpoint.ts"

const find = (kid: string) => Effect.flatMap(Keys.Keys, (keys) => keys.find(kid))

const pair = Effect.all({
  old: Keys.generate("old", "sig", { activities: ["alpha"] }),
  next: Keys.generate("next", "sig", { activities: ["alpha"] })
})

describe("a key set of a file", () => {
  it.effect("is read again after a second, survives a half-written file, and heeds a revocation", () =>
    Effect.gen(function* () {
      const { next, old } = yield* pair
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/jwks.json`
      const write = (text: string) => files.writeFileString(path, text)
      const set = (...keys: ReadonlyArray<Keys.PublicKey>) => write(JSON.stringify({ keys }))
      yield* set(old.publicKey)
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* find("old"))?.kid, "old")
        yield* set(old.publicKey, next.publicKey)
        yield* TestClock.adjust("1100 millis")
        assert.strictEqual((yield* find("next"))?.kid, "next", "old and new overlap")
        assert.strictEqual((yield* find("old"))?.kid, "old")
        yield* write('{"keys":[{"kty":"OK')
        yield* TestClock.adjust("1100 millis")
        assert.strictEqual((yield* find("next"))?.kid, "next")
        yield* write('{"keys":[],"keys":[]}')
        yield* TestClock.adjust("1100 millis")
        assert.strictEqual((yield* find("next"))?.kid, "next", "a set with a key twice is not one")
        yield* set({ ...old.publicKey, tenon: { revoked: true } }, next.publicKey)
        yield* TestClock.adjust("1100 millis")
        assert.isTrue((yield* find("old"))?.grants.revoked)
      }).pipe(Effect.provide(KeysFile.layer({ path })))
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )
})

describe("a key set of a server", () => {
  it.effect("is fetched when it is needed, not more often than its cool-down, and not trusted for ever", () =>
    Effect.gen(function* () {
      const { next, old } = yield* pair
      const server = yield* TokenEndpoint.make
      const set = (...keys: ReadonlyArray<Keys.PublicKey>) => (server.state.mode = TokenEndpoint.json(200, { keys }))
      set(old.publicKey)
      yield* Effect.gen(function* () {
        assert.strictEqual(server.asked.length, 0)
        yield* Effect.all(
          Array.from({ length: 10 }, () => find("old")),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(server.asked.length, 1)
        set(old.publicKey, next.publicKey)
        for (let count = 0; count < 10; count++) assert.isUndefined(yield* find(`made up ${count}`))
        assert.strictEqual(server.asked.length, 1, "unknown names do not make it a flood")
        yield* TestClock.adjust("11 seconds")
        assert.strictEqual((yield* find("next"))?.kid, "next")
        assert.strictEqual(server.asked.length, 2)
        for (const [answer, status] of [
          ["<html>", 200],
          [{ keys: [] }, 500],
          [{ nothing: [] }, 200]
        ] as const) {
          server.state.mode = TokenEndpoint.json(status, answer)
          yield* TestClock.adjust("5 minutes")
          assert.strictEqual((yield* find("old"))?.kid, "old", "what was read stays for an hour")
        }
        yield* TestClock.adjust("50 minutes")
        assert.strictEqual((yield* Effect.flip(find("old")))._tag, "Unavailable")
        set(next.publicKey)
        yield* TestClock.adjust("11 seconds")
        assert.isUndefined(yield* find("old"))
      }).pipe(
        Effect.provide(
          KeysUrl.layer({ url: server.url, maxAge: "1 minute" }).pipe(Layer.provide(FetchHttpClient.layer))
        )
      )
    }).pipe(Effect.scoped)
  )

  it.effect("is never fetched over the network in clear", () =>
    Effect.gen(function* () {
      const layer = KeysUrl.layer({ url: "http://keys.example/jwks" }).pipe(Layer.provide(FetchHttpClient.layer))
      const exit = yield* Effect.exit(Effect.provide(find("k"), layer))
      assert.include(exit._tag === "Failure" ? Cause.pretty(exit.cause) : "", "TLS")
    })
  )
})
