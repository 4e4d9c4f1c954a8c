/** Slips that grow too large turn back while they can still be undone, and nothing that was done stays behind. */
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Keys from "@tenon/routing-slip/Keys"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Verify from "@tenon/routing-slip/Verify"
import * as Wire from "@tenon/routing-slip/Wire"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { story } from "../support/Slips.ts"

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {}) {}

const did: Array<string> = []
let undoFailures = 0

const grows = Activity.make("grows", {
  arguments: { by: Schema.Int },
  log: { text: Schema.String },
  compensationRetry: { times: 3, delay: "1 second" },
  execute: Effect.fnUntraced(function* ({ by }) {
    did.push((yield* ActivityContext).idempotencyKey.replace("default/one/", ""))
    return { text: "x".repeat(by) }
  }),
  compensate: Effect.fnUntraced(function* ({ text }) {
    if (undoFailures-- > 0) return yield* new Refusal()
    did.push(`${(yield* ActivityContext).idempotencyKey.replace("default/one/", "")} ${text.length}`)
  })
})

const registry = Registry.make(grows, ScatterGather.activity)
const limits = { maxBytes: 60_000, maxDepth: 64 }
const one = { tenantId: "default", correlationId: "one" }
const ring = Effect.all({
  issuer: Keys.generate("issuer", "sig", { issues: true }),
  worker: Keys.generate("worker", "sig", { activities: ["grows", "scatter-gather"] })
})

/** Runs a slip under zero trust and small limits, checks its proof, and gives how it ended. */
const run = (
  build: (builder: RoutingSlip.Builder<"grows" | "scatter-gather">) => typeof builder,
  whenHalted: Effect.Effect<unknown, unknown, HopStore> = Effect.void
) =>
  Effect.gen(function* () {
    did.length = 0
    const { issuer, worker } = yield* ring
    const world = Worker.layer(registry, { limits, relay: { interval: "500 millis" } }).pipe(
      Layer.provideMerge(
        SecuritySigned.layer({ signing: worker.privateKey }).pipe(
          Layer.provideMerge(Layer.orDie(Keys.layer({ keys: [issuer.publicKey, worker.publicKey] })))
        )
      ),
      Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer))
    )
    return yield* Effect.gen(function* () {
      const { sign } = RoutingSlip
      const issues = SignedLog.issuer(yield* SignedLog.signer(issuer.privateKey))
      yield* build(RoutingSlip.builder(registry, one)).pipe(sign(issues), RoutingSlip.dispatch)
      const store = yield* HopStore
      const transport = yield* Transport
      let record = yield* store.slip("default", "one")
      for (let left = 400; left > 0 && ["executing", "compensating"].includes(record?.status ?? ""); left--) {
        yield* TestClock.adjust("100 millis")
        // Signatures are made on other threads, in real time.
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2)))
        record = yield* store.slip("default", "one")
        if (record?.status !== "halted") continue
        yield* Effect.orDie(whenHalted)
        record = yield* store.slip("default", "one")
      }
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 100)))
      for (const { queue } of registry.activities) assert.deepStrictEqual(yield* transport.deadLetters(queue), [])
      const body = record?.body ?? new Uint8Array()
      yield* Verify.verify(body, limits)
      const { headers } = yield* Wire.decode(body, limits)
      return { status: record?.status, slip: headers.routing_slip, told: yield* story(one) }
    }).pipe(Effect.provide(world))
  })

