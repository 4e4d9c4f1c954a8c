/** How slips go forward and back, on the test clock and the memory transport. */
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext, step } from "@tenon/routing-slip/ActivityContext"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Wire from "@tenon/routing-slip/Wire"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { story } from "../support/Slips.ts"

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", { why: Schema.String }) {}

const infrastructure = Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, Security.layerUnsigned)

/** Runs a worker beside a test body, and lets time pass for it. */
const withWorker = <R, A, E>(
  registry: Registry.Of<R>,
  body: Effect.Effect<A, E, HopStore | Layer.Success<typeof infrastructure> | R>,
  options?: Worker.Options
) => body.pipe(Effect.provide(Worker.layer(registry, options).pipe(Layer.provideMerge(infrastructure))))

/** Lets time pass, and then lets the workers finish what takes no time. */
const pass = (duration: Duration.Input) =>
  TestClock.adjust(duration).pipe(Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 200 })))

const named = <const Name extends string>(
  name: Name,
  did: Array<string>,
  options: {
    readonly fails?: () => boolean
    readonly undoFails?: () => boolean
    readonly retry?: Activity.RetryOptions
    readonly compensationRetry?: Activity.RetryOptions
    readonly onCompensationFailure?: Activity.OnCompensationFailure
  } = {}
) =>
  Activity.make(name, {
    arguments: {},
    log: { by: Schema.String },
    ...options,
    execute: () =>
      options.fails?.() === true
        ? Effect.fail(new Refusal({ why: name }))
        : Effect.as(
            Effect.sync(() => did.push(name)),
            { by: name }
          ),
    compensate: ({ by }) =>
      options.undoFails?.() === true
        ? Effect.fail(new Refusal({ why: `undo ${by}` }))
        : Effect.asVoid(Effect.sync(() => did.push(`undo ${by}`)))
  })

const noted = (did: Array<string>, what: string) => Effect.sync(() => void did.push(what))

const one = { tenantId: "default", correlationId: "one" }
const statusOf = Effect.gen(function* () {
  return (yield* (yield* HopStore).slip("default", "one"))?.status
})

const broken = (options: Parameters<typeof named>[2]) => {
  const did: Array<string> = []
  const a = named("a", did)
  const b = named("b", did, { compensationRetry: { times: 1, delay: "1 second" }, ...options })
  const c = named("c", did, { fails: () => true })
  const registry = Registry.make(a, b, c)
  const dispatch = RoutingSlip.builder(registry, one).pipe(
    RoutingSlip.add(a, {}),
    RoutingSlip.add(b, {}),
    RoutingSlip.add(c, {}),
    RoutingSlip.dispatch
  )
  return { did, registry, dispatch }
}

const nested = (depth: number): Schema.Json => (depth === 0 ? 1 : [nested(depth - 1)])

