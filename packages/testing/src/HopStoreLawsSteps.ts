/** What a store of hops owes to the steps of slips, and to the workers and operators who move them. */
import { branchKey, type HopKey, HopStore, openingKey } from "@tenon/routing-slip/HopStore"
import { assert, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"

import { newKey, body, message, incoming, event, record, heldBy, dueOf } from "./HopStoreLawsSamples.ts"

export const declare = (it: Vitest.MethodsNonLive<HopStore>): void => {
  it.effect("a step belongs to one worker until its lease ends, and then to the next with a higher token", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const first = heldBy(key, yield* store.claim(key, incoming(), 300))
      assert.strictEqual((yield* store.claim(key, incoming(), 300))._tag, "Parked")
      assert.deepStrictEqual(yield* dueOf(key), [])
      yield* Effect.sleep("350 millis")
      assert.deepStrictEqual(yield* dueOf(key), ["incoming"], "what came meanwhile comes again")
      const second = yield* store.claim(key, incoming(), 10_000)
      assert.deepInclude(second, { _tag: "Claimed", claims: 2, failures: 0, uncertain: true })
      assert.isAbove(heldBy(key, second).token, first.token)
      const result = { outgoing: undefined, event: event("executed"), slip: record(key) }
      assert.strictEqual((yield* Effect.flip(store.complete(first, result)))._tag, "Fenced")
      assert.strictEqual((yield* Effect.flip(store.renew(first, 1_000)))._tag, "Fenced")
      const again = { incoming: message("incoming"), delay: 0, event: event("retrying") }
      assert.strictEqual((yield* Effect.flip(store.postpone(first, again)))._tag, "Fenced")
      assert.strictEqual((yield* Effect.flip(store.halt(first, again)))._tag, "Fenced")
      assert.deepStrictEqual(yield* store.events(key.tenantId, key.correlationId), [], "nothing of it was kept")
      assert.isUndefined(yield* store.slip(key.tenantId, key.correlationId))
    })
  )

  it.effect("whether it answers is said to however many ask at once", () =>
    Effect.gen(function* () {
      const { answers } = yield* HopStore
      yield* Effect.all(
        Array.from({ length: 20 }, () => answers),
        { concurrency: "unbounded" }
      )
    })
  )

  it.effect("of many that claim at once, one gets it", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const claims = yield* Effect.all(
        Array.from({ length: 20 }, () => store.claim(key, incoming(), 10_000)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(claims.filter(({ _tag }) => _tag === "Claimed").length, 1)
    })
  )

  it.effect("a lease that is renewed does not end; a claim that is released can be taken at once", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const held = heldBy(key, yield* store.claim(key, incoming(), 200))
      yield* store.renew(held, 10_000)
      yield* Effect.sleep("250 millis")
      assert.strictEqual((yield* store.claim(key, incoming(), 200))._tag, "Parked")
      yield* store.release(held, "d")
      const again = yield* store.claim(key, incoming(), 200)
      assert.deepInclude(again, { _tag: "Claimed", claims: 1, uncertain: true }, "it may have been at work")
    })
  )

  it.effect("a claim that the store has lost is known again once its worker gives it back; no other changes then", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      for (const index of [1, undefined]) {
        const lost = { key: newKey(), token: 1 }
        yield* store.release(lost, "d")
        yield* store.release(lost, "d")
        assert.strictEqual((yield* store.claim(lost.key, incoming("another", index), 10_000))._tag, "Forked")
        const claim = yield* store.claim(lost.key, incoming("d", index), 10_000)
        assert.deepInclude(claim, { _tag: "Claimed", uncertain: true })
        const held = heldBy(lost.key, claim)
        assert.isAbove(held.token, lost.token)
        yield* store.release(lost, "d")
        assert.strictEqual((yield* store.claim(lost.key, incoming("d", index), 10_000))._tag, "Parked")
        yield* store.complete(held, { outgoing: undefined, event: event("executed"), slip: record(lost.key) })
        yield* store.release(held, "d")
        assert.strictEqual((yield* store.claim(lost.key, incoming("d", index), 10_000))._tag, "Done")
      }
    })
  )

  it.effect("outcome, message, event and slip are stored at once; the message waits until it is dispatched", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      const slip = record(key)
      yield* store.complete(held, { outgoing: message("next"), event: event("executed"), slip })
      const events = yield* store.events(key.tenantId, key.correlationId)
      assert.deepStrictEqual(events, [{ ...event("executed"), seq: events[0]?.seq ?? 0 }])
      const found = yield* store.slip(key.tenantId, key.correlationId)
      assert.deepStrictEqual(
        { ...found, body: Array.from(found?.body ?? []) },
        { ...slip, body: Array.from(slip.body) }
      )
      assert.deepStrictEqual(yield* dueOf(key, 60_000), [], "its worker has time to publish it")
      const again = yield* store.claim(key, incoming(), 10_000)
      assert.strictEqual(again._tag === "Done" ? new TextDecoder().decode(again.outgoing?.body) : "", "next")
      assert.deepStrictEqual(yield* dueOf(key), ["next"])
      assert.deepStrictEqual(yield* dueOf(key, 60_000), [], "it is not given out twice in a row")
      yield* store.dispatched(key, "incoming")
      assert.deepStrictEqual(yield* dueOf(key), ["next"], "what was dispatched was another message")
      yield* store.dispatched(key, "next")
      assert.deepStrictEqual(yield* dueOf(key), [])
      yield* Effect.sleep("50 millis")
      const done = yield* store.claim(key, incoming(), 1)
      assert.deepInclude(done, { _tag: "Done", outgoing: undefined })
      assert.isAtLeast(done._tag === "Done" ? done.age : 0, 50)
      assert.isBelow(done._tag === "Done" ? done.age : 0, 10_000)
    })
  )

  it.effect("another message for a step, or for a place in the log, is a fork and leaves no trace", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      yield* store.claim(key, incoming("d1", 1), 10_000)
      assert.strictEqual((yield* store.claim(key, incoming("d2", 2), 10_000))._tag, "Forked")
      const other = { ...key, step: "2" }
      assert.strictEqual((yield* store.claim(other, incoming("d3", 1), 10_000))._tag, "Forked")
      assert.strictEqual((yield* store.claim(other, incoming("d4", 2), 10_000))._tag, "Claimed")
    })
  )

  it.effect(
    "a message that may begin nothing is taken only for a step that was claimed before, and leaves no trace",
    () =>
      Effect.gen(function* () {
        const store = yield* HopStore
        for (const index of [1, undefined]) {
          const key = newKey()
          const late = { ...incoming("d1", index), knownOnly: true }
          assert.deepStrictEqual(yield* store.claim(key, late, 10_000), { _tag: "Unknown" })
          assert.deepStrictEqual(yield* store.claim(key, late, 10_000), { _tag: "Unknown" })
          const first = yield* store.claim(key, incoming("d2", index), 10_000)
          assert.deepInclude(first, { _tag: "Claimed", claims: 1 })
          yield* store.release(heldBy(key, first), "d2")
          assert.strictEqual((yield* store.claim(key, late, 10_000))._tag, "Forked")
          const known = yield* store.claim(key, { ...late, digest: "d2" }, 10_000)
          assert.deepInclude(known, { _tag: "Claimed", uncertain: true })
        }
      })
  )

  it.effect("a lost claim of a step that had been set aside is known once its worker gives it back", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      for (const status of ["waiting", "suspended"] as const) {
        const key = newKey()
        yield* store.open(record(key), message("first"), event("dispatched"))
        yield* store.dispatched(openingKey(key), "first")
        const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
        const again = { incoming: message("later"), delay: 0, event: event("retrying") }
        yield* status === "waiting" ? store.postpone(held, again) : store.suspend(held, again)
        // Not of its own claim, which is over.
        yield* store.release(held, "d")
        yield* store.release({ key, token: held.token + 1 }, "d")
        assert.deepStrictEqual(yield* dueOf(key), ["later"])
        const next = yield* store.claim(key, incoming(), 10_000)
        assert.deepInclude(next, { _tag: "Claimed", uncertain: true })
        yield* store.postpone(heldBy(key, next), again)
      }
      const key = newKey()
      const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      yield* store.postpone(held, { incoming: message("later"), delay: 0, event: event("retrying") })
      yield* store.release(held, "d")
      assert.deepInclude(yield* store.claim(key, incoming(), 10_000), { _tag: "Claimed", uncertain: false })
    })
  )

  it.effect("a step that is refused after it was claimed does not come again by itself", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const claimed = (key: HopKey) => Effect.map(store.claim(key, incoming(), 10_000), (claim) => heldBy(key, claim))
      const key = newKey()
      const again = { incoming: message("later"), delay: 0, event: event("retrying") }
      yield* store.postpone(yield* claimed(key), again)
      assert.deepStrictEqual(yield* dueOf(key), ["later"])
      yield* store.release(yield* claimed(key), "d", { refused: true })
      assert.deepStrictEqual(yield* dueOf(key), [])
      const driven = yield* store.claim(key, incoming(), 10_000)
      assert.deepInclude(driven, { _tag: "Claimed", claims: 2, failures: 1, uncertain: true })
      yield* store.postpone(heldBy(key, driven), again)
      const held = yield* claimed(key)
      assert.strictEqual((yield* store.claim(key, incoming(), 10_000))._tag, "Parked")
      yield* store.release(held, "d", { refused: true })
      assert.deepStrictEqual(yield* dueOf(key), ["incoming"], "the broker may have no other")
      yield* store.release(yield* claimed(key), "d", { refused: true })
      assert.deepStrictEqual(yield* dueOf(key), [])
    })
  )

  it.effect("a step that is given back before it was begun is as certain as before", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      for (const refused of [true, false]) {
        const key = newKey()
        const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
        yield* store.release(held, "d", { unbegun: true, refused })
        yield* store.cancel(key.tenantId, key.correlationId, "grace")
        const again = yield* store.claim(key, incoming(), 10_000)
        assert.deepInclude(again, { _tag: "Claimed", claims: 1, uncertain: false, cancelledBy: "grace" })
        yield* store.release(held, "d", { unbegun: true })
        assert.strictEqual((yield* store.claim(key, incoming(), 10_000))._tag, "Parked", "it is another's claim")
        yield* store.release(heldBy(key, again), "d")
        const third = yield* store.claim(key, incoming(), 10_000)
        yield* store.release(heldBy(key, third), "d", { unbegun: true, refused })
        assert.deepInclude(yield* store.claim(key, incoming(), 10_000), { uncertain: true }, "from before")
        const lost = { key: newKey(), token: 1 }
        yield* store.release(lost, "d", { unbegun: true, refused })
        const found = yield* store.claim(lost.key, incoming(), 10_000)
        assert.deepInclude(found, { _tag: "Claimed", token: 2, uncertain: false })
        const later = { incoming: message("later"), delay: 0, event: event("retrying") }
        yield* store.postpone(heldBy(lost.key, found), later)
        yield* store.release({ ...lost, token: 3 }, "d", { unbegun: true })
        assert.deepInclude(yield* store.claim(lost.key, incoming(), 10_000), { _tag: "Claimed", uncertain: false })
      }
    })
  )

  it.effect("a postponed step comes again when its time has come, with its failures counted", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      yield* store.postpone(held, { incoming: message("later"), delay: 200, event: event("retrying") })
      assert.strictEqual((yield* store.claim(key, incoming(), 10_000))._tag, "Parked")
      assert.deepStrictEqual(yield* dueOf(key), [])
      yield* Effect.sleep("250 millis")
      assert.deepStrictEqual(yield* dueOf(key), ["later"])
      const again = yield* store.claim(key, incoming(), 10_000)
      assert.deepInclude(again, { _tag: "Claimed", failures: 1, claims: 2, uncertain: false })
    })
  )

  it.effect("a step that is postponed without blame, or suspended, counts neither failure nor crash", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const again = { incoming: message("later"), event: event("retrying") }
      const first = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      yield* store.postpone(first, { ...again, delay: 0, blameless: true, event: undefined })
      assert.deepStrictEqual(yield* store.events(key.tenantId, key.correlationId), [], "there was nothing to tell")
      assert.deepStrictEqual(yield* dueOf(key), ["later"])
      const second = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      yield* store.suspend(second, { ...again, delay: 1_000 })
      assert.deepStrictEqual(yield* dueOf(key), [])
      assert.strictEqual((yield* store.claim(key, incoming(), 10_000))._tag, "Parked")
      assert.strictEqual((yield* Effect.flip(store.suspend(second, { ...again, delay: 0 })))._tag, "Fenced")
      yield* Effect.sleep("1100 millis")
      assert.deepStrictEqual(yield* dueOf(key), ["later"], "its deadline wakes it")
      assert.deepInclude(yield* store.claim(key, incoming(), 10_000), {
        _tag: "Claimed",
        failures: 0,
        claims: 1,
        uncertain: false
      })
    })
  )

  it.effect("a suspended step is seen, and done with another message once it is reauthorised, by one of two", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      yield* store.open(record(key), message("first"), event("dispatched"))
      const held = heldBy(key, yield* store.claim(key, incoming("d1", 1), 10_000))
      yield* store.suspend(held, { incoming: message("old"), delay: undefined, event: event("suspended") })
      assert.strictEqual((yield* store.slip(key.tenantId, key.correlationId))?.status, "suspended")
      assert.deepStrictEqual(yield* dueOf(key), ["first"])
      const [waiting, ...others] = yield* store.suspended(key.tenantId, key.correlationId)
      assert.deepStrictEqual([waiting?.key, waiting?.message.id, others], [key, "old", []])
      assert.deepStrictEqual(yield* store.suspended("tenant-b", key.correlationId), [])

      const fresh = { digest: "d2", index: 2, branch: "", incoming: message("new") }
      const foreign = { ...key, tenantId: "tenant-b" }
      assert.strictEqual(
        (yield* Effect.flip(store.reauthorise(foreign, "old", fresh, event("reauthorised"))))._tag,
        "NotHalted"
      )
      yield* store.reauthorise(key, "old", fresh, event("reauthorised"))
      assert.strictEqual(
        (yield* Effect.flip(store.reauthorise(key, "old", fresh, event("reauthorised"))))._tag,
        "NotHalted"
      )
      assert.strictEqual((yield* store.slip(key.tenantId, key.correlationId))?.status, "executing")
      assert.include(yield* dueOf(key), "new")
      assert.strictEqual((yield* store.claim(key, incoming("d1", 1), 10_000))._tag, "Forked", "the old one is over")
      assert.deepInclude(yield* store.claim(key, incoming("d2", 2), 10_000), { _tag: "Claimed", claims: 1 })
      const told = yield* store.events(key.tenantId, key.correlationId)
      assert.deepStrictEqual(
        told.map(({ type }) => type),
        ["dispatched", "suspended", "reauthorised"]
      )
    })
  )

  it.effect("a suspended step is woken by an operator who resumes or cancels its slip", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      for (const wake of ["resume", "cancel"] as const) {
        const key = newKey()
        yield* store.open(record(key), message("first"), event("dispatched"))
        const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
        yield* store.suspend(held, { incoming: message("old"), delay: undefined, event: event("suspended") })
        if (wake === "resume") yield* store.resume(key.tenantId, key.correlationId)
        else yield* store.cancel(key.tenantId, key.correlationId, "grace")
        assert.include(yield* dueOf(key), "old")
        const cancelledBy = wake === "cancel" ? "grace" : undefined
        assert.deepInclude(yield* store.claim(key, incoming(), 10_000), { _tag: "Claimed", cancelledBy })
      }
    })
  )

  it.effect("what is told of a step may hold what a database's text cannot", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      yield* store.open(record(key), message("first"), { ...event("dispatched"), detail: "a\0b" })
      const told = { ...event("retrying"), detail: "nul \0, half \ud800" }
      const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      yield* store.postpone(held, { incoming: message("incoming"), delay: 0, event: told })
      yield* store.cancel(key.tenantId, key.correlationId, "eve\0")
      const again = yield* store.claim(key, incoming(), 10_000)
      const result = { outgoing: undefined, event: { ...told, type: "faulted" as const }, slip: record(key) }
      yield* store.complete(heldBy(key, again), result)
      const events = yield* store.events(key.tenantId, key.correlationId)
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["dispatched", "retrying", "faulted"]
      )
      for (const { detail } of events.slice(1)) assert.match(detail, /^nul .+, half .+$/u)
    })
  )

  it.effect("a step that was suspended anew is not sent on with what was signed for the message before", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      yield* store.open(record(key), message("first"), event("dispatched"))
      const suspend = (digest: string, index: number, id: string) =>
        Effect.flatMap(store.claim(key, incoming(digest, index), 10_000), (claim) =>
          store.suspend(heldBy(key, claim), {
            incoming: message(id),
            delay: undefined,
            event: event("suspended")
          })
        )
      yield* suspend("d1", 1, "old")
      const fresh = (digest: string) => ({ digest, index: 2, branch: "", incoming: message(digest) })
      yield* store.reauthorise(key, "old", fresh("d2"), event("reauthorised"))
      yield* suspend("d2", 2, "d2")
      // It had read the message before, and would fork the log.
      const late = store.reauthorise(key, "old", fresh("d3"), event("reauthorised"))
      assert.strictEqual((yield* Effect.flip(late))._tag, "NotHalted")
      assert.strictEqual((yield* store.slip(key.tenantId, key.correlationId))?.status, "suspended")
      const [waiting] = yield* store.suspended(key.tenantId, key.correlationId)
      assert.strictEqual(waiting?.message.id, "d2")
    })
  )

  it.effect("a step that is skipped leaves those of its slip that are suspended as they are", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      for (const first of ["halted", "suspended"] as const) {
        const key = newKey("compensate")
        const other = { ...key, step: "2", phase: "execute" } as const
        const status = Effect.map(store.slip(key.tenantId, key.correlationId), (slip) => slip?.status)
        yield* store.open(record(key), message("first"), event("dispatched"))
        const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
        const waiting = heldBy(other, yield* store.claim(other, incoming(), 10_000))
        const halt = store.halt(held, { incoming: message("halted"), event: event("halted") })
        const suspended = { incoming: message("old"), delay: undefined, event: event("suspended") }
        const both = [halt, store.suspend(waiting, suspended)]
        yield* Effect.all(first === "halted" ? both : both.toReversed())
        assert.strictEqual(yield* status, "halted", "what needs an operator is what a slip shows")
        yield* store.skip(key.tenantId, key.correlationId, { by: "grace" })
        assert.deepInclude(yield* store.claim(key, incoming(), 10_000), { _tag: "Claimed", skippedBy: "grace" })
        assert.strictEqual((yield* store.claim(other, incoming(), 10_000))._tag, "Parked")
        assert.strictEqual(yield* status, "suspended")
        yield* store.resume(key.tenantId, key.correlationId)
        const resumed = yield* store.claim(other, incoming(), 10_000)
        assert.deepInclude(resumed, { _tag: "Claimed", skippedBy: undefined })
        assert.strictEqual(yield* status, "executing")
      }
    })
  )

  it.effect("of several halted steps the one that is named is skipped, and no other", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey("compensate")
      const skip = (step?: string) => store.skip(key.tenantId, key.correlationId, { by: "grace", step })
      const status = Effect.map(store.slip(key.tenantId, key.correlationId), (slip) => slip?.status)
      const claim = (step: string) => store.claim({ ...key, step }, incoming(), 10_000)
      yield* store.open(record(key), message("first"), event("dispatched"))
      assert.strictEqual((yield* Effect.flip(skip()))._tag, "NotHalted")
      for (const step of ["3.2.1", "3.1.1"]) {
        const held = heldBy({ ...key, step }, yield* claim(step))
        yield* store.halt(held, { incoming: message(step), event: event("halted") })
      }
      const halted = ["3.1.1", "3.2.1"]
      assert.deepInclude(yield* Effect.flip(skip()), { _tag: "SkipUnclear", halted })
      assert.deepInclude(yield* Effect.flip(skip("3")), { _tag: "SkipUnclear", step: "3", halted })
      assert.deepInclude(yield* Effect.flip(skip("\0")), { _tag: "SkipUnclear", halted })
      assert.strictEqual((yield* claim("3.1.1"))._tag, "Parked")

      yield* skip("3.2.1")
      assert.deepInclude(yield* claim("3.2.1"), { _tag: "Claimed", skippedBy: "grace", claims: 1 })
      assert.strictEqual((yield* claim("3.1.1"))._tag, "Parked")
      assert.strictEqual(yield* status, "halted")
      assert.deepInclude(yield* Effect.flip(skip("3.2.1")), { _tag: "SkipUnclear", halted: ["3.1.1"] })
      yield* skip()
      assert.deepInclude(yield* claim("3.1.1"), { _tag: "Claimed", skippedBy: "grace" })
      assert.strictEqual(yield* status, "executing")
      assert.strictEqual((yield* Effect.flip(skip("3.1.1")))._tag, "NotHalted")
    })
  )

  it.effect("a step that was done before it was set aside is known to be uncertain when it comes again", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      for (const how of ["postpone", "halt"] as const) {
        const key = newKey()
        yield* store.open(record(key), message("first"), event("dispatched"))
        const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
        yield* store[how](held, { incoming: message("again"), delay: 0, event: event("halted"), uncertain: true })
        if (how === "halt") yield* store.resume(key.tenantId, key.correlationId)
        assert.deepInclude(yield* store.claim(key, incoming(), 10_000), { _tag: "Claimed", uncertain: true })
      }
    })
  )

  it.effect("a halted step waits for an operator, who may have it skipped", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey("compensate")
      yield* store.open(record(key, "compensating"), message("first"), event("dispatched"))
      const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      yield* store.halt(held, { incoming: message("halted"), event: event("halted") })
      assert.strictEqual((yield* store.slip(key.tenantId, key.correlationId))?.status, "halted")
      assert.strictEqual((yield* store.claim(key, incoming(), 10_000))._tag, "Parked")
      assert.deepStrictEqual(yield* dueOf(key), ["first"])
      assert.strictEqual((yield* Effect.flip(store.resume("tenant-b", key.correlationId)))._tag, "NotHalted")
      yield* store.skip(key.tenantId, key.correlationId, { by: "grace" })
      assert.include(yield* dueOf(key), "halted")
      assert.deepInclude(yield* store.claim(key, incoming(), 10_000), {
        _tag: "Claimed",
        skippedBy: "grace",
        claims: 1,
        failures: 0
      })
      assert.strictEqual((yield* Effect.flip(store.resume(key.tenantId, key.correlationId)))._tag, "NotHalted")
    })
  )

  it.effect("a cancelled slip does no further step, and what is halted of it still waits for an operator", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey("compensate")
      const other = { ...key, step: "2.1.1", phase: "execute" } as const
      const status = Effect.map(store.slip(key.tenantId, key.correlationId), (slip) => slip?.status)
      yield* store.open(record(key), message("first"), event("dispatched"))
      yield* store.dispatched(openingKey(key), "first")
      const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      yield* store.halt(held, { incoming: message("halted"), event: event("halted") })
      yield* store.cancel(key.tenantId, key.correlationId, "ada")
      yield* store.cancel(key.tenantId, key.correlationId, "eve")
      assert.strictEqual(yield* status, "halted")
      assert.deepStrictEqual(yield* dueOf(key), [], "nobody is asked to try it again")
      assert.strictEqual((yield* store.claim(key, incoming(), 10_000))._tag, "Parked")
      const next = yield* store.claim(other, incoming(), 10_000)
      assert.deepInclude(next, { _tag: "Claimed", cancelledBy: "ada" }, "the first who wanted it")
      yield* store.resume(key.tenantId, key.correlationId)
      assert.strictEqual(yield* status, "executing")
      const resumed = yield* store.claim(key, incoming(), 10_000)
      assert.deepInclude(resumed, { _tag: "Claimed", skippedBy: undefined })
    })
  )

  it.effect("branches wait for their time, arrive in one order for ever, and may be called off together", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      yield* store.open(record(key), message("first"), event("dispatched"))
      yield* store.dispatched({ ...key, step: "0" }, "first")
      const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      const further = ["1.1", "1.2"].map((branch, index) => ({
        key: branchKey(key, branch),
        message: message(branch),
        delay: index * 300
      }))
      const completion = { outgoing: undefined, further, event: event("scattered"), slip: undefined }
      yield* store.complete(held, { ...completion, closes: "1." })
      assert.strictEqual((yield* store.slip(key.tenantId, key.correlationId))?.status, "executing")
      assert.deepStrictEqual(yield* dueOf(key), ["1.1"])
      yield* store.dispatched(branchKey(key, "1.1"), "1.1")
      yield* Effect.sleep("350 millis")
      assert.deepStrictEqual(yield* dueOf(key), ["1.2"])

      const arrive = (branch: string, text = branch) =>
        Effect.map(store.arrive(key, "1/execute", { branch, body: body(text) }), (found) =>
          found.map((each) => `${each.branch} ${new TextDecoder().decode(each.body)}`)
        )
      assert.deepStrictEqual(yield* arrive("1.2"), ["1.2 1.2"])
      assert.deepStrictEqual(yield* arrive("1.1"), ["1.2 1.2", "1.1 1.1"])
      assert.deepStrictEqual(yield* arrive("1.2", "again"), ["1.2 1.2"], "the first answer stands")
      const many = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => arrive(`1.${index + 3}`)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        many.map((found) => found.length).toSorted((a, b) => a - b),
        Array.from({ length: 20 }, (_, index) => index + 3)
      )

      const within = { ...key, step: "1.1.1" }
      assert.deepInclude(yield* store.claim(within, incoming(), 10_000), { cancelledBy: "the gather" })
      const beside = { ...key, step: "10" }
      assert.deepInclude(yield* store.claim(beside, incoming(), 10_000), { cancelledBy: undefined })
    })
  )

  it.effect("one place of a log belongs to each of its branches", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const claim = (step: string, branch: string, digest: string) =>
        Effect.map(store.claim({ ...key, step }, { ...incoming(digest, 3), branch }, 10_000), ({ _tag }) => _tag)
      assert.strictEqual(yield* claim("1.1.1", "1.1", "d1"), "Claimed")
      assert.strictEqual(yield* claim("1.2.1", "1.2", "d2"), "Claimed")
      assert.strictEqual(yield* claim("1.2.2", "1.2", "d3"), "Forked")
    })
  )
}
