import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as Security from "@tenon/routing-slip/Security"
import * as TraceContext from "@tenon/routing-slip/TraceContext"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as OtlpCollector from "../support/OtlpCollector.ts"
import { settled } from "../support/Slips.ts"

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

const step = <const Name extends string>(name: Name) =>
  Activity.make(name, {
    arguments: { secret: Schema.String },
    log: { secret: Schema.String },
    execute: ({ secret }) =>
      secret === "bad" ? Effect.fail(new Refusal({ why: "hunter2" })) : Effect.succeed({ secret }),
    compensate: () => Effect.void
  })
const [first, left, right, last] = [step("first"), step("left"), step("right"), step("last")]
const registry = Registry.make(first, left, right, last, ScatterGather.activity)

const world = (layer: Layer.Layer<never> = Layer.empty) =>
  Worker.layer(registry, { relay: { interval: "30 millis" } }).pipe(
    Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, Security.layerUnsigned)),
    Layer.provideMerge(layer),
    Layer.orDie
  )

const order = (secret: string) =>
  RoutingSlip.builder(registry).pipe(
    RoutingSlip.add(first, { secret: "hunter2" }),
    RoutingSlip.scatter({
      a: [RoutingSlip.step(left, { secret: "hunter2" })],
      b: [RoutingSlip.step(right, { secret: "hunter2" })]
    }),
    RoutingSlip.add(last, { secret }),
    RoutingSlip.dispatch,
    Effect.withSpan("order", { kind: "server" })
  )

/** Runs a slip and gives what was exported. */
const collected = (secret: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const collector = yield* OtlpCollector.make()
      yield* Effect.gen(function* () {
        const slip = yield* order(secret)
        yield* settled(slip)
      }).pipe(Effect.provide(world(OtlpCollector.tracer(collector.url, "test"))))
      return collector
    })
  )

it.live("a slip is one trace from its builder through every worker, back included, with its branches linked", () =>
  Effect.gen(function* () {
    const { received, spans } = yield* collected("bad")
    const [root] = spans.filter(({ name }) => name === "order")
    const hops = spans.filter(({ name }) => / (execute|compensate)$/.test(name))
    assert.deepStrictEqual(new Set(spans.map(({ traceId }) => traceId)), new Set([root?.traceId]))
    const byId = new Map(spans.map((span) => [span.spanId, span]))
    for (const span of hops) assert.isTrue(byId.has(span.parentSpanId ?? ""), `${span.name} has no parent`)
    for (const name of ["first", "left", "right", "last"]) {
      assert.isTrue(
        hops.some((span) => span.name === `${name} execute`),
        name
      )
    }
    for (const name of ["first", "left", "right"]) {
      assert.isTrue(
        hops.some((span) => span.name === `${name} compensate`),
        name
      )
    }
    // Both branches have led to what follows: one is its ancestor, the other is linked.
    const linked = hops.flatMap(({ links }) => links.map(({ spanId }) => byId.get(spanId)?.name))
    assert.isTrue(linked.includes("left execute") || linked.includes("right execute"), JSON.stringify(linked))
    const failed = hops.find(({ name }) => name === "last execute")
    assert.strictEqual(failed?.attributes["error.type"], "Refusal")
    assert.notInclude(received(), "hunter2")
  })
)

it.effect("a worker that traces nothing hands on the trace that it was given", () =>
  Effect.gen(function* () {
    const incoming = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "vendor=1" }
    const untraced = yield* TraceContext.follow(incoming).pipe(
      Effect.withSpan("worker"),
      Effect.provideService(References.TracerEnabled, false)
    )
    assert.deepStrictEqual(untraced, incoming)
    const traced = yield* TraceContext.follow(incoming).pipe(
      Effect.withSpan("worker", { parent: TraceContext.parentOf(incoming) })
    )
    assert.strictEqual(traced["tracestate"], "vendor=1")
    assert.match(traced["traceparent"] ?? "", new RegExp(`^00-${"a".repeat(32)}-(?!${"b".repeat(16)})`))
  })
)
