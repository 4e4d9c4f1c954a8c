/**
 * A whole mesh on the test clock, driven by a seed: slips of random steps that fail and are undone, two workers, a
 * broker that loses, doubles, delays and reorders, and workers that die at every point of a hop. The same seed gives the
 * same run.
 */
import { Transport, type Outgoing } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import { NewId, seeded as seededIds } from "@tenon/core/NewId"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import { HopPoint } from "@tenon/routing-slip/HopPoint"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"

/** Numbers in [0, 1) from a seed: mulberry32. */
const random = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {}) {}

/** What came of a run: what broke, and how much happened on the way. */
export interface Run {
  readonly violations: ReadonlyArray<string>
  readonly counts: { readonly [what: string]: number }
}

const differ = (one: ReadonlyArray<unknown>, other: ReadonlyArray<unknown>) => one.join() !== other.join()

/** How many slips a run has. */
const slips = 4

const names = ["a", "b", "c"] as const

/** Runs one seed. */
export const run = (seed: number): Effect.Effect<Run> =>
  Effect.gen(function* () {
    const next = random(seed)
    const below = (n: number) => Math.floor(next() * n)
    const violations: Array<string> = []
    const counts: { [what: string]: number } = {}
    const count = (what: string) => (counts[what] = (counts[what] ?? 0) + 1)
    let trouble = true
    const happens = (probability: number) => trouble && next() < probability

    /** What stands, by idempotency key, in the order in which it was first done. */
    const effects = new Map<string, number>()
    const stored = new Set<string>()
    const does = (key: string) => {
      count("executions")
      if (stored.has(key)) violations.push(`${key} was run again after its outcome was stored`)
      if (!effects.has(key)) effects.set(key, effects.size)
    }

    const activities = names.map((name) =>
      Activity.make(name, {
        arguments: { fails: Schema.Int, undoFails: Schema.Int, takes: Schema.Int },
        log: { fails: Schema.Int, undoFails: Schema.Int, takes: Schema.Int },
        retry: { times: 2, delay: "100 millis" },
        compensationRetry: { times: 20, delay: "100 millis", factor: 1 },
        execute: Effect.fnUntraced(function* (args) {
          const { attempt, idempotencyKey } = yield* ActivityContext
          yield* Effect.sleep(args.takes)
          // Three failures are one more than is retried; attempts that crashed count too, so some fail sooner.
          if (args.fails >= 3 || attempt <= args.fails) return yield* new Refusal()
          does(idempotencyKey)
          return args
        }),
        compensate: Effect.fnUntraced(function* (args) {
          const { attempt, idempotencyKey } = yield* ActivityContext
          yield* Effect.sleep(args.takes)
          if (attempt <= args.undoFails) return yield* new Refusal()
          does(idempotencyKey)
        })
      })
    )
    const registry = Registry.make(...activities)

    const faults = {
      publish: (message: Outgoing): TransportMemory.PublishFault => {
        if (message.queue.endsWith(".dead") || !happens(0.3)) return { _tag: "None" }
        const kind = (["Lost", "Unconfirmed", "Duplicated", "Delayed"] as const)[below(4)] ?? "Lost"
        count(kind)
        return kind === "Duplicated" || kind === "Delayed" ? { _tag: kind, delay: below(20_000) } : { _tag: kind }
      },
      losesAck: () => {
        const loses = happens(0.1)
        if (loses) count("ack lost")
        return loses
      }
    }
    const crashes = (point: string, key: string) =>
      Effect.suspend(() => {
        if (point === "stored") stored.add(key)
        if (!happens(0.06)) return Effect.void
        count(`crash ${point}`)
        return Effect.die(new Error(`crash at ${point}`))
      })

    const options = { lease: "5 seconds", maxCrashes: 1_000, maxDeliveries: 30, prefetch: 4, drain: 0 } as const
    const world = Layer.mergeAll(Worker.layer(registry, options), Layer.fresh(Worker.layer(registry, options))).pipe(
      Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, Security.layerUnsigned)),
      Layer.provide(Layer.succeed(TransportMemory.Faults, faults)),
      Layer.provide(Layer.succeed(HopPoint, crashes))
    )

    yield* Effect.gen(function* () {
      const ids: Array<string> = []
      const plans = new Map<string, number>()
      for (let index = 0; index < slips; index++) {
        let builder = RoutingSlip.builder(registry, { correlationId: `s${index}` })
        const steps = 1 + below(5)
        for (let each = 0; each < steps; each++) {
          const activity = activities[below(activities.length)] ?? activities[0]
          if (activity === undefined) continue
          const args = {
            fails: next() < 0.15 ? 3 : below(2),
            undoFails: below(3),
            takes: next() < 0.1 ? 8_000 : below(300)
          }
          builder = builder.pipe(RoutingSlip.add(activity, args))
        }
        plans.set(`s${index}`, steps)
        ids.push((yield* RoutingSlip.dispatch(builder)).correlationId)
        if (next() < 0.1) yield* (yield* HopStore).cancel("default", `s${index}`, "the test")
      }

      const store = yield* HopStore
      const isOver = Effect.map(
        Effect.forEach(ids, (id) => store.slip("default", id)),
        (found) => found.every((slip) => !["executing", "compensating"].includes(slip?.status ?? "executing"))
      )
      // A minute of trouble, then the world is well again: whatever is not over by the end is stuck.
      for (let second = 0; second < 900; second += 5) {
        if (second === 60) trouble = false
        yield* TestClock.adjust("5 seconds")
        yield* Effect.repeat(Effect.yieldNow, { times: 20 })
        if (second % 10 === 0 && (yield* isOver)) break
      }
      // Late duplicates must find everything done.
      yield* TestClock.adjust("30 seconds")
      yield* Effect.repeat(Effect.yieldNow, { times: 50 })

      for (const id of ids) {
        const slip = yield* store.slip("default", id)
        const status = slip?.status ?? "executing"
        count(status)
        const of = (phase: string) =>
          [...effects.keys()]
            .filter((key) => key.startsWith(`default/${id}/`) && key.endsWith(phase))
            .map((key) => key.split("/")[2])
        const [executed, undone] = [of("execute"), of("compensate")]
        const expected = (yield* store.events("default", id))
          .filter(({ type }) => type === "executed")
          .map(({ step }) => step)
        if (status === "completed") {
          if (executed.length !== plans.get(id)) violations.push(`${id} did ${executed} of ${plans.get(id)} steps`)
          if (undone.length > 0) violations.push(`${id} completed and undid ${undone}`)
        } else if (status === "faulted" || status === "cancelled") {
          if (differ(executed, expected)) violations.push(`${id} did ${executed} and recorded ${expected}`)
          if (differ(undone, executed.toReversed())) violations.push(`${id} did ${executed} and undid ${undone}`)
        } else violations.push(`${id} is stuck: ${status}`)
      }
      for (const { queue } of activities) {
        const letters = yield* (yield* Transport).deadLetters(queue)
        for (const { detail, reason } of letters) violations.push(`a dead letter: ${reason} ${detail}`)
      }
    }).pipe(Effect.provide(world), Effect.provideService(NewId, seededIds(seed)))
    return { violations, counts }
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.mergeAll(TestClock.layer(), Logger.layer([]))),
    Effect.catch((failure) => Effect.succeed({ violations: [`the run failed: ${String(failure)}`], counts: {} }))
  )
