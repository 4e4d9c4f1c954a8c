/* oxlint-disable typescript/no-explicit-any -- entries are read past all types, to be signed anew by a thief. */
/** What becomes of a signed slip whose authority runs out, over any store. Messages are handed over by hand. */
import type { Settlement } from "@tenon/messaging/Transport"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Hop from "@tenon/routing-slip/Hop"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import { digest } from "@tenon/routing-slip/Security"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Verify from "@tenon/routing-slip/Verify"
import { assert, layer as suiteOf } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { entryOf, lastJws, refusedFor } from "./Hostile.ts"
import { alpha, begin, beta, deliver, done, keys, type KeyRing, newest, world } from "./SignedWorld.ts"

const lifetime = RoutingSlip.lifetime("1 hour")
const expire = TestClock.adjust("61 minutes")
const ack: Settlement = { _tag: "Ack" }

/** `alpha`, but it takes two hours. */
const slow = Activity.make("alpha", {
  arguments: { amount: Schema.Finite },
  log: { amount: Schema.Finite },
  execute: ({ amount }) => Effect.as(TestClock.adjust("2 hours"), { amount }),
  compensate: ({ amount }) => Effect.sync(() => void done.push(`undo slow ${amount}`))
})

const types = (correlationId: string) =>
  Effect.flatMap(HopStore, (store) =>
    Effect.map(store.events("default", correlationId), (events) => events.map(({ step, type }) => `${type} ${step}`))
  )
const statusOf = (correlationId: string) =>
  Effect.flatMap(HopStore, (store) => Effect.map(store.slip("default", correlationId), (slip) => slip?.status))

/** Claims a step as a worker does that ends in the middle of it. */
const crash = Effect.fnUntraced(function* (correlationId: string, step: string, body: Uint8Array) {
  const store = yield* HopStore
  const message = JSON.parse(new TextDecoder().decode(body))
  const jws = lastJws(message)
  const key = { tenantId: "default", correlationId, step, phase: "execute" } as const
  const incoming = { queue: "q", id: message.headers.message_id, body }
  const claimant = { digest: digest(jws), index: entryOf(jws).index, branch: "", incoming }
  const claim = yield* store.claim(key, claimant, 10_000)
  if (claim._tag !== "Claimed") return assert.fail(claim._tag)
  yield* store.release({ key, token: claim.token }, claimant.digest)
})

