/**
 * What a fork owes a program, over every runtime: it takes over what it was told to, whatever that is called, and draws
 * for itself from there on, in its first attempt and in every replay. Each run crashes a few times on its way.
 */
import * as AuditLog from "@tenon/core/AuditLog"
import { Checkpoint, Crash } from "@tenon/core/Checkpoint"
import * as Durable from "@tenon/core/Durable"
import * as Executor from "@tenon/core/Executor"
import * as MemoryStore from "@tenon/core/MemoryStore"
import { NewId } from "@tenon/core/NewId"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import type { Receipts } from "@tenon/core/Receipts"
import * as Registry from "@tenon/core/Registry"
import type { RowStore } from "@tenon/core/RowStore"
import { type Fork, RunJournal } from "@tenon/core/RunJournal"
import { Runtime } from "@tenon/core/Runtime"
import type { Outbox, UnitOfWork } from "@tenon/core/UnitOfWork"
import * as Workflow from "@tenon/core/Workflow"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Testing from "./Testing.ts"

const Forked = Workflow.make("LawForked", {
  input: { program: Schema.String },
  signals: { go: Schema.String, told: Schema.String }
})

/** What the runs drew or were handed, by key: one entry per attempt. */
const notes = new Map<string, Array<Array<string>>>()

/** The steps that were done, by key. */
const done = new Map<string, Array<string>>()

type Note = (what: string) => void

const draw = Effect.gen(function* () {
  return `${(yield* NewId)(0)} ${yield* Random.next}`
})

const step = (durable: Durable.Durable["Service"], name: string) =>
  durable.step(
    name,
    Effect.sync(() => void done.set(durable.key, [...(done.get(durable.key) ?? []), name]))
  )

/** The workflow's programs, by the name that their input gives. */
const programs: { readonly [name: string]: (note: Note) => Effect.Effect<void, never, Durable.Durable> } = {
  /** Draws around operations that it does not wait for. */
  draws: Effect.fnUntraced(function* (note) {
    const durable = yield* Durable.Durable
    const tell = (id: string) => durable.notify(Forked, durable.key, "told", "x", id)
    yield* step(durable, `${durable.key}:first`)
    note(yield* draw)
    yield* tell("one")
    note(yield* draw)
    yield* tell("two")
    note(yield* draw)
    yield* step(durable, `${durable.key}:second`)
    note(yield* draw)
    yield* step(durable, `${durable.key}:last`)
  }),
  /** Has its key, and what looks like it, in its names. */
  names: Effect.fnUntraced(function* (note) {
    const durable = yield* Durable.Durable
    const { key } = durable
    yield* durable.notify(Forked, key, "told", "x", `${key}.1`)
    yield* durable.signal("told", `${key}.1`)
    yield* step(durable, "page 1 of 3")
    yield* step(durable, `${key}:1 of ${key}`)
    yield* durable.notify(Forked, key, "told", "x", "1")
    yield* durable.signal("told", "1")
    yield* step(durable, `last ${key}`)
    note("over")
  })
}

const implementation = Workflow.implement(
  Forked,
  Effect.fnUntraced(function* ({ program }) {
    const { key } = yield* Durable.Durable
    const mine: Array<string> = []
    notes.set(key, [...(notes.get(key) ?? []), mine])
    yield* programs[program]?.((what) => void mine.push(what)) ?? Effect.void
  })
)

/** A crash behind every step, once, and around every second writing of what a fork begins with. */
const saboteur = () => {
  const crashed = new Set<string>()
  let forks = 0
  return (point: string, what: string) =>
    Effect.suspend(() => {
      if (what === "fork" && ++forks % 2 === 1) return Effect.die(new Crash(`A crash ${point} ${what}`))
      if (point !== "journaled" || crashed.has(what)) return Effect.void
      crashed.add(what)
      return Effect.die(new Crash(`A crash behind ${what}`))
    })
}

const registry = Registry.make({ resources: [], workflows: [Forked] })