describe("a slip", () => {
  it.effect("is not begun where no worker would read it", () =>
    Effect.gen(function* () {
      const a = named("a", [])
      const registry = Registry.make(a)
      const begin = (names: { readonly correlationId?: string; readonly tenantId?: string }, deep = 1) =>
        RoutingSlip.builder(registry, names).pipe(
          RoutingSlip.add(a, {}),
          RoutingSlip.variable("deep", nested(deep)),
          RoutingSlip.dispatch,
          Effect.flip
        )
      for (const correlationId of ["", "x".repeat(101), "a\0b", "\ud800", "\u001b[2J"]) {
        assert.strictEqual((yield* begin({ correlationId }))._tag, "InvalidInput")
        assert.strictEqual((yield* begin({ tenantId: correlationId }))._tag, "InvalidInput")
      }
      assert.strictEqual((yield* begin(one, 200))._tag, "InvalidInput")
      assert.isUndefined(yield* statusOf)
    }).pipe(Effect.provide(infrastructure))
  )

  for (const [what, value] of [
    ["deeper than the next worker reads", nested(200)],
    ["no JSON", Number.NaN]
  ] as const) {
    it.effect(`turns back, and says that a step stands, where that has set a variable that is ${what}`, () => {
      const did: Array<string> = []
      const [a, c] = [named("a", did), named("c", did)]
      const b = Activity.make("b", {
        arguments: {},
        execute: Effect.fnUntraced(function* () {
          did.push("b")
          yield* (yield* ActivityContext).setVariable("v", value)
        })
      })
      const registry = Registry.make(a, b, c)
      return withWorker(
        registry,
        Effect.gen(function* () {
          yield* RoutingSlip.builder(registry, one).pipe(
            RoutingSlip.add(a, {}),
            RoutingSlip.add(b, {}),
            RoutingSlip.add(c, {}),
            RoutingSlip.dispatch
          )
          yield* pass("1 hour")
          assert.strictEqual(yield* statusOf, "faulted")
          assert.strictEqual(did.at(-1), "undo a")
          const slip = yield* (yield* HopStore).slip("default", "one")
          const { routing_slip } = (yield* Wire.decode(slip?.body ?? new Uint8Array())).headers
          assert.deepInclude(routing_slip, { not_undone: ["2"] })
          assert.strictEqual(routing_slip.fault?.error, "InvalidVariable")
        })
      )
    })
  }

  it.effect("is undone in reverse where a step fails", () => {
    const did: Array<string> = []
    const [a, b, c] = [named("a", did), named("b", did), named("c", did, { fails: () => true })]
    const registry = Registry.make(a, b, c)
    return withWorker(
      registry,
      Effect.gen(function* () {
        yield* RoutingSlip.builder(registry, one).pipe(
          RoutingSlip.add(a, {}),
          RoutingSlip.add(b, {}),
          RoutingSlip.add(c, {}),
          RoutingSlip.dispatch
        )
        yield* pass("1 second")
        assert.deepStrictEqual(did, ["a", "b", "undo b", "undo a"])
        const slip = yield* (yield* HopStore).slip("default", "one")
        assert.strictEqual(slip?.status, "faulted")
        const { headers } = yield* Wire.decode(slip?.body ?? new Uint8Array())
        assert.deepInclude(headers.routing_slip.fault, { step: "3", activity: "c", error: "Refusal" })
      })
    )
  })

  it.effect("tries a failed step again as its activity declares", () => {
    const did: Array<string> = []
    let left = 2
    const a = named("a", did, { fails: () => left-- > 0, retry: { times: 2, delay: "10 seconds", factor: 3 } })
    const registry = Registry.make(a)
    return withWorker(
      registry,
      Effect.gen(function* () {
        yield* RoutingSlip.builder(registry, one).pipe(RoutingSlip.add(a, {}), RoutingSlip.dispatch)
        yield* pass("9 seconds")
        assert.deepStrictEqual(yield* story(one), ["dispatched 0", "retrying 1"])
        yield* pass("3 seconds")
        assert.deepStrictEqual(yield* story(one), ["dispatched 0", "retrying 1", "retrying 1"])
        yield* pass("25 seconds")
        assert.strictEqual(did.length, 0)
        yield* pass("10 seconds")
        assert.deepStrictEqual(did, ["a"])
        assert.strictEqual(yield* statusOf, "completed")
      })
    )
  })

  it.effect("halts where a compensation keeps failing, and an operator resumes it", () => {
    let down = true
    const { did, dispatch, registry } = broken({ undoFails: () => down })
    return withWorker(
      registry,
      Effect.gen(function* () {
        yield* dispatch
        yield* pass("1 minute")
        assert.strictEqual(yield* statusOf, "halted")
        assert.deepStrictEqual((yield* story(one)).slice(3), ["faulted 3", "retrying 2", "halted 2"])
        const store = yield* HopStore
        yield* store.resume("default", "one")
        yield* pass("1 minute")
        assert.strictEqual(yield* statusOf, "halted")
        down = false
        yield* store.resume("default", "one")
        yield* pass("1 minute")
        assert.strictEqual(yield* statusOf, "faulted")
        assert.deepStrictEqual(did, ["a", "b", "undo b", "undo a"])
        const again = yield* Effect.flip(store.resume("default", "one"))
        assert.strictEqual(again._tag, "NotHalted")
      })
    )
  })

  it.effect("goes on undoing where an operator has a halted compensation skipped", () => {
    const { did, dispatch, registry } = broken({ undoFails: () => true })
    return withWorker(
      registry,
      Effect.gen(function* () {
        yield* dispatch
        yield* pass("1 minute")
        const store = yield* HopStore
        yield* store.skip("default", "one", { by: "grace" })
        yield* pass("1 minute")
        assert.deepStrictEqual(did, ["a", "b", "undo a"])
        const slip = yield* store.slip("default", "one")
        assert.strictEqual(slip?.status, "faulted")
        const { headers } = yield* Wire.decode(slip?.body ?? new Uint8Array())
        assert.deepStrictEqual(headers.routing_slip.not_undone, ["2"])
      })
    )
  })

  it.effect("goes on undoing by itself where the activity says so", () => {
    const { did, dispatch, registry } = broken({ undoFails: () => true, onCompensationFailure: "continue" })
    return withWorker(
      registry,
      Effect.gen(function* () {
        yield* dispatch
        yield* pass("1 minute")
        assert.deepStrictEqual(did, ["a", "b", "undo a"])
        assert.deepStrictEqual((yield* story(one)).slice(4), ["retrying 2", "abandoned 2", "compensated 1"])
      })
    )
  })

  it.effect("is cancelled before its next step, and undone", () => {
    const did: Array<string> = []
    const slow = Activity.make("slow", { arguments: {}, execute: () => Effect.sleep("10 seconds") })
    const [a, b] = [named("a", did), named("b", did)]
    const registry = Registry.make(a, slow, b)
    return withWorker(
      registry,
      Effect.gen(function* () {
        yield* RoutingSlip.builder(registry, one).pipe(
          RoutingSlip.add(a, {}),
          RoutingSlip.add(slow, {}),
          RoutingSlip.add(b, {}),
          RoutingSlip.dispatch
        )
        yield* pass("5 seconds")
        yield* (yield* HopStore).cancel("default", "one", "grace")
        yield* pass("10 seconds")
        assert.deepStrictEqual(did, ["a", "undo a"])
        assert.strictEqual(yield* statusOf, "cancelled")
      })
    )
  })

  it.effect("turns back where a step takes too long, or begins after the slip's deadline", () => {
    const did: Array<string> = []
    const a = named("a", did)
    const slow = Activity.make("slow", { arguments: {}, execute: () => Effect.sleep("10 seconds") })
    const registry = Registry.make(a, slow)
    return withWorker(
      registry,
      Effect.gen(function* () {
        yield* RoutingSlip.builder(registry, one).pipe(
          RoutingSlip.add(a, {}),
          RoutingSlip.add(slow, {}, { timeout: "2 seconds" }),
          RoutingSlip.dispatch
        )
        yield* RoutingSlip.builder(registry, { correlationId: "two" }).pipe(
          RoutingSlip.add(slow, {}),
          RoutingSlip.add(a, {}),
          RoutingSlip.within("5 seconds"),
          RoutingSlip.dispatch
        )
        yield* pass("30 seconds")
        const store = yield* HopStore
        const events = (yield* store.events("default", "one")).find(({ type }) => type === "faulted")
        assert.deepInclude(events, { step: "2", detail: "StepTimedOut: It took longer than 2s." })
        const late = (yield* store.events("default", "two")).find(({ type }) => type === "faulted")
        assert.include(late?.detail, "DeadlineExceeded")
        assert.deepStrictEqual(did, ["a", "undo a"])
      })
    )
  })

  it.effect("bounds a step by the lesser of its own time and its activity's", () => {
    const slow = Activity.make("slow", { arguments: {}, timeout: "10 seconds", execute: () => Effect.never })
    const registry = Registry.make(slow)
    return withWorker(
      registry,
      Effect.gen(function* () {
        const store = yield* HopStore
        for (const [timeout, limit] of [
          ["2 seconds", "2s"],
          ["1 hour", "10s"]
        ] as const) {
          yield* RoutingSlip.builder(registry, { correlationId: timeout }).pipe(
            RoutingSlip.add(slow, {}, { timeout }),
            RoutingSlip.dispatch
          )
          yield* pass("11 seconds")
          const told = (yield* store.events("default", timeout)).at(-1)?.detail
          assert.strictEqual(told, `StepTimedOut: It took longer than ${limit}.`)
        }
      })
    )
  })

  it.effect("says that a step may stand that was cut off or died, and does it again before it is called off", () => {
    const did: Array<string> = []
    const a = named("a", did)
    // Each has done its work before its worker can know.
    const slow = Activity.make("slow", {
      arguments: {},
      execute: () => Effect.andThen(noted(did, "slow"), Effect.never)
    })
    const dies = Activity.make("dies", {
      arguments: {},
      execute: () => Effect.andThen(noted(did, "dies"), Effect.die("x"))
    })
    const once = Activity.make("once", {
      arguments: {},
      retry: { times: 1, delay: "10 seconds" },
      timeout: "1 second",
      log: {},
      execute: Effect.fnUntraced(function* () {
        yield* noted(did, "once")
        if ((yield* ActivityContext).attempt === 1) return yield* Effect.never
        return {}
      }),
      compensate: () => noted(did, "undo once")
    })
    const registry = Registry.make(a, slow, dies, once)
    return withWorker(
      registry,
      Effect.gen(function* () {
        const store = yield* HopStore
        const notUndone = Effect.fnUntraced(function* (correlationId: string) {
          const slip = yield* store.slip("default", correlationId)
          const { routing_slip } = (yield* Wire.decode(slip?.body ?? new Uint8Array())).headers
          return [slip?.status, ...routing_slip.not_undone]
        })
        const begin = (correlationId: string) =>
          RoutingSlip.builder(registry, { correlationId }).pipe(RoutingSlip.add(a, {}))
        yield* begin("slow").pipe(RoutingSlip.add(slow, {}, { timeout: "1 second" }), RoutingSlip.dispatch)
        yield* pass("10 seconds")
        assert.deepStrictEqual(yield* notUndone("slow"), ["faulted", "2"])
        yield* begin("dies").pipe(RoutingSlip.add(dies, {}), RoutingSlip.dispatch)
        yield* pass("10 seconds")
        assert.deepStrictEqual(yield* notUndone("dies"), ["faulted", "2"])
        did.length = 0
        yield* begin("once").pipe(RoutingSlip.add(once, {}), RoutingSlip.add(a, {}), RoutingSlip.dispatch)
        yield* pass("3 seconds")
        yield* store.cancel("default", "once", "operator")
        yield* pass("30 seconds")
        assert.deepStrictEqual(did, ["a", "once", "once", "undo once", "undo a"])
        assert.deepStrictEqual(yield* notUndone("once"), ["cancelled"])
      })
    )
  })

  it.effect("carries variables forward and through compensations", () => {
    const seen: Array<string> = []
    const sets = Activity.make("sets", {
      arguments: { to: Schema.String },
      log: {},
      execute: Effect.fnUntraced(function* ({ to }) {
        const context = yield* ActivityContext
        const before = yield* Effect.orElseSucceed(context.variable("v", Schema.String), () => "nothing")
        seen.push(`${before} → ${to} as ${context.idempotencyKey}`)
        yield* context.setVariable("v", to)
        if (to === "bad") return yield* new Refusal({ why: "bad" })
        return {}
      }),
      compensate: Effect.fnUntraced(function* () {
        const context = yield* ActivityContext
        const before = yield* Effect.orElseSucceed(context.variable("v", Schema.String), () => "nothing")
        seen.push(`undo at ${before}`)
        yield* context.setVariable("v", `undone ${context.step}`)
      })
    })
    const registry = Registry.make(sets)
    return withWorker(
      registry,
      Effect.gen(function* () {
        yield* RoutingSlip.builder(registry, one).pipe(
          RoutingSlip.add(sets, { to: "x" }),
          RoutingSlip.add(sets, { to: "y" }),
          RoutingSlip.add(sets, { to: "bad" }),
          RoutingSlip.dispatch
        )
        yield* pass("1 second")
        assert.deepStrictEqual(seen, [
          "nothing → x as default/one/1/execute",
          "x → y as default/one/2/execute",
          // What a failed step has set is not kept.
          "y → bad as default/one/3/execute",
          "undo at y",
          "undo at undone 2"
        ])
      })
    )
  })

  it.effect("is revised by a planner within the policy that the builder gave", () => {
    const did: Array<string> = []
    const [a, b] = [named("a", did), named("b", did)]
    const planner = Activity.make("planner", {
      arguments: { insert: Schema.Int, drops: Schema.Boolean, ends: Schema.Boolean },
      execute: Effect.fnUntraced(function* ({ drops, ends, insert }) {
        const context = yield* ActivityContext
        yield* context.insert(...Array.from({ length: insert }, () => step(a, {})))
        if (drops) yield* context.drop(...context.remaining.map((each) => each.step))
        if (ends) yield* context.terminate
      })
    })
    const registry = Registry.make(a, b, planner)
    const run = (id: string, insert: number, drops = false, ends = false) =>
      RoutingSlip.builder(registry, { correlationId: id }).pipe(
        RoutingSlip.add(planner, { insert, drops, ends }),
        RoutingSlip.add(b, {}),
        RoutingSlip.revisable({ by: [planner], insert: [a], budget: 2 }),
        RoutingSlip.dispatch,
        Effect.andThen(pass("1 second")),
        Effect.andThen(Effect.sync(() => did.splice(0)))
      )
    return withWorker(
      registry,
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run("two", 2), ["a", "a", "b"])
        assert.deepStrictEqual(yield* story({ tenantId: "default", correlationId: "two" }), [
          "dispatched 0",
          "executed 1",
          "executed 1.1",
          "executed 1.2",
          "executed 2"
        ])
        assert.deepStrictEqual(yield* run("three", 3), [])
        assert.deepStrictEqual(yield* run("drops", 0, true), [])
        const store = yield* HopStore
        assert.deepInclude((yield* store.events("default", "three"))[1], {
          type: "faulted",
          detail: "RevisionRefused: 3 steps were inserted where 2 are left"
        })
        assert.include((yield* store.events("default", "drops"))[1]?.detail, "no step may be dropped")
        assert.deepStrictEqual(yield* run("ends", 0, false, true), [])
        assert.strictEqual((yield* store.slip("default", "ends"))?.status, "terminated")
      })
    )
  })

  it.effect("is revised by nobody else, with nothing else, and dropped from where that is allowed", () => {
    const did: Array<string> = []
    const [a, b, c] = [named("a", did), named("b", did), named("c", did)]
    const planner = (name: "planner" | "other") =>
      Activity.make(name, {
        arguments: { insert: Schema.Literals(["a", "b", "nothing"]), drop: Schema.Array(Schema.String) },
        execute: Effect.fnUntraced(function* ({ drop, insert }) {
          const context = yield* ActivityContext
          if (insert !== "nothing") yield* context.insert(step(insert === "a" ? a : b, {}, { timeout: "1 minute" }))
          yield* context.drop(...drop)
        })
      })
    const [plans, other] = [planner("planner"), planner("other")]
    const registry = Registry.make(a, b, c, plans, other)
    const run = (id: string, by: typeof plans | typeof other, insert: "a" | "b" | "nothing", ...drop: Array<string>) =>
      RoutingSlip.builder(registry, { correlationId: id }).pipe(
        RoutingSlip.add(c, {}),
        (builder) => RoutingSlip.add(by, { insert, drop })(builder as RoutingSlip.Builder<string>),
        RoutingSlip.add(b, {}),
        RoutingSlip.add(c, {}),
        RoutingSlip.revisable({ by: [plans], insert: [a], budget: 1, drops: true }),
        RoutingSlip.dispatch,
        Effect.andThen(pass("1 second")),
        Effect.andThen(Effect.sync(() => did.splice(0)))
      )
    const faultOf = (id: string) =>
      Effect.flatMap(HopStore, (store) =>
        Effect.map(store.events("default", id), (events) => events.find(({ type }) => type === "faulted")?.detail)
      )
    return withWorker(
      registry,
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run("inserts", plans, "a"), ["c", "a", "b", "c"])
        assert.deepStrictEqual(yield* run("drops", plans, "nothing", "3"), ["c", "c"])
        assert.deepStrictEqual(yield* run("both", plans, "a", "3", "4"), ["c", "a"])
        const undone = ["c", "undo c"]
        assert.deepStrictEqual(yield* run("foreign", plans, "b"), undone)
        assert.include(yield* faultOf("foreign"), "b may not be inserted")
        assert.deepStrictEqual(yield* run("nobody", other, "a"), undone)
        assert.include(yield* faultOf("nobody"), "other may not revise the itinerary")
        assert.deepStrictEqual(yield* run("done", plans, "nothing", "1"), undone)
        assert.include(yield* faultOf("done"), "step 1 is not left to do")
      })
    )
  })

  it.effect("goes on with a planner that inserts itself again, and turns back where that goes too deep", () => {
    const did: Array<string> = []
    const tool = named("tool", did)
    const plans = Activity.make("planner", {
      arguments: { rounds: Schema.Int },
      execute: Effect.fnUntraced(function* ({ rounds }): Effect.fn.Return<void, never, ActivityContext> {
        if (rounds === 0) return
        yield* (yield* ActivityContext).insert(step(tool, {}), again(rounds - 1))
      })
    })
    const again = (rounds: number) => step(plans, { rounds })
    const registry = Registry.make(tool, plans)
    return withWorker(
      registry,
      Effect.gen(function* () {
        for (const rounds of [50, 100]) {
          yield* RoutingSlip.builder(registry, { correlationId: String(rounds) }).pipe(
            RoutingSlip.add(plans, { rounds }),
            RoutingSlip.revisable({ by: [plans], insert: [tool, plans], budget: 1_000 }),
            RoutingSlip.dispatch
          )
          for (let second = 0; second < 20; second++) yield* pass("1 second")
        }
        const store = yield* HopStore
        assert.strictEqual((yield* store.slip("default", "50"))?.status, "completed")
        const tools = did.splice(0, 50)
        assert.deepStrictEqual(
          tools,
          tools.map(() => "tool")
        )
        assert.strictEqual((yield* store.slip("default", "100"))?.status, "faulted")
        const fault = (yield* store.events("default", "100")).find(({ type }) => type === "faulted")
        assert.include(fault?.detail, "RevisionRefused: a step may not be inserted as deep as 1.2.2.")
        assert.deepStrictEqual(
          did.slice(did.length / 2),
          did.slice(did.length / 2).map(() => "undo tool")
        )
      })
    )
  })

  it.effect("gives each execution services of its own, released however it ends", () => {
    const log: Array<string> = []
    let made = 0
    class Session extends Context.Service<Session, { readonly id: number }>()("test/Session") {}
    const session = Layer.effect(
      Session,
      Effect.acquireRelease(
        Effect.sync(() => {
          log.push(`open ${++made}`)
          return { id: made }
        }),
        ({ id }) => Effect.sync(() => log.push(`close ${id}`))
      )
    )
    const uses = Activity.make("uses", {
      arguments: { how: Schema.Literals(["well", "fails", "dies", "hangs"]) },
      log: {},
      execute: Effect.fnUntraced(function* ({ how }) {
        log.push(`${how} with ${(yield* Session).id}`)
        if (how === "fails") return yield* new Refusal({ why: how })
        if (how === "dies") return yield* Effect.die(new Error("a bug"))
        if (how === "hangs") return yield* Effect.never
        return {}
      }),
      compensate: Effect.fnUntraced(function* () {
        log.push(`undo with ${(yield* Session).id}`)
      })
    }).pipe(Activity.provide(session))
    const registry = Registry.make(uses)
    const dispatch = (...how: ReadonlyArray<"well" | "fails" | "dies" | "hangs">) =>
      how
        .reduce(
          (builder, each) => builder.pipe(RoutingSlip.add(uses, { how: each })),
          RoutingSlip.builder(registry, { correlationId: how.join() })
        )
        .pipe(RoutingSlip.dispatch, Effect.andThen(pass("1 second")))
    return Effect.gen(function* () {
      yield* withWorker(
        registry,
        Effect.gen(function* () {
          yield* dispatch("well", "fails")
          assert.deepStrictEqual(log.splice(0), [
            "open 1",
            "well with 1",
            "close 1",
            "open 2",
            "fails with 2",
            "close 2",
            "open 3",
            "undo with 3",
            "close 3"
          ])
          yield* dispatch("dies")
          assert.deepStrictEqual(log.splice(0), ["open 4", "dies with 4", "close 4"])
          yield* dispatch("hangs")
        }),
        { drain: 0 }
      )
      // The worker is gone: what hung was interrupted and closed.
      assert.deepStrictEqual(log.splice(0), ["open 5", "hangs with 5", "close 5"])
    })
  })

  it.effect("gives two executions at once services of their own", () => {
    const ids: Array<number> = []
    let made = 0
    let open = 0
    class Session extends Context.Service<Session, number>()("test/OwnSession") {}
    const session = Layer.effect(
      Session,
      Effect.acquireRelease(
        Effect.sync(() => (open++, ++made)),
        () => Effect.sync(() => open--)
      )
    )
    const uses = Activity.make("uses", {
      arguments: {},
      execute: Effect.fnUntraced(function* () {
        ids.push(yield* Session)
        yield* Effect.sleep("1 second")
      })
    }).pipe(Activity.provide(session))
    const registry = Registry.make(uses)
    return withWorker(
      registry,
      Effect.gen(function* () {
        for (const correlationId of ["one", "two"]) {
          yield* RoutingSlip.builder(registry, { correlationId }).pipe(RoutingSlip.add(uses, {}), RoutingSlip.dispatch)
        }
        yield* pass("500 millis")
        assert.deepStrictEqual([ids.toSorted(), open], [[1, 2], 2])
        yield* pass("1 second")
        assert.strictEqual(open, 0)
      })
    )
  })

  it.effect("is refused where its arguments do not fit, with every fault named", () => {
    const a = Activity.make("a", {
      arguments: { n: Schema.Int, s: Schema.NonEmptyString },
      execute: () => Effect.void
    })
    const registry = Registry.make(a)
    return Effect.gen(function* () {
      const failure = yield* Effect.flip(
        RoutingSlip.builder(registry).pipe(
          RoutingSlip.add(a, { n: 1.5, s: "" }),
          RoutingSlip.add(a, { n: 1, s: "" }),
          RoutingSlip.dispatch
        )
      )
      assert.strictEqual(failure._tag, "InvalidInput")
      if (failure._tag === "InvalidInput") {
        assert.deepStrictEqual(
          failure.issues.map(({ path }) => path),
          ["1.a.n", "1.a.s", "2.a.s"]
        )
      }
    }).pipe(Effect.provide(infrastructure))
  })
})
