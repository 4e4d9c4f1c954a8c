/** What a store of hops owes to slips as wholes: how they stand, are listed, and are purged. */
import {
  branchKey,
  type Claimant,
  HopStore,
  type HopKey,
  openingKey,
  type SlipFilter,
  type SlipRecord,
  type SlipState
} from "@tenon/routing-slip/HopStore"
import { assert, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"

import { newKey, body, message, incoming, event, record, heldBy, idsOf, dueOf } from "./HopStoreLawsSamples.ts"

export const declare = (it: Vitest.MethodsNonLive<HopStore>): void => {
  it.effect("a slip shows that a step of it is halted for as long as it is, whatever else goes on", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey("compensate")
      const status = Effect.map(store.slip(key.tenantId, key.correlationId), (slip) => slip?.status)
      yield* store.open(record(key), message("first"), event("dispatched"))
      const one = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      const other = { ...key, step: "2" }
      const two = heldBy(other, yield* store.claim(other, incoming(), 10_000))
      yield* store.halt(one, { incoming: message("halted"), event: event("halted") })
      yield* store.complete(two, { outgoing: undefined, event: event("executed"), slip: record(key, "completed") })
      assert.strictEqual(yield* status, "halted")
      yield* store.resume(key.tenantId, key.correlationId)
      assert.strictEqual(yield* status, "completed")
    })
  )

  it.effect("a slip is opened once, listed by status, cancelled, and never seen by another tenant", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      assert.strictEqual(yield* store.open(record(key, "cancelled"), message("first"), event("dispatched")), "stored")
      assert.strictEqual(yield* store.open(record(key), message("second"), event("dispatched")), "known")
      assert.deepStrictEqual(yield* dueOf(key), ["first"])
      const listed = yield* store.slips(key.tenantId, { status: "cancelled" })
      const { body: _, ...state } = record(key, "cancelled")
      assert.deepStrictEqual(listed, [state], "without its message, which nobody reads in a list")
      assert.deepStrictEqual(yield* store.state(key.tenantId, key.correlationId), state)
      assert.strictEqual((yield* store.slips(key.tenantId, { limit: 1 })).length, 1)
      assert.deepStrictEqual(yield* store.slips("tenant-b", {}), [])
      assert.isUndefined(yield* store.slip("tenant-b", key.correlationId))
      assert.isUndefined(yield* store.state("tenant-b", key.correlationId))
      assert.deepStrictEqual(yield* store.events("tenant-b", key.correlationId), [])
      yield* store.cancel(key.tenantId, key.correlationId, "grace")
      assert.deepInclude(yield* store.claim(key, incoming(), 10_000), { _tag: "Claimed", cancelledBy: "grace" })
    })
  )

  it.effect("a slip that is over and at rest is purged once that was long ago, and nothing of it is done again", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      while ((yield* store.purge(0, 1_000)) > 0) yield* Effect.yieldNow
      const overSince = Effect.fnUntraced(function* (claimant: Claimant) {
        const key = newKey()
        yield* store.open(record(key), message("first"), event("dispatched"))
        yield* store.dispatched({ ...key, step: "0" }, "first")
        const held = heldBy(key, yield* store.claim(key, claimant, 10_000))
        yield* store.arrive(key, "1/execute", { branch: "1.1", body: body("arrived") })
        const slip = record(key, "completed")
        yield* store.complete(held, { outgoing: undefined, event: event("executed"), slip, closes: "1." })
        return key
      })
      const keys = [incoming("d"), incoming("d", 1), incoming("e")].map(overSince)
      const [first, second, third] = yield* Effect.all(keys)
      if (first === undefined || second === undefined || third === undefined) return assert.fail()
      const other = { ...first, tenantId: "tenant-b" }
      yield* store.open(record(other), message("first"), event("dispatched"))
      yield* store.dispatched(openingKey(other), "first")
      assert.strictEqual(yield* store.purge(60_000, 1_000), 0, "they were at work a moment ago")
      // Far longer than the clocks of two processes may differ.
      yield* Effect.sleep("100 millis")
      assert.strictEqual(yield* store.purge(10, 2), 2)
      assert.strictEqual(yield* store.purge(10, 2), 1)
      assert.strictEqual(yield* store.purge(10, 2), 0)
      for (const key of [first, second, third]) {
        yield* store.release({ key: { ...key, step: "2" }, token: 1 }, "d")
        assert.isUndefined(yield* store.slip(key.tenantId, key.correlationId))
        assert.deepStrictEqual(yield* store.events(key.tenantId, key.correlationId), [])
        for (const step of ["1", "2"]) {
          for (const phase of ["execute", "compensate"] as const) {
            for (const late of [incoming("d"), incoming("f", 1), incoming("f", 7)]) {
              const claim = yield* store.claim({ ...key, step, phase }, late, 10_000)
              assert.strictEqual(claim._tag, "Purged", `${step} ${phase} ${late.digest}`)
            }
          }
        }
        assert.strictEqual(yield* store.open(record(key), message("again"), event("dispatched")), "known")
        assert.isUndefined(yield* store.slip(key.tenantId, key.correlationId))
        assert.deepStrictEqual(yield* dueOf(key), [])
      }
      assert.isDefined(yield* store.slip(other.tenantId, other.correlationId), "another tenant's of that name stays")
      assert.strictEqual((yield* store.claim(other, incoming(), 10_000))._tag, "Claimed")
    })
  )

  it.effect("a slip that is not over, or of which something may still move, is never purged", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const opened = Effect.fnUntraced(function* (status: SlipState["status"], isDispatched = true) {
        const key = newKey()
        yield* store.open(record(key, status), message("first"), event("dispatched"))
        if (isDispatched) yield* store.dispatched({ ...key, step: "0" }, "first")
        return key
      })
      const claimed = Effect.fnUntraced(function* (key: HopKey, step: string, lease = 10_000) {
        const late = { ...key, step }
        return heldBy(late, yield* store.claim(late, incoming(), lease))
      })
      const again = { incoming: message("again"), delay: 0, event: event("retrying") }
      const executing = yield* opened("executing")
      const compensating = yield* opened("compensating")
      const unsent = yield* opened("completed", false)
      // Branches that come late go on where their slip is over.
      const [inHand, waiting, halted, suspended, passedOn] = yield* Effect.all([
        opened("completed"),
        opened("faulted"),
        opened("terminated"),
        opened("cancelled"),
        opened("completed")
      ])
      yield* claimed(inHand, "1.1.1")
      yield* store.postpone(yield* claimed(waiting, "1.1.1"), { ...again, delay: 10_000 })
      yield* store.halt(yield* claimed(halted, "1.1.1"), again)
      yield* store.suspend(yield* claimed(suspended, "1.1.1"), { ...again, delay: undefined })
      const branch = { outgoing: message("next"), event: event("executed"), slip: undefined }
      yield* store.complete(yield* claimed(passedOn, "1.1.1"), branch)
      const away = yield* opened("executing")
      const further = [{ key: branchKey(away, "2.1"), message: message("2.1"), delay: 0 }]
      const scatter = { outgoing: undefined, further, event: event("scattered"), slip: record(away, "completed") }
      yield* store.complete(yield* claimed(away, "2"), scatter)
      yield* store.dispatched(branchKey(away, "2.1"), "2.1")
      yield* Effect.sleep("20 millis")
      while ((yield* store.purge(10, 1_000)) > 0) yield* Effect.yieldNow
      const all = [away, executing, compensating, unsent, inHand, waiting, halted, suspended, passedOn]
      for (const [index, key] of all.entries()) {
        assert.isDefined(yield* store.slip(key.tenantId, key.correlationId), `the one at ${index}`)
        assert.isNotEmpty(yield* store.events(key.tenantId, key.correlationId))
      }
      // Once an operator has decided and the late branch is at its end, or has come home, it goes like the others.
      const home = { outgoing: undefined, event: event("arrived"), slip: undefined }
      yield* store.complete(yield* claimed(away, "2.1"), home)
      yield* store.resume(halted.tenantId, halted.correlationId)
      const held = yield* claimed(halted, "1.1.1")
      yield* store.complete(held, { outgoing: undefined, event: event("compensated"), slip: undefined })
      assert.strictEqual(yield* store.purge(60_000, 1_000), 0)
      yield* Effect.sleep("20 millis")
      assert.strictEqual(yield* store.purge(10, 1_000), 2)
      assert.isUndefined(yield* store.slip(halted.tenantId, halted.correlationId))
      assert.isUndefined(yield* store.slip(away.tenantId, away.correlationId))
    })
  )

  it.effect("slips are listed the newest first, by what is asked for, page by page, each once", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const tenantId = `tenant-${newKey().correlationId}`
      for (const index of Array.from({ length: 12 }, (_, each) => each)) {
        const slip: SlipRecord = {
          ...record({ ...newKey(), tenantId }, index % 2 === 0 ? "executing" : "faulted"),
          correlationId: ["Zürich", "ähnlich", "b", "B", "10", "9"][index % 6] + String(index),
          activity: index % 3 === 0 ? "first" : "second",
          updatedAt: Math.floor(index / 4)
        }
        yield* store.open(slip, message("first"), event("dispatched"))
      }
      const all = yield* store.slips(tenantId, {})
      assert.strictEqual(all.length, 12)
      const sorted = all.toSorted(
        (a, b) => b.updatedAt - a.updatedAt || Buffer.compare(body(b.correlationId), body(a.correlationId))
      )
      assert.deepStrictEqual(idsOf(all), idsOf(sorted))
      const paged: Array<SlipState> = []
      for (;;) {
        const page = yield* store.slips(tenantId, { limit: 5, after: paged.at(-1) })
        paged.push(...page)
        if (page.length < 5) break
      }
      assert.deepStrictEqual(idsOf(paged), idsOf(all))
      const some = (filter: SlipFilter) => Effect.map(store.slips(tenantId, filter), idsOf)
      const where = (keep: (slip: SlipState) => boolean) => idsOf(all.filter(keep))
      assert.deepStrictEqual(
        yield* some({ status: "faulted" }),
        where(({ status }) => status === "faulted")
      )
      assert.deepStrictEqual(
        yield* some({ activity: "first", status: "executing" }),
        where(({ activity, status }) => activity === "first" && status === "executing")
      )
      assert.deepStrictEqual(
        yield* some({ since: 1, until: 2 }),
        where(({ updatedAt }) => updatedAt === 1)
      )
    })
  )
}
