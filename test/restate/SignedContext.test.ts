import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as SignedContext from "@tenon/restate/SignedContext"
import * as Target from "@tenon/restate/Target"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

const body = new TextEncoder().encode('{"a":1}')
const target: Target.Target = { service: "Widget", handler: "deactivate", key: "tenant-a/1" }
const claims: SignedContext.Claims = { id: "x", actor: Testing.actor(), origin: "door", at: 0, expires: 1000 }
const keys = ContextKeys.random("one")
const signed = SignedContext.sign(keys, claims, target, body)
const before = { now: 999, first: true }

const reason = (checked: ReturnType<typeof SignedContext.verify>) =>
  Result.isFailure(checked) ? checked.failure.reason : "accepted"

describe("SignedContext", () => {
  it("is accepted for the call it was signed for", () => {
    const checked = SignedContext.verify(keys, signed, target, body, before)
    assert.deepStrictEqual(Result.getOrThrow(checked), { claims, keyId: "one" })
  })

  it("is refused for any other call, and where anything in it has changed", () => {
    const other = (change: Partial<Target.Target>) =>
      reason(SignedContext.verify(keys, signed, { ...target, ...change }, body, before))
    const wrong = "the context is not signed for this call"
    assert.strictEqual(other({ handler: "remove" }), wrong)
    assert.strictEqual(other({ service: "Thread" }), wrong)
    assert.strictEqual(other({ key: "tenant-a/2" }), wrong)
    assert.strictEqual(reason(SignedContext.verify(keys, signed, target, new Uint8Array(), before)), wrong)
    for (let index = 0; index < signed.length; index++) {
      const changed = signed.slice(0, index) + (signed[index] === "A" ? "B" : "A") + signed.slice(index + 1)
      const checked = SignedContext.verify(keys, changed, target, body, before)
      // The last character of base64url may hold bits that count for nothing.
      if (index < signed.length - 1) assert.isTrue(Result.isFailure(checked), `changed at ${index}`)
    }
    for (const text of [undefined, "", "1", "1.one", "1.one.e30", `${signed}.x`, "2" + signed.slice(1)]) {
      assert.isTrue(Result.isFailure(SignedContext.verify(keys, text, target, body, before)))
    }
  })

  it("expires before its first attempt, and never after one", () => {
    const at = (now: number, first: boolean) => reason(SignedContext.verify(keys, signed, target, body, { now, first }))
    assert.strictEqual(at(1000, true), "the context expired before the call was accepted")
    assert.strictEqual(at(1e15, false), "accepted")
  })

  it("says the same at every replay, so that the journal matches", () => {
    assert.strictEqual(SignedContext.sign(keys, claims, target, body), signed)
    assert.strictEqual(SignedContext.follow("x", 1), SignedContext.follow("x", 1))
    assert.notStrictEqual(SignedContext.follow("x", 1), SignedContext.follow("x", 11))
  })

  it.effect("outlives a change of keys for as long as the old one is listed", () =>
    Effect.gen(function* () {
      const [one, two] = ["a".repeat(32), "b".repeat(32)]
      const parse = (text: string) => ContextKeys.parse(Redacted.make(text))
      const old = SignedContext.sign(yield* parse(`one:${one}`), claims, target, body)
      const both = yield* parse(`two:${two},one:${one}`)
      assert.strictEqual(reason(SignedContext.verify(both, old, target, body, before)), "accepted")
      assert.match(SignedContext.sign(both, claims, target, body), /^1\.two\./)
      const gone = SignedContext.verify(yield* parse(`two:${two}`), old, target, body, before)
      assert.strictEqual(reason(gone), "the context is signed with an unknown key")
    })
  )

  it.effect("takes no weak, malformed or repeated key", () =>
    Effect.gen(function* () {
      const long = "a".repeat(32)
      for (const text of ["", long, "one:short", `one:${long},one:${long}`, `one:${long},`, `o.ne:${long}`]) {
        const error = yield* Effect.flip(ContextKeys.parse(Redacted.make(text)))
        assert.notInclude(error.message, "aaaa")
      }
    })
  )
})

describe("Target", () => {
  it("gives every pair of tenant and key its own key in Restate", () => {
    const parts = ["", "/", "a", "a/", "/a", "a/b", "%2F", "%", "%252F", "é"]
    const made = new Map<string, string>()
    for (const tenant of parts) {
      for (const key of parts) {
        const encoded = Target.keyOf(tenant, key)
        assert.isUndefined(made.get(encoded))
        made.set(encoded, key)
        assert.strictEqual(Target.ownKey(tenant, encoded), key)
        for (const other of parts) {
          if (other !== tenant) assert.isUndefined(Target.ownKey(other, encoded))
        }
      }
    }
  })
})
