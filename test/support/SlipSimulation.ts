/**
 * A whole mesh on the test clock, driven by a seed: slips of random steps that fail and are undone, two workers, a
 * broker that loses, doubles, delays and reorders, and workers that die at every point of a hop. The same seed gives
 * the same run.
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
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
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

/** What a slip was to do: its steps by name, those with branches with what is wanted of them. */
type Plan = Map<
  string,
  | undefined
  | { readonly wanted: number; readonly keeps: boolean; readonly branches: ReadonlyArray<ReadonlyArray<unknown>> }
>

interface Seen {
  readonly status: string
  readonly executed: ReadonlyArray<string>
  readonly undone: ReadonlyArray<string>
}

const branching = new Set<string>(["scattered", "gathered", "superseded"])

/** What must not be, given what was to be done and what was done and undone, in order. */
const faultsOf = (id: string, plan: Plan, { executed, status, undone }: Seen): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const well = status === "completed"
  if (!well && status !== "faulted" && status !== "cancelled") return [`${id} is stuck: ${status}`]
  const trunk = (steps: ReadonlyArray<string>) => steps.filter((step) => !step.includes("."))
  if (differ(trunk(undone), well ? [] : trunk(executed).toReversed())) {
    faults.push(`${id} ${status}, did ${executed} and undid ${undone}`)
  }
  for (const [step, scatter] of plan) {
    if (scatter === undefined) {
      if (well && !executed.includes(step)) faults.push(`${id} completed without step ${step}`)
      continue
    }
    let standing = 0
    for (const [index, itinerary] of scatter.branches.entries()) {
      const branch = `${step}.${index + 1}.`
      const [done, back] = [executed, undone].map((steps) => steps.filter((each) => each.startsWith(branch)))
      if (done === undefined || back === undefined) continue
      const stands = back.length === 0 && done.length === itinerary.length
      if (stands) standing++
      else if (differ(back, done.toReversed()))
        faults.push(`${id} ${status}, in ${branch} did ${done} and undid ${back}`)
    }
    const { keeps, wanted } = scatter
    const good = well ? (keeps ? standing >= wanted : standing === wanted) : keeps || standing === 0
    if (!good)
      faults.push(`${id} ${status}, and of step ${step} ${standing} branches stand where ${wanted} were wanted`)
  }
  return faults
}

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
    const registry = Registry.make(...activities, ScatterGather.activity)
    const someActivity = () => {
      const activity = activities[below(activities.length)] ?? activities[0]
      if (activity === undefined) throw new Error("there are no activities")
      return activity
    }
    const someArguments = () => ({
      fails: next() < 0.15 ? 3 : below(2),
      undoFails: below(3),
      takes: next() < 0.1 ? 8_000 : below(300)
    })
    const someStep = () => RoutingSlip.step(someActivity(), someArguments())
    /** Two or three branches of one or two steps, gathered and undone in some way. */
    const someBranches = () => {
      const branches: { [name: string]: [ReturnType<typeof someStep>, ...Array<ReturnType<typeof someStep>>] } = {}
      const many = 2 + below(2)
      for (let index = 0; index < many; index++) {
        branches[`branch ${index}`] = next() < 0.5 ? [someStep()] : [someStep(), someStep()]
      }
      const wanted = 1 + below(many)
      return {
        branches,
        wanted,
        options: {
          gather: { quorum: wanted },
          late: next() < 0.3 ? ("keep" as const) : ("compensate" as const),
          undo: next() < 0.5 ? ("parallel" as const) : ("reverse" as const),
          ...(next() < 0.3 ? { within: 2_000 + below(20_000) } : {})
        }
      }
    }

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
      const plans = new Map<string, Plan>()
      for (let index = 0; index < slips; index++) {
        let builder = RoutingSlip.builder(registry, { correlationId: `s${index}` })
        const plan: Plan = new Map()
        const parts = 1 + below(5)
        for (let each = 1; each <= parts; each++) {
          if (next() < 0.25) {
            const { branches, options, wanted } = someBranches()
            plan.set(String(each), { wanted, keeps: options.late === "keep", branches: Object.values(branches) })
            builder = builder.pipe(RoutingSlip.scatter(branches, options))
          } else {
            plan.set(String(each), undefined)
            builder = builder.pipe(RoutingSlip.add(someActivity(), someArguments()))
          }
        }
        plans.set(`s${index}`, plan)
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
        if (happens(0.03)) yield* store.cancel("default", `s${below(slips)}`, "the test")
        yield* TestClock.adjust("5 seconds")
        yield* Effect.repeat(Effect.yieldNow, { times: 20 })
        if (second % 10 === 0 && (yield* isOver)) break
      }
      // Branches that came too late are still undone, and late duplicates must find everything done.
      for (let second = 0; second < 180; second += 5) {
        yield* TestClock.adjust("5 seconds")
        yield* Effect.repeat(Effect.yieldNow, { times: 20 })
      }

      for (const id of ids) {
        const slip = yield* store.slip("default", id)
        const status = slip?.status ?? "executing"
        count(status)
        const events = yield* store.events("default", id)
        for (const { type } of events) if (branching.has(type)) count(type)
        const told = (type: string) => events.filter((event) => event.type === type).map(({ step }) => step)
        const of = (phase: string) =>
          [...effects.keys()]
            .filter((key) => key.startsWith(`default/${id}/`) && key.endsWith(phase))
            .map((key) => key.split("/")[2] ?? "")
        const seen = { status, executed: of("execute"), undone: of("compensate") }
        if (differ(seen.executed.toSorted(), told("executed").toSorted())) {
          violations.push(`${id} did ${seen.executed} and recorded ${told("executed")}`)
        }
        violations.push(...faultsOf(id, plans.get(id) ?? new Map(), seen))
      }
      for (const { queue } of registry.activities) {
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
