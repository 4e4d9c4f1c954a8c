/* oxlint-disable typescript/no-explicit-any -- a value that no type lets through is given on purpose. */
/** How slips branch, are gathered and undone, on the test clock and the memory transport. */
import { Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Merge from "@tenon/routing-slip/Merge"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as Security from "@tenon/routing-slip/Security"
import * as Variable from "@tenon/routing-slip/Variable"
import * as Wire from "@tenon/routing-slip/Wire"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { story } from "../support/Slips.ts"

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {}) {}

const { step } = RoutingSlip
const offer = Variable.make("offer", Schema.Int)
const offers = Variable.make("offers", Schema.Array(Schema.Int))
const one = { tenantId: "default", correlationId: "one" }

/** What was done and undone, with the second in which it was. */
const did: Array<string> = []
let started = 0
const note = (what: string) =>
  Effect.map(
    Effect.clockWith((clock) => clock.currentTimeMillis),
    (now) => {
      did.push(`${Math.floor((now - started) / 1_000)} ${what}`)
    }
  )

const work = Activity.make("work", {
  arguments: { name: Schema.String, takes: Schema.Int, fails: Schema.Boolean, undoing: Schema.Int },
  log: { name: Schema.String, undoing: Schema.Int },
  execute: Effect.fnUntraced(function* ({ fails, name, takes, undoing }) {
    if (takes > 0) yield* Effect.sleep(Duration.seconds(takes))
    if (fails) return yield* new Refusal()
    yield* note(name)
    yield* Variable.set(offer, takes)
    return { name, undoing }
  }),
  compensate: Effect.fnUntraced(function* ({ name, undoing }) {
    if (undoing > 0) yield* Effect.sleep(Duration.seconds(undoing))
    yield* note(`undo ${name}`)
  })
})

const reads = Activity.make("reads", {
  arguments: { fails: Schema.Boolean },
  execute: Effect.fnUntraced(function* ({ fails }) {
    const { variable } = yield* ActivityContext
    if (fails) return yield* new Refusal()
    yield* note(`read ${JSON.stringify(yield* Effect.orElseSucceed(variable("offers", Schema.Json), () => null))}`)
  })
})

const registry = Registry.make(work, reads, ScatterGather.activity)
const does = (name: string, takes = 0, fails = false, undoing = 0) => step(work, { name, takes, fails, undoing })

const infrastructure = Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, Security.layerUnsigned)

const settle = Effect.repeat(Effect.yieldNow, { times: 500 })
const pass = (duration: Duration.Input) => Effect.andThen(Effect.andThen(settle, TestClock.adjust(duration)), settle)

const record = Effect.flatMap(HopStore, (store) => store.slip("default", "one"))
const status = Effect.map(record, (slip) => slip?.status)
const slip = Effect.gen(function* () {
  const { headers } = yield* Wire.decode((yield* record)?.body ?? new Uint8Array())
  return headers.routing_slip
})
const types = Effect.map(story(one), (events) => events.map((each) => each.split(" ")[0]))

/** Dispatches a slip `before`, branches, `after`, and lets `seconds` pass second by second. */
const run = <A, E>(
  branches: RoutingSlip.Branches,
  options: Parameters<typeof RoutingSlip.scatter>[1],
  check: Effect.Effect<A, E, HopStore | Transport>,
  { after = true, seconds = 30, trouble = Effect.void as Effect.Effect<void, unknown, HopStore> } = {}
) =>
  Effect.gen(function* () {
    did.length = 0
    started = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    yield* RoutingSlip.builder(registry, one).pipe(
      RoutingSlip.add(work, { name: "before", takes: 0, fails: false, undoing: 0 }),
      (builder) => RoutingSlip.scatter(branches as { only: [ReturnType<typeof does>] }, options)(builder),
      RoutingSlip.add(reads, { fails: !after }),
      RoutingSlip.dispatch
    )
    yield* pass("1 second")
    yield* trouble
    for (let second = 1; second < seconds; second++) yield* pass("1 second")
    for (const { queue } of registry.activities) {
      assert.deepStrictEqual(yield* (yield* Transport).deadLetters(queue), [])
    }
    yield* check
  }).pipe(
    Effect.provide(
      Worker.layer(registry, { relay: { interval: "500 millis" } }).pipe(Layer.provideMerge(infrastructure))
    )
  )

const merge = [Merge.collect(offer, offers)]