describe("a slip that grows too large", () => {
  it.effect("is refused by its builder", () =>
    Effect.gen(function* () {
      const failure = yield* RoutingSlip.builder(registry).pipe(
        RoutingSlip.add(grows, { by: 1 }),
        RoutingSlip.variable("much", "x".repeat(1_100_000)),
        RoutingSlip.build,
        Effect.flip
      )
      assert.strictEqual(failure._tag, "InvalidInput")
      assert.include(JSON.stringify(failure), "more than 1048576")
    })
  )

  it.effect("turns back before its next step, and all of it is undone", () =>
    Effect.gen(function* () {
      const step = RoutingSlip.add(grows, { by: 2_500 })
      const { slip, status } = yield* run((builder) => builder.pipe(step, step, step, step, step, step, step, step))
      assert.strictEqual(status, "faulted")
      assert.strictEqual(slip.fault?.error, "SlipTooLarge")
      const executed = did.filter((key) => key.endsWith("execute")).map((key) => key.split("/")[0])
      assert.isAbove(executed.length, 1)
      assert.isBelow(executed.length, 8)
      assert.deepStrictEqual(
        did.slice(executed.length),
        executed.toReversed().map((each) => `${each}/compensate 2500`)
      )
    })
  )

  it.effect("undoes at once a step whose outcome cannot be carried along", () =>
    Effect.gen(function* () {
      undoFailures = 2
      const { slip, status, told } = yield* run((builder) =>
        builder.pipe(RoutingSlip.add(grows, { by: 10 }), RoutingSlip.add(grows, { by: 100_000 }))
      )
      assert.strictEqual(status, "faulted")
      assert.deepInclude(slip.fault, { step: "2", error: "SlipTooLarge" })
      assert.deepStrictEqual(slip.not_undone, [])
      assert.deepStrictEqual(did.slice(-2), ["2/compensate 100000", "1/compensate 10"])
      assert.deepStrictEqual(told.slice(1), ["executed 1", "retrying 2", "retrying 2", "faulted 2", "compensated 1"])
    })
  )

  it.effect("waits for an operator where that cannot be undone", () =>
    Effect.gen(function* () {
      undoFailures = 1_000
      const { status, told } = yield* run((builder) => builder.pipe(RoutingSlip.add(grows, { by: 100_000 })))
      undoFailures = 0
      assert.strictEqual(status, "halted")
      assert.strictEqual(told.at(-1), "halted 1")
    })
  )

  it.effect("does not forget, where its deadline passes meanwhile, what could not be undone at first", () =>
    Effect.gen(function* () {
      undoFailures = 2
      const { slip, status } = yield* run((builder) =>
        builder.pipe(
          RoutingSlip.add(grows, { by: 10 }),
          RoutingSlip.add(grows, { by: 100_000 }),
          RoutingSlip.within("900 millis")
        )
      )
      assert.strictEqual(status, "faulted")
      assert.deepStrictEqual(slip.not_undone, [])
      assert.deepStrictEqual(did.slice(-2), ["2/compensate 100000", "1/compensate 10"])
    })
  )

  it.effect("does not forget what is cancelled while it is halted, and undoes it once it is resumed", () =>
    Effect.gen(function* () {
      undoFailures = 4
      const mend = Effect.flatMap(HopStore, (store) =>
        Effect.andThen(store.cancel("default", "one", "grace"), store.resume("default", "one"))
      )
      const { slip, status } = yield* run((builder) => builder.pipe(RoutingSlip.add(grows, { by: 100_000 })), mend)
      assert.strictEqual(status, "faulted")
      assert.deepStrictEqual(slip.not_undone, [])
      assert.strictEqual(did.at(-1), "1/compensate 100000")
    })
  )

  it.effect("is over once an operator has skipped what cannot be undone, and says that it stands", () =>
    Effect.gen(function* () {
      undoFailures = 1_000
      const skip = Effect.flatMap(HopStore, (store) => store.skip("default", "one", { by: "grace" }))
      const { slip, status } = yield* run(
        (builder) => builder.pipe(RoutingSlip.add(grows, { by: 10 }), RoutingSlip.add(grows, { by: 100_000 })),
        Effect.andThen(
          skip,
          Effect.sync(() => (undoFailures = 0))
        )
      )
      assert.strictEqual(status, "faulted")
      assert.deepStrictEqual(slip.not_undone, ["2"])
      assert.include(slip.fault?.message, "skipped by grace")
      assert.strictEqual(did.at(-1), "1/compensate 10")
    })
  )

  it.effect("undoes its branches one by one where they are too large together", () =>
    Effect.gen(function* () {
      const branch = [RoutingSlip.step(grows, { by: 5_000 })] as const
      const { slip, status } = yield* run((builder) =>
        builder.pipe(
          RoutingSlip.add(grows, { by: 10 }),
          RoutingSlip.scatter({ a: branch, b: branch, c: branch, d: branch })
        )
      )
      assert.strictEqual(status, "faulted")
      assert.deepInclude(slip.fault, { step: "2", error: "SlipTooLarge" })
      assert.deepStrictEqual(did.filter((key) => key.includes("compensate")).toSorted(), [
        "1/compensate 10",
        "2.1.1/compensate 5000",
        "2.2.1/compensate 5000",
        "2.3.1/compensate 5000",
        "2.4.1/compensate 5000"
      ])
    })
  )
})