/** The laws. */
export const suite = <E>(name: string, store: Layer.Layer<HopStore, E>): void =>
  suiteOf(store, { timeout: "30 seconds" })(`a signed slip whose authority runs out, over ${name}`, (it) => {
    let slips = 0
    const on = (what: string, body: (ring: KeyRing, slip: string) => Effect.Effect<void, any, any>) =>
      it.effect(what, () =>
        Effect.gen(function* () {
          const ring = yield* keys
          const shared = Layer.succeed(HopStore, yield* HopStore)
          done.length = 0
          yield* Effect.provide(
            body(ring, `slip${++slips}`),
            world(ring, undefined, undefined, shared)
          ) as Effect.Effect<void>
        })
      )
    /** Begins a slip, has alpha do its step, and gives its message for beta after it has expired. */
    const expired = Effect.fnUntraced(function* (ring: KeyRing, slip: string) {
      yield* deliver(alpha.queue, yield* begin(ring, slip, lifetime))
      const message = yield* newest(slip)
      yield* expire
      done.length = 0
      return message
    })

    on("in the middle turns back, is undone, and proves that", (ring, slip) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* deliver(beta.queue, yield* expired(ring, slip)), ack)
        assert.deepStrictEqual(done, [], "nothing is executed")
        assert.deepStrictEqual(yield* deliver(alpha.queue, yield* newest(slip)), ack)
        assert.deepStrictEqual(done, ["undo alpha 1"])
        assert.strictEqual(yield* statusOf(slip), "faulted")
        assert.deepStrictEqual(yield* types(slip), ["dispatched 0", "executed 1", "faulted 2", "compensated 1"])
        const report = yield* Verify.verify(yield* newest(slip))
        assert.deepInclude(report, { outcome: "faulted", notUndone: [] })
      })
    )

    on("in the middle can be cancelled", (ring, slip) =>
      Effect.gen(function* () {
        const message = yield* expired(ring, slip)
        yield* (yield* HopStore).cancel("default", slip, "grace")
        assert.deepStrictEqual(yield* deliver(beta.queue, message), ack)
        assert.deepStrictEqual(yield* deliver(alpha.queue, yield* newest(slip)), ack)
        assert.deepStrictEqual(done, ["undo alpha 1"])
        assert.strictEqual(yield* statusOf(slip), "cancelled")
      })
    )

    on("before it is begun is refused, however often it comes and whether or not it is cancelled", (ring, slip) =>
      Effect.gen(function* () {
        const first = yield* begin(ring, slip, lifetime)
        yield* expire
        refusedFor(yield* deliver(alpha.queue, first), "expired")
        refusedFor(yield* deliver(alpha.queue, first), "expired")
        yield* (yield* HopStore).cancel("default", slip, "grace")
        refusedFor(yield* deliver(alpha.queue, first), "expired")
        assert.deepStrictEqual(yield* types(slip), ["dispatched 0"])
      })
    )

    on("while nobody knows what a worker has done does not do it again, and says so", (ring, slip) =>
      Effect.gen(function* () {
        const message = yield* expired(ring, slip)
        yield* crash(slip, "2", message)
        assert.deepStrictEqual(yield* deliver(beta.queue, message), ack)
        assert.deepStrictEqual(yield* deliver(alpha.queue, yield* newest(slip)), ack)
        assert.deepStrictEqual(done, ["undo alpha 1"])
        assert.deepStrictEqual((yield* Verify.verify(yield* newest(slip))).notUndone, ["2"])

        const other = `${slip} at its first step`
        const first = yield* begin(ring, other, lifetime)
        yield* crash(other, "1", first)
        yield* expire
        done.length = 0
        assert.deepStrictEqual(yield* deliver(alpha.queue, first), ack)
        assert.deepStrictEqual(done, [])
        assert.deepInclude(yield* Verify.verify(yield* newest(other)), { outcome: "faulted", notUndone: ["1"] })
      })
    )

    on("during a step keeps what that has done, and undoes it", (ring, slip) =>
      Effect.gen(function* () {
        const hop = Hop.handler(Registry.make(slow, beta))
        const hand = (queue: string) =>
          Effect.flatMap(newest(slip), (body) => hop({ queue, id: "m", body, attempt: 1 }))
        yield* begin(ring, slip, lifetime)
        assert.deepStrictEqual(yield* hand(alpha.queue), ack)
        assert.deepStrictEqual(yield* hand(beta.queue), ack)
        assert.deepStrictEqual(yield* hand(alpha.queue), ack)
        assert.deepStrictEqual(done, ["undo slow 1"])
        assert.deepInclude(yield* Verify.verify(yield* newest(slip)), { outcome: "faulted", notUndone: [] })
      })
    )

    on("is not undone for an old message of it: not for a replay, nor a fork, nor once it is purged", (ring, slip) =>
      Effect.gen(function* () {
        yield* deliver(alpha.queue, yield* begin(ring, slip, lifetime))
        const second = yield* newest(slip)
        assert.deepStrictEqual(yield* deliver(beta.queue, second), ack)
        assert.strictEqual(yield* statusOf(slip), "completed")
        const end = yield* newest(slip)
        const told = yield* types(slip)
        yield* TestClock.adjust("61 minutes")
        done.length = 0

        assert.deepStrictEqual(yield* deliver(beta.queue, second), ack, "as a broker hands over once more")
        const message = JSON.parse(new TextDecoder().decode(second))
        const entry = entryOf(lastJws(message))
        const { sign } = yield* SignedLog.signer(ring.alpha.privateKey)
        entry.transition.undo.data.amount = 2_000
        message.headers.routing_slip.compensation_log[0].data.amount = 2_000
        message.headers.security_context.jws_signature = yield* sign(entry)
        refusedFor(yield* deliver(beta.queue, new TextEncoder().encode(JSON.stringify(message))), "forked")
        assert.deepStrictEqual([yield* newest(slip), yield* types(slip)], [end, told])

        const store = yield* HopStore
        yield* store.pending(100, 0)
        while ((yield* store.purge(0, 100)) > 0) yield* Effect.yieldNow
        assert.isUndefined(yield* statusOf(slip))
        refusedFor(yield* deliver(beta.queue, second), "replayed")
        assert.isUndefined(yield* statusOf(slip))
      })
    )
  })
