/**
 * What a replay owes a program: the same results in the same order. Generated programs run with crashes at points that
 * their seeds choose, and every attempt must have been handed what the attempts before it were handed, and then go on.
 */
import * as AuditLog from "@tenon/core/AuditLog"
import { Checkpoint, Crash } from "@tenon/core/Checkpoint"
import * as Executor from "@tenon/core/Executor"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import * as Registry from "@tenon/core/Registry"
import type { Receipts } from "@tenon/core/Receipts"
import type { RowStore } from "@tenon/core/RowStore"
import { callName, type Fork, RunJournal } from "@tenon/core/RunJournal"
import * as RunReplay from "@tenon/core/RunReplay"
import { seeded } from "@tenon/core/RunClock"
import { Runtime } from "@tenon/core/Runtime"
import type { Outbox, UnitOfWork } from "@tenon/core/UnitOfWork"
import * as Workflow from "@tenon/core/Workflow"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as RunPrograms from "./RunPrograms.ts"
import * as Testing from "./Testing.ts"

/** The registry of the generated programs. */
export const registry = Registry.make({ resources: [RunPrograms.Clerk], workflows: [RunPrograms.Generated] })

/** What the programs run on. */
export interface Options<E, E2, S = never> {
  readonly runtime: Layer.Layer<Runtime, E, Executor.Executor | Workflow.Workflows | S>
  /** Default: in memory. It gives what else the runtime needs of a store. */
  readonly store?: (registry: Registry.Registry) => Layer.Layer<UnitOfWork | RowStore | Outbox | Receipts | S, E2>
  /** Which seeds. Default: 0 to 29. */
  readonly seeds?: { readonly from: number; readonly count: number }
  /** How many programs run side by side. Default: 30. */
  readonly concurrency?: number
  /** `test` for a runtime that takes its time from the test clock. Default: `live`. */
  readonly clock?: "live" | "test"
}

/** How long it takes until a call is done, at least, in milliseconds. */
const callMillis = 20

/**
 * Crashes around steps, at points that a run's key decides, a few times each; and now and then around all else that
 * comes into a journal, of which the place does not tell whose it is. Calls are slow.
 */
const saboteur = () => {
  const runs = new Map<string, { readonly draw: () => number; left: number }>()
  const crashed = new Set<string>()
  return (point: string, what: string) =>
    Effect.suspend(() => {
      if (what.endsWith(RunPrograms.crashing) && !crashed.has(what)) {
        crashed.add(what)
        return Effect.die(new Crash(`A crash ${point} ${what}`))
      }
      const [key = "", path] = what.split(":")
      const run = runs.get(key) ?? { draw: seeded(`crash ${key}`), left: path === undefined ? Infinity : 4 }
      runs.set(key, run)
      const slow = point === "before" && what === clerk ? Effect.sleep(callMillis) : Effect.void
      if (run.left === 0 || run.draw() > (path === undefined ? 0.03 : 0.25)) return slow
      run.left--
      return Effect.die(new Crash(`A crash ${point} ${what}`))
    })
}

const clerk = callName(RunPrograms.Clerk.actions.take)

const isPrefix = (one: ReadonlyArray<string>, other: ReadonlyArray<string>) =>
  one.length <= other.length && one.every((each, index) => each === other[index])

/** Says what is wrong with what a run was handed. */
const complaint = ({ attempts, end }: RunPrograms.Written): string | undefined => {
  if (end === undefined) return "it did not come to its end"
  for (const [index, handed] of attempts.entries()) {
    if (isPrefix(handed, end)) continue
    const at = handed.findIndex((each, place) => each !== end[place])
    return `attempt ${index} was handed "${handed[at]}" as number ${at}, and the last one "${end[at]}"`
  }
  return undefined
}