/** What the runs run on. */
export interface Options<E, E2, S = never> {
  readonly runtime: Layer.Layer<Runtime, E, Executor.Executor | Workflow.Workflows | S>
  /** Default: in memory. It gives what else the runtime needs of a store. */
  readonly store?: (registry: Registry.Registry) => Layer.Layer<UnitOfWork | RowStore | Outbox | Receipts | S, E2>
}

/** Declares the tests of forks on a runtime. */
export const runForkLaws = <E, E2 = never, S = never>(name: string, options: Options<E, E2, S>): void => {
  const layer = OutboxRelay.layer.pipe(
    Layer.provideMerge(options.runtime),
    Layer.provideMerge(Layer.mergeAll(Executor.layer(registry), Workflow.layer(implementation))),
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
  const actor = Testing.actor({ tenantId: "law forks" })
  const workflow = Forked.name

  /** Runs a program to its end, and gives its journal. */
  const run = Effect.fnUntraced(function* (program: string, key: string, fork?: Fork) {
    notes.delete(key)
    done.delete(key)
    const runtime = yield* Runtime
    const start = { _tag: "StartWorkflow", workflow, key, input: { program }, delayMillis: 0 } as const
    yield* runtime.deliver(actor, fork === undefined ? start : { ...start, fork }, `start ${program} ${key}`)
    const journal = Option.getOrThrow(yield* Effect.serviceOption(RunJournal))
    const standing = yield* Effect.repeat(journal.standing({ tenantId: actor.tenantId, workflow, key }), {
      until: (now) => now?.status === "done" || now?.status === "paused",
      schedule: Schedule.spaced("20 millis"),
      times: 500
    })
    assert.deepStrictEqual(standing, { status: "done", problem: undefined }, key)
    return yield* journal.operations({ tenantId: actor.tenantId, workflow, key })
  })

  /** What every attempt of a run drew, as far as it came. */
  const drawn = (key: string): ReadonlyArray<string> => {
    const attempts = notes.get(key) ?? []
    const last = attempts.at(-1) ?? []
    for (const each of attempts) assert.deepStrictEqual(each, last.slice(0, each.length), key)
    return last
  }

  it.layer(layer, { timeout: 120_000, excludeTestServices: true })(`forks on ${name}`, (it) => {
    it.effect("what comes after the last operation that was taken over is drawn anew, whatever that is", () =>
      Effect.gen(function* () {
        const source = `${name} source`
        const kinds = (yield* run("draws", source)).map(({ kind }) => kind)
        assert.deepStrictEqual(kinds, ["step", "notify", "notify", "step", "step"])
        const before = drawn(source)
        assert.lengthOf(before, 4)
        const all = [...before]
        for (const operations of [1, 2, 3, 4]) {
          const key = `${name} ${operations}`
          const journal = yield* run("draws", key, { key: source, operations })
          assert.lengthOf(
            journal.filter(({ kind }) => kind === "fork"),
            1
          )
          const after = drawn(key)
          assert.deepStrictEqual(after.slice(0, operations - 1), before.slice(0, operations - 1), key)
          all.push(...after.slice(operations - 1))
          assert.isAbove(notes.get(key)?.length ?? 0, 1, "it was replayed")
          // A fork of it, at the same place: the mark is one of its operations.
          const again = `${key} again`
          yield* run("draws", again, { key, operations: operations + 1 })
          assert.deepStrictEqual(drawn(again).slice(0, operations - 1), before.slice(0, operations - 1), again)
          all.push(...drawn(again).slice(operations - 1))
        }
        assert.strictEqual(new Set(all).size, all.length, JSON.stringify(all, undefined, 1))
      })
    )

    it.effect("names that are made of a run's key are those of the fork's, and no others", () =>
      Effect.gen(function* () {
        const [source, fork, again] = ["1", "2", "3"]
        const length = (yield* run("names", source)).length
        yield* run("names", fork, { key: source, operations: length - 1 })
        assert.deepStrictEqual(done.get(fork), ["last 2"])
        yield* run("names", again, { key: fork, operations: length })
        assert.deepStrictEqual(done.get(again), ["last 3"])
        // From before the place at which the first fork parted.
        yield* run("names", "4", { key: again, operations: 3 })
        assert.deepStrictEqual(done.get("4"), ["4:1 of 4", "last 4"])
      })
    )
  })
}