describe("a slip with branches", () => {
  it.effect("does them at the same time and goes on when all are gathered", () =>
    run(
      { slow: [does("a1", 2), does("a2", 1)], quick: [does("b", 1)] },
      { merge },
      Effect.gen(function* () {
        assert.deepStrictEqual(did, ["0 before", "1 b", "2 a1", "3 a2", "3 read [1,1]"])
        assert.strictEqual(yield* status, "completed")
        assert.deepStrictEqual(yield* story(one), [
          "dispatched 0",
          "executed 1",
          "scattered 2",
          "executed 2.2.1",
          "arrived 2.2",
          "executed 2.1.1",
          "executed 2.1.2",
          "gathered 2",
          "executed 3"
        ])
        const { activity_log, compensation_log } = yield* slip
        assert.deepStrictEqual(
          activity_log.map((each) => each.step),
          ["1", "2.2.1", "2.1.1", "2.1.2", "3"]
        )
        assert.deepStrictEqual(
          compensation_log.map((each) => each.step),
          ["1", "2.2.1", "2.1.1", "2.1.2"]
        )
      })
    )
  )

  it.effect("goes on with the first, calls the others off and undoes what they did", () =>
    run(
      { slow: [does("a1", 2), does("a2", 1)], quick: [does("b", 1)], late: [does("c", 3)] },
      { gather: "any", merge },
      Effect.gen(function* () {
        assert.deepStrictEqual(did, ["0 before", "1 b", "1 read [1]", "2 a1", "2 undo a1", "3 c", "3 undo c"])
        assert.strictEqual(yield* status, "completed")
        assert.deepStrictEqual(
          (yield* slip).compensation_log.map((each) => each.step),
          ["1", "2.2.1"]
        )
        assert.strictEqual((yield* types).filter((each) => each === "superseded").length, 2)
      })
    )
  )

  it.effect("keeps what late branches did where it is declared so", () =>
    run(
      { slow: [does("a1", 2), does("a2", 1)], quick: [does("b", 1)] },
      { gather: "any", late: "keep", merge },
      Effect.gen(function* () {
        assert.deepStrictEqual(did, ["0 before", "1 b", "1 read [1]", "2 a1", "3 a2"])
        assert.strictEqual(yield* status, "completed")
        assert.strictEqual((yield* types).at(-1), "superseded")
      })
    )
  )

  it.effect("goes on with a quorum although a branch has failed", () =>
    run(
      { a: [does("a", 1)], b: [does("b1", 1), does("b2", 1, true)], c: [does("c", 3)] },
      { gather: { quorum: 2 }, merge },
      Effect.gen(function* () {
        assert.deepStrictEqual(did, ["0 before", "1 a", "1 b1", "2 undo b1", "3 c", "3 read [1,3]"])
        assert.strictEqual(yield* status, "completed")
      })
    )
  )

  it.effect("turns back where too few are left, undoing what ended in reverse and calling off the rest", () =>
    run(
      {
        a: [does("a1", 0), does("a2", 0, false, 1)],
        b: [does("b", 1)],
        c: [does("c", 2, true)],
        d: [does("d", 5), does("d2")]
      },
      {},
      Effect.gen(function* () {
        assert.deepStrictEqual(did, [
          "0 before",
          "0 a1",
          "0 a2",
          "1 b",
          "2 undo b",
          "3 undo a2",
          "3 undo a1",
          "3 undo before",
          "5 d",
          "5 undo d"
        ])
        assert.strictEqual(yield* status, "faulted")
        assert.deepInclude((yield* slip).fault, { step: "2.3.1", error: "Refusal" })
      })
    )
  )

  it.effect("undoes branches one after the other, or at the same time, as declared", () =>
    Effect.gen(function* () {
      const branches = { a: [does("a1", 0, false, 2), does("a2", 0, false, 2)], b: [does("b", 1, false, 2)] } as const
      yield* run(
        branches,
        {},
        Effect.gen(function* () {
          const undone = ["3 undo b", "5 undo a2", "7 undo a1", "7 undo before"]
          assert.deepStrictEqual(did, ["0 before", "0 a1", "0 a2", "1 b", ...undone])
          assert.strictEqual(yield* status, "faulted")
        }),
        { after: false }
      )
      yield* run(
        branches,
        { undo: "parallel" },
        Effect.gen(function* () {
          const undone = ["3 undo a2", "3 undo b", "5 undo a1", "5 undo before"]
          assert.deepStrictEqual(did.slice(4).toSorted(), undone)
          assert.strictEqual(yield* status, "faulted")
          const told = (yield* story(one)).slice(7)
          assert.deepStrictEqual(told.slice(0, 3), ["gathered 2", "faulted 3", "scattered 2"])
          assert.deepStrictEqual(told.slice(3, 7).toSorted(), [
            "arrived 2.2",
            "compensated 2.1.1",
            "compensated 2.1.2",
            "compensated 2.2.1"
          ])
          assert.deepStrictEqual(told.slice(7), ["gathered 2", "compensated 1"])
        }),
        { after: false }
      )
    })
  )

  it.effect("turns back when the time for its branches is up", () =>
    run(
      { a: [does("a", 1)], b: [does("b", 8)] },
      { within: "3 seconds" },
      Effect.gen(function* () {
        assert.deepStrictEqual(did.slice(0, 2), ["0 before", "1 a"])
        assert.match(did[2] ?? "", /^[34] undo a$/)
        assert.match(did[3] ?? "", /^[34] undo before$/)
        assert.deepStrictEqual(did.slice(4), ["8 b", "8 undo b"])
        assert.strictEqual(yield* status, "faulted")
        assert.deepInclude((yield* slip).fault, { step: "2", error: "GatherExpired" })
      })
    )
  )

  it.effect("turns back when the time is up, though as many branches as are wanted might still come", () =>
    run(
      { a: [does("a", 8)], b: [does("b", 9)], c: [does("c", 10)] },
      { gather: "any", within: "3 seconds" },
      Effect.gen(function* () {
        assert.match(did[1] ?? "", /^[34] undo before$/)
        assert.deepStrictEqual(did.slice(2), ["8 a", "8 undo a", "9 b", "9 undo b", "10 c", "10 undo c"])
        assert.strictEqual(yield* status, "faulted")
        assert.deepInclude((yield* slip).fault, { step: "2", error: "GatherExpired" })
      })
    )
  )

  it.effect("is not troubled by a timer that comes after all is gathered", () =>
    run(
      { a: [does("a", 1)] },
      { within: "3 seconds" },
      Effect.gen(function* () {
        assert.deepStrictEqual(did, ["0 before", "1 a", "1 read null"])
        assert.strictEqual(yield* status, "completed")
        assert.strictEqual((yield* types).at(-1), "superseded")
      })
    )
  )

  it.effect("is cancelled in all its branches", () =>
    run(
      { a: [does("a1", 3), does("a2", 3)], b: [does("b", 1)] },
      {},
      Effect.gen(function* () {
        assert.deepStrictEqual(did, ["0 before", "1 b", "3 a1", "3 undo a1", "3 undo b", "3 undo before"])
        assert.strictEqual(yield* status, "cancelled")
      }),
      { trouble: Effect.flatMap(HopStore, (store) => store.cancel("default", "one", "grace")) }
    )
  )

  it.effect("merges what its branches have set as declared, in the order in which they are declared", () =>
    Effect.gen(function* () {
      const branches = { slow: [does("a", 3)], quick: [does("b", 1)] } as const
      const variables = (...rules: ReadonlyArray<ReturnType<typeof Merge.under>>) =>
        Effect.gen(function* () {
          let found: unknown
          yield* run(
            branches,
            { merge: rules },
            Effect.map(slip, (ended) => (found = ended.variables))
          )
          return found
        })
      assert.deepStrictEqual(yield* variables(), { offer: 0 })
      assert.deepStrictEqual(yield* variables(Merge.spread("first")), { offer: 3 })
      assert.deepStrictEqual(yield* variables(Merge.spread("last")), { offer: 1 })
      assert.deepStrictEqual(yield* variables(Merge.under("all"), Merge.collect(offer, offers)), {
        offer: 0,
        all: { slow: { offer: 3 }, quick: { offer: 1 } },
        offers: [3, 1]
      })
    })
  )

  it.effect("is refused where the gather cannot be", () =>
    Effect.gen(function* () {
      const built = (options: Parameters<typeof RoutingSlip.scatter>[1]) =>
        RoutingSlip.builder(registry).pipe(
          RoutingSlip.scatter({ a: [does("a")] }, options),
          RoutingSlip.build,
          Effect.flip
        )
      for (const quorum of [0, 2, 0.5]) {
        const failure = yield* built({ gather: { quorum } })
        assert.strictEqual(failure._tag, "InvalidInput")
        assert.include(JSON.stringify(failure), `of 1 branches ${quorum} cannot be gathered`)
      }
      // Branches need somebody who gathers them.
      const lonely = Registry.make(work)
      // @ts-expect-error - `scatter-gather` is not in the registry
      RoutingSlip.builder(lonely).pipe(RoutingSlip.scatter({ a: [does("a")] }))
    })
  )

  const nested = (levels: number): Schema.Json => (levels === 0 ? 1 : [nested(levels - 1)])
  const deep = Activity.make("deep", {
    arguments: { x: Schema.Json },
    log: { x: Schema.Json },
    execute: Effect.fnUntraced(function* ({ x }) {
      yield* (yield* ActivityContext).setVariable("own", nested(32))
      return { x }
    }),
    compensate: () => Effect.void
  })
  const deepRegistry = Registry.make(deep, reads, ScatterGather.activity)
  /** A slip that is undone at its end, with a variable and arguments of so many levels, in branches and before them. */
  const goingDeep = (variable: number, inBranch: number, before = 1) => {
    const branch = step(deep, { x: nested(inBranch - 1) })
    return RoutingSlip.builder(deepRegistry, one).pipe(
      RoutingSlip.variable("given", nested(variable)),
      RoutingSlip.add(deep, { x: nested(before - 1) }),
      RoutingSlip.scatter({ a: [branch, branch], b: [branch] }, { undo: "parallel", merge: [Merge.under("all")] }),
      RoutingSlip.add(deep, { x: 1 }),
      RoutingSlip.add(reads, { fails: true }),
      RoutingSlip.dispatch
    )
  }

  it.effect("can carry whatever its builder takes to where it is deepest, there and back", () =>
    Effect.gen(function* () {
      yield* goingDeep(32, 32, 32)
      for (let second = 0; second < 10; second++) yield* pass("1 second")
      for (const { queue } of deepRegistry.activities) {
        assert.deepStrictEqual(yield* (yield* Transport).deadLetters(queue), [])
      }
      assert.strictEqual(yield* status, "faulted")
      assert.deepInclude((yield* slip).fault, { step: "4", error: "Refusal" })
      assert.deepStrictEqual((yield* slip).compensation_log, [])
    }).pipe(
      Effect.provide(
        Worker.layer(deepRegistry, { relay: { interval: "500 millis" } }).pipe(Layer.provideMerge(infrastructure))
      )
    )
  )

  it.effect("is not begun with the activity that makes branches as a step, on the trunk or within a branch", () =>
    Effect.gen(function* () {
      const none: any = {}
      const nested = RoutingSlip.step(ScatterGather.activity, none)
      for (const [slip, place] of [
        [RoutingSlip.builder(deepRegistry, one).pipe(RoutingSlip.add(ScatterGather.activity, none)), "1"],
        [RoutingSlip.builder(deepRegistry, one).pipe(RoutingSlip.scatter({ only: [nested] })), "1.1.1"]
      ] as const) {
        const failure = yield* Effect.flip(RoutingSlip.dispatch(slip))
        if (failure._tag !== "InvalidInput") return assert.fail(failure._tag)
        const [issue] = failure.issues
        assert.strictEqual(
          issue?.path,
          `${place}.scatter-gather.branches are made by RoutingSlip.scatter, and do not nest`
        )
      }
      assert.isUndefined(yield* record)
    }).pipe(Effect.provide(infrastructure))
  )

  it.effect("is not begun where something in it is deeper than that, or no JSON", () =>
    Effect.gen(function* () {
      for (const [begun, path] of [
        [goingDeep(33, 1), "variables.given"],
        [goingDeep(60, 1), "variables.given"],
        [goingDeep(1, 33), "2.1.1.deep"],
        [goingDeep(1, 52), "2.1.1.deep"],
        [goingDeep(1, 1, 33), "1.deep"]
      ] as const) {
        const failure = yield* Effect.flip(begun)
        assert.strictEqual(failure._tag, "InvalidInput")
        if (failure._tag !== "InvalidInput") continue
        assert.strictEqual(failure.issues[0]?.path, path)
        assert.include(failure.issues[0]?.message, "more than 32 levels")
      }
      for (const value of [1n, new Date(0), Number.NaN] as ReadonlyArray<any>) {
        const failure = yield* RoutingSlip.builder(deepRegistry, one).pipe(
          RoutingSlip.variable("given", value),
          RoutingSlip.add(deep, { x: 1 }),
          RoutingSlip.dispatch,
          Effect.flip
        )
        assert.strictEqual(failure._tag, "InvalidInput")
      }
      assert.isUndefined(yield* record)
    }).pipe(Effect.provide(infrastructure))
  )
})
