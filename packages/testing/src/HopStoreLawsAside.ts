/** What a store of hops owes to steps that are set aside: they come again when they should, and no more often. */
import { type Held, HopStore, type HopKey } from "@tenon/routing-slip/HopStore"
import { assert, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { eventually } from "./Eventually.ts"
import { dueOf, event, heldBy, incoming, message, newKey, record } from "./HopStoreLawsSamples.ts"

const suspended = { incoming: message("old"), delay: undefined, event: event("suspended") }

/** Claims a step of a slip that is known. */
const claimed = Effect.fnUntraced(function* (key: HopKey) {
  const store = yield* HopStore
  yield* store.open(record(key), message("first"), event("dispatched"))
  yield* store.dispatched({ ...key, step: "0" }, "first")
  return heldBy(key, yield* store.claim(key, incoming(), 10_000))
})

export const declare = (it: Vitest.MethodsNonLive<HopStore>): void => {
  it.effect("a step comes at once that is suspended when its slip is called off, whichever is first", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const all = yield* Effect.forEach(Array.from({ length: 40 }), () => claimed(newKey()))
      yield* Effect.forEach(
        all,
        ({ key, token }) =>
          Effect.all(
            [
              store.cancel(key.tenantId, key.correlationId, "grace"),
              store.suspend({ key, token }, suspended),
              store.suspended(key.tenantId, key.correlationId)
            ],
            { concurrency: "unbounded" }
          ),
        { concurrency: "unbounded" }
      )
      const due = yield* store.pending(1_000, 0)
      const ids = new Set(due.map(({ key }) => key.correlationId))
      assert.deepStrictEqual(
        all.flatMap(({ key }) => (ids.has(key.correlationId) ? [] : [key.correlationId])),
        []
      )
    })
  )

  it.effect(
    "a step that waits for its next attempt comes at once when its slip is called off, whichever is first",
    () =>
      Effect.gen(function* () {
        const store = yield* HopStore
        const all = yield* Effect.forEach(Array.from({ length: 40 }), () => claimed(newKey()))
        const later = { incoming: message("later"), delay: 3_600_000, event: event("retrying") }
        yield* Effect.forEach(
          all,
          (held) =>
            Effect.all(
              [store.cancel(held.key.tenantId, held.key.correlationId, "grace"), store.postpone(held, later)],
              {
                concurrency: "unbounded"
              }
            ),
          { concurrency: "unbounded" }
        )
        const due = yield* store.pending(1_000, 0)
        const ids = new Set(due.map(({ key }) => key.correlationId))
        assert.deepStrictEqual(
          all.flatMap(({ key }) => (ids.has(key.correlationId) ? [] : [key.correlationId])),
          []
        )
      })
  )

  it.effect("what is to be undone waits as long as it should, and so does what goes on though it was called off", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const later = { incoming: message("later"), delay: 3_600_000, event: event("retrying") }
      const back = newKey("compensate")
      yield* store.postpone(yield* claimed(back), later)
      yield* store.cancel(back.tenantId, back.correlationId, "grace")
      assert.notInclude(yield* dueOf(back), "later")
      const forth = newKey()
      const held = yield* claimed(forth)
      yield* store.cancel(forth.tenantId, forth.correlationId, "grace")
      yield* store.postpone(held, { ...later, isCalledOff: true })
      assert.deepStrictEqual(yield* dueOf(forth), [])
    })
  )

  it.effect("what is to be undone where it was done waits as long as it should, however often it is called off", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const again = { incoming: message("later"), event: event("retrying"), undoing: true }
      yield* store.postpone(yield* claimed(key), { ...again, delay: 3_600_000 })
      yield* store.cancel(key.tenantId, key.correlationId, "grace")
      yield* store.cancel(key.tenantId, key.correlationId, "grace")
      assert.deepStrictEqual(yield* dueOf(key), [])
      const soon = newKey()
      const held = yield* claimed(soon)
      yield* store.cancel(soon.tenantId, soon.correlationId, "grace")
      yield* store.postpone(held, { ...again, delay: 100 })
      assert.deepStrictEqual(yield* dueOf(soon), [])
      yield* Effect.sleep("150 millis")
      assert.deepStrictEqual(yield* dueOf(soon), ["later"])
      const claim = yield* store.claim(soon, incoming(), 10_000)
      assert.deepInclude(claim, { _tag: "Claimed", claims: 2, failures: 1, cancelledBy: "grace" })
    })
  )

  it.effect("what is suspended of branches that a gather calls off comes at once, and nothing else", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      const gather = yield* claimed({ ...key, step: "3.1" })
      for (const step of ["3.2.1", "30.1.1"]) {
        const away = { ...key, step }
        yield* store.suspend(heldBy(away, yield* store.claim(away, incoming(), 10_000)), {
          ...suspended,
          incoming: message(step)
        })
      }
      assert.deepStrictEqual(yield* dueOf(key), [])
      const completion = { outgoing: undefined, event: event("gathered"), slip: undefined, closes: "3." }
      yield* store.complete(gather, completion)
      assert.deepStrictEqual(yield* dueOf(key), ["3.2.1"])
      const woken = yield* store.claim({ ...key, step: "3.2.1" }, incoming(), 10_000)
      assert.deepInclude(woken, { _tag: "Claimed", cancelledBy: "the gather" })
    })
  )

  it.effect("a step that is postponed comes when its time has come, however lately its message was published", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      for (const delay of [0, 100, 0]) {
        const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
        yield* store.postpone(held, { incoming: message("later"), delay, event: event("retrying") })
        yield* Effect.sleep(delay)
        // A busy machine may take its time.
        const due = yield* eventually(dueOf(key, 60_000), (found) => found.length > 0)
        assert.deepStrictEqual(due, ["later"], `after ${delay} ms`)
        yield* store.dispatched(key, "later")
      }
    })
  )

  it.effect("what nobody claims is published again less and less often, until somebody does or it is resumed", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const key = newKey()
      yield* store.suspend(yield* claimed(key), { ...suspended, delay: 0 })
      yield* Effect.sleep("300 millis")
      assert.deepStrictEqual(yield* dueOf(key), ["old"])
      assert.deepStrictEqual(yield* dueOf(key), ["old"], "it may not have been published")
      yield* store.dispatched(key, "old")
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(yield* dueOf(key), [])
      yield* store.resume(key.tenantId, key.correlationId)
      assert.deepStrictEqual(yield* dueOf(key), ["old"])
      yield* Effect.sleep("200 millis")
      yield* store.dispatched(key, "old")
      assert.deepStrictEqual(yield* dueOf(key), [])
      yield* Effect.sleep("400 millis")
      assert.deepStrictEqual(yield* dueOf(key), ["old"])
      yield* store.dispatched(key, "old")
      const held = heldBy(key, yield* store.claim(key, incoming(), 10_000))
      yield* store.release(held, "d")
      // What was confirmed before may be noted only now.
      yield* dueOf(key)
      yield* Effect.sleep("50 millis")
      assert.deepStrictEqual(yield* dueOf(key), ["old"], "a worker has had it")
    })
  )

  it.effect("a step that is halted while another of its slip is resumed is shown as halted, or resumed with it", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const branches = yield* Effect.forEach(Array.from({ length: 40 }), () => {
        const key = newKey("compensate")
        return Effect.all([claimed({ ...key, step: "3.1.1" }), claimed({ ...key, step: "3.2.1" })])
      })
      const halt = (held: Held) => store.halt(held, { incoming: message("old"), event: event("halted") })
      const resume = ({ key }: Held) => store.resume(key.tenantId, key.correlationId)
      for (const [one] of branches) yield* halt(one)
      const both = ([one, other]: readonly [Held, Held]) =>
        Effect.all([resume(one), halt(other)], { concurrency: "unbounded" })
      yield* Effect.forEach(branches, both, { concurrency: "unbounded" })
      for (const [one] of branches) {
        const shown = (yield* store.slip(one.key.tenantId, one.key.correlationId))?.status
        const isHalted = Exit.isSuccess(yield* Effect.exit(resume(one)))
        assert.strictEqual(shown, isHalted ? "halted" : "executing", one.key.correlationId)
      }
    })
  )
}