/** Declares the test of generated programs on a runtime. */
export const runProgramLaws = <E, E2 = never, S = never>(name: string, options: Options<E, E2, S>): void => {
  const { from, count } = options.seeds ?? { from: 0, count: 30 }
  const test = options.clock === "test"
  const layer = OutboxRelay.layer.pipe(
    Layer.provideMerge(options.runtime),
    Layer.provideMerge(Layer.mergeAll(Executor.layer(registry), Workflow.layer(RunPrograms.implementation))),
    Layer.provideMerge(
      Layer.mergeAll(
        (options.store?.(registry) ?? MemoryStore.layer(registry)) as Layer.Layer<
          UnitOfWork | RowStore | Outbox | Receipts | S,
          E2
        >,
        AuditLog.layerLog
      )
    ),
    Layer.provideMerge(Layer.succeed(Checkpoint, saboteur()))
  )
  const pass = (millis: number) => (test ? TestClock.adjust(millis) : Effect.sleep(millis))

  const actor = Testing.actor({ tenantId: "law programs" })
  const workflow = RunPrograms.Generated.name
  const unit = test ? 10 : 4

  const start = (key: string, seed: string, fork?: Fork) =>
    Effect.flatMap(Runtime, (runtime) => {
      RunPrograms.notes.set(key, { attempts: [], end: undefined })
      const input = { seed, unit }
      const delivery = { _tag: "StartWorkflow", workflow, key, input, delayMillis: 0 } as const
      return runtime.deliver(actor, fork === undefined ? delivery : { ...delivery, fork }, `start ${key}`)
    })

  const give = (key: string, id: string) =>
    Effect.flatMap(Runtime, (runtime) =>
      runtime.deliver(
        actor,
        { _tag: "Signal", workflow, key, signal: "given", id, payload: `word ${id}` },
        `give ${key} ${id}`
      )
    )

  /** Looks until it holds, and gives what was seen last. */
  const eventually = Effect.fnUntraced(function* <A, E3, R>(
    look: Effect.Effect<A, E3, R>,
    holds: (seen: A) => boolean
  ) {
    let seen = yield* look
    for (let times = 0; !holds(seen) && times < 1500; times++) {
      yield* pass(test ? 20 : 10)
      seen = yield* look
    }
    return seen
  })

  /**
   * The journal tells of every operation once, and of the end; a replay of it is handed the same. Gives the operations.
   */
  const isTold = Effect.fnUntraced(function* (key: string, seed: string) {
    const journal = yield* Effect.serviceOption(RunJournal)
    assert.isTrue(Option.isSome(journal), "the runtime or its store must give a RunJournal")
    if (Option.isNone(journal)) return []
    const id = { tenantId: actor.tenantId, workflow, key }
    const standing = yield* eventually(journal.value.standing(id), (now) => now?.status === "done")
    assert.deepStrictEqual(standing, { status: "done", problem: undefined }, key)
    const operations = yield* journal.value.operations(id)
    const indexes = operations.map(({ index }) => index)
    assert.strictEqual(new Set(indexes).size, indexes.length, key)
    assert.strictEqual(operations.at(-1)?.name, `${key}:end`)
    const names = new Set(operations.filter(({ kind }) => kind === "step").map(({ name }) => name))
    for (const line of RunPrograms.notes.get(key)?.end ?? []) {
      const [path = "", what] = line.split(" ")
      if (what === "step") assert.isTrue(names.has(`${key}:${path}`), `${key}: no entry for ${line}`)
    }
    for (const { endedAt, startedAt } of operations) assert.isAtLeast(endedAt, startedAt)
    const recording = yield* Effect.provideService(RunReplay.record(id, { seed, unit }), RunJournal, journal.value)
    if (recording === undefined) return assert.fail(`${key}: nothing is recorded of how it began`)
    const replayed = yield* RunReplay.check(yield* RunPrograms.implementation, recording)
    assert.deepStrictEqual(replayed, { _tag: "Same", operations: operations.length }, key)
    assert.deepStrictEqual(RunPrograms.notes.get(key)?.attempts.at(-1), RunPrograms.notes.get(key)?.end, key)
    return operations
  })

  /** Waits for the end of a run whose attempts were all handed the same, and gives what that was. */
  const ended = Effect.fnUntraced(function* (key: string) {
    const written = yield* eventually(
      Effect.sync(() => RunPrograms.notes.get(key)),
      (now) => now?.end !== undefined
    )
    const wrong = written === undefined ? "it never began" : complaint(written)
    assert.isUndefined(wrong, `${key}: ${wrong}\n${JSON.stringify(written, undefined, 1)}`)
    return written?.end ?? []
  })

  const run = Effect.fnUntraced(function* (seed: number) {
    const key = `${name} ${seed}`
    yield* start(key, String(seed))
    for (const id of RunPrograms.given) {
      yield* pass(3 * unit)
      yield* give(key, id)
    }
    yield* ended(key)
    // A replay of the journal is one more.
    const attempts = RunPrograms.notes.get(key)?.attempts.length ?? 0
    yield* isTold(key, String(seed))
    return attempts
  })

  const body = Effect.gen(function* () {
    const seeds = Array.from({ length: count }, (_, index) => from + index)
    const attempts = yield* Effect.forEach(seeds, run, { concurrency: test ? 1 : (options.concurrency ?? 30) })
    // Most of them were disturbed: otherwise this proves nothing.
    const disturbed = attempts.filter((each) => each > 1).length
    assert.isAbove(disturbed, count / 4)
  })

  it.layer(layer, { timeout: 120_000, excludeTestServices: !test })(`generated programs on ${name}`, (it) => {
    it.effect("a run is alive from its start to its end, and one that never was is not", () =>
      Effect.gen(function* () {
        const runtime = yield* Runtime
        const key = `${name} alive`
        const alive = runtime.isAlive({ tenantId: actor.tenantId, workflow, key })
        assert.isFalse(yield* alive)
        yield* start(key, RunPrograms.waiting)
        assert.isTrue(yield* alive)
        yield* pass(200)
        yield* runtime.forget({ tenantId: actor.tenantId, workflow, key })
        assert.isTrue(yield* alive)
        yield* give(key, RunPrograms.given[0])
        assert.isFalse(yield* eventually(alive, (now) => !now))
        assert.isFalse(yield* runtime.isAlive({ tenantId: "another", workflow, key }))
      })
    )

    it.effect("time passes over whatever a run waits for, and by as much in a fork and in a replay", () =>
      Effect.gen(function* () {
        const key = `${name} timed`
        yield* start(key, RunPrograms.timed)
        const handed = Effect.sync(() => RunPrograms.notes.get(key)?.attempts.at(-1)?.length ?? 0)
        yield* eventually(handed, (lines) => lines >= RunPrograms.linesBeforeGiven)
        yield* pass(1000)
        yield* give(key, RunPrograms.given[0])
        const lines = yield* ended(key)
        const times = lines.map((line) => Number(line.split("@")[1]))
        /** How much time a line came after the one before it. */
        const passed = (line: string) => {
          const at = lines.findIndex((each) => each.startsWith(line))
          return (times[at] ?? NaN) - (times[at - 1] ?? NaN)
        }
        assert.isAtLeast(passed("refused declined"), callMillis, lines.join("\n"))
        assert.isAtLeast(passed("given"), 800, lines.join("\n"))
        let source = key
        for (const fork of [`${key} fork`, `${key} fork of the fork`]) {
          const operations = yield* isTold(source, RunPrograms.timed)
          // The time until which it sleeps is over by then.
          assert.isFalse(operations.some(({ kind }) => kind === "sleep"))
          yield* start(fork, RunPrograms.timed, { key: source, operations: operations.length - 1 })
          const again = yield* ended(fork)
          assert.deepStrictEqual(again.slice(0, -1), lines.slice(0, -1))
          // With the last that it has taken over, its own time begins.
          const lastOf = (each: ReadonlyArray<string>) => (each.at(-1) ?? "").split(" @")
          const [was, at] = lastOf(lines)
          const [is, now] = lastOf(again)
          assert.strictEqual(is, was)
          assert.isAtLeast(Number(now), Number(at))
          source = fork
        }
      })
    )

    it.effect("a first attempt is handed what a replay is, whatever its program and its steps do with that", () =>
      Effect.gen(function* () {
        const key = `${name} changing`
        yield* start(key, RunPrograms.changing)
        yield* ended(key)
        assert.isAbove(RunPrograms.notes.get(key)?.attempts.length ?? 0, 1)
        yield* isTold(key, RunPrograms.changing)
      })
    )

    it.effect(`${count} of them are handed the same results in the same order at every replay`, () => body, 600_000)
  })
}
