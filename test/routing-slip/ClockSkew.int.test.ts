/**
 * A worker whose clock is wrong, in the middle of a slip: what it signs and what it is sent is good within a minute,
 * and refused beyond; what is refused goes on once it is driven back. Leases are kept by the database's clock alone.
 */
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import type { HopStore } from "@tenon/routing-slip/HopStore"
import * as Keys from "@tenon/routing-slip/Keys"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Verify from "@tenon/routing-slip/Verify"
import * as Worker from "@tenon/routing-slip/Worker"
import { eventually } from "@tenon/testing/Eventually"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import { settled } from "../support/Slips.ts"

/** A clock that is so many milliseconds ahead of this machine's, and goes as fast. */
const ahead = (millis: number) =>
  Layer.effect(
    Clock.Clock,
    Effect.clockWith((clock) => {
      const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() + millis
      const currentTimeNanosUnsafe = () => clock.currentTimeNanosUnsafe() + BigInt(millis) * 1_000_000n
      const skewed: Clock.Clock = {
        currentTimeMillisUnsafe,
        currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
        currentTimeNanosUnsafe,
        currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      return Effect.succeed(skewed)
    })
  )

const mesh = Effect.gen(function* () {
  const done: Array<string> = []
  const step = <const Name extends string>(name: Name) =>
    Activity.make(name, { arguments: {}, execute: () => Effect.sync(() => void done.push(name)) })
  const activities = [step("first"), step("second"), step("third")] as const
  const issuer = yield* Keys.generate("issuer", "sig", { issues: true })
  const worker = yield* Keys.generate("worker", "sig", { activities: activities.map(({ name }) => name) })
  const keys = Keys.layer({ keys: [issuer.publicKey, worker.publicKey] })
  /** A process that performs one activity, by a clock of its own. */
  const performing = (index: 0 | 1 | 2, skew: number) =>
    Worker.layer(Registry.make(activities[index]), { relay: false }).pipe(
      Layer.provide(Layer.fresh(SecuritySigned.layer({ signing: worker.privateKey }).pipe(Layer.provide(keys)))),
      Layer.provide(ahead(skew))
    )
  const dispatched = RoutingSlip.builder(Registry.make(...activities)).pipe(
    RoutingSlip.add(activities[0], {}),
    RoutingSlip.add(activities[1], {}),
    RoutingSlip.add(activities[2], {}),
    RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(issuer.privateKey))),
    RoutingSlip.dispatch
  )
  return { done, keys, performing, dispatched }
})

const lettersOf = (queue: string) =>
  Effect.flatMap(Transport, ({ deadLetters }) =>
    Effect.map(deadLetters(queue), (letters) => letters.map(({ reason }) => reason))
  )
const redrive = (queue: string) => Effect.flatMap(Transport, (transport) => transport.redrive(queue, "all"))

const on = <E>(
  name: string,
  body: (with_: Effect.Success<typeof mesh>) => Effect.Effect<void, E, HopStore | Transport | Scope.Scope>
) =>
  it.live(name, () =>
    Effect.flatMap(mesh, body).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(SlipDatabase.layer, TransportMemory.layer))
    )
  )

describe("a worker in the middle of a slip whose clock is", () => {
  for (const [what, skew] of [
    ["55 seconds ahead", 55_000],
    ["55 seconds behind", -55_000]
  ] as const) {
    on(`${what} does its step, and others accept it`, ({ dispatched, done, keys, performing }) =>
      Effect.gen(function* () {
        yield* Layer.build(Layer.mergeAll(performing(0, 0), performing(1, skew), performing(2, 0)))
        const started = yield* Clock.currentTimeMillis
        const over = yield* settled(yield* dispatched)
        assert.strictEqual(over?.status, "completed")
        assert.deepStrictEqual(done, ["first", "second", "third"])
        const { entries } = yield* Effect.provide(Verify.verify(over?.body ?? new Uint8Array()), keys)
        const [, first = 0, second = 0] = entries.map(({ at }) => at)
        assert.approximately(first, started, 10_000)
        assert.approximately(second, started + skew, 10_000)
      })
    )
  }

  on("65 seconds behind does nothing, and another does its step later", ({ dispatched, done, performing }) =>
    Effect.gen(function* () {
      yield* Layer.build(Layer.mergeAll(performing(0, 0), performing(2, 0)))
      const wrong = yield* Scope.make()
      yield* Layer.buildWithScope(performing(1, -65_000), wrong)
      const slip = yield* dispatched
      yield* eventually(lettersOf("tenon.second"), ({ length }) => length > 0)
      assert.deepStrictEqual(yield* lettersOf("tenon.second"), ["broken-log"])
      assert.deepStrictEqual(done, ["first"])
      yield* Scope.close(wrong, Exit.void)
      yield* Layer.build(performing(1, 0))
      assert.strictEqual(yield* redrive("tenon.second"), 1)
      assert.strictEqual((yield* settled(slip))?.status, "completed")
      assert.deepStrictEqual(done, ["first", "second", "third"])
    })
  )

  on("62 seconds ahead has the next one wait until that is past", ({ dispatched, done, performing }) =>
    Effect.gen(function* () {
      yield* Layer.build(Layer.mergeAll(performing(0, 0), performing(1, 62_000), performing(2, 0)))
      const slip = yield* dispatched
      yield* eventually(lettersOf("tenon.third"), ({ length }) => length > 0)
      assert.deepStrictEqual(yield* lettersOf("tenon.third"), ["broken-log"])
      assert.deepStrictEqual(done, ["first", "second"])
      yield* Effect.sleep("2500 millis")
      assert.strictEqual(yield* redrive("tenon.third"), 1)
      assert.strictEqual((yield* settled(slip))?.status, "completed")
      assert.deepStrictEqual(done, ["first", "second", "third"])
    })
  )
})
