/**
 * What a `RunJournal` owes to drivers that record runs whose own journal is elsewhere, and to whoever reads of them.
 */
import type { Actor } from "@tenon/core/Actor"
import {
  type Beginning,
  type Operation,
  type Recorded,
  RunJournal,
  type RunKey,
  type Standing,
  type Status
} from "@tenon/core/RunJournal"
import { RunStore } from "@tenon/core/RunStore"
import { assert, layer as suiteOf } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import * as Testing from "./Testing.ts"

let keys = 0
const newRun = (tenantId = "law journals"): RunKey => ({ tenantId, workflow: "LawRecorded", key: `run ${++keys}` })

const operation = (index: number, outcome: Schema.Json = { value: `"${index}"\\ ünd` }): Operation => ({
  index,
  kind: "step",
  name: `step ${index}`,
  startedAt: 1_700_000_000_000 + index,
  endedAt: 1_700_000_000_500 + index,
  outcome
})

const at = (status: Status, problem?: string): Standing => ({ status, problem })

const actor: Actor = { id: "someone", tenantId: "law journals", kind: "user", roles: ["admin", "ünd"] }
const beginning = { seed: "what it draws", beganAt: 1_700_000_000_000, actor }

const told = (
  offset: number,
  operations: ReadonlyArray<Operation>,
  standing: Standing,
  began: Beginning | undefined = beginning
): Recorded => ({ offset, operations, standing, beginning: began })

/** Declares the tests of a journal. */
export const runJournalLaws = <E>(name: string, layer: Layer.Layer<RunStore | RunJournal, E>): void =>
  suiteOf(layer, { excludeTestServices: true, timeout: 60_000 })(`what ${name} records of runs`, (it) => {
    it.effect("what was recorded is read back in its order, whichever part came first, and once", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const run = newRun()
        assert.isUndefined(yield* journal.standing(run))
        yield* journal.record(run, told(1, [operation(3), operation(2)], at("running")))
        yield* journal.record(run, told(0, [operation(0), operation(9, "of a later attempt")], at("failed", "no luck")))
        const found = yield* journal.operations(run)
        assert.deepStrictEqual(found, [operation(0), operation(3), operation(2)])
        assert.deepStrictEqual(yield* journal.standing(run), at("failed", "no luck"))
        assert.deepStrictEqual(yield* journal.operations({ ...run, tenantId: "law others" }), [])
        assert.isUndefined(yield* journal.standing({ ...run, tenantId: "law others" }))
      })
    )

    it.effect("what several attempts told, of parts that overlap, is all there once, as it was told first", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const [run, other] = [newRun(), newRun()]
        const first = [0, 1, 2, 3, 4].map((index) => operation(index))
        const later = (...indexes: ReadonlyArray<number>) => indexes.map((index) => operation(index, "told later"))
        yield* journal.record(run, told(0, first, at("running")))
        yield* Effect.all(
          [
            journal.record(run, told(3, later(3, 4, 5), at("running"))),
            journal.record(other, told(0, first, at("running")))
          ],
          { concurrency: "unbounded" }
        )
        yield* journal.record(run, told(0, later(0, 1, 2, 3, 4, 5, 6), at("running")))
        yield* journal.record(run, told(5, later(5, 6), at("done")))
        assert.deepStrictEqual(yield* journal.operations(run), [...first, ...later(5, 6)])
        assert.deepStrictEqual(yield* journal.operations(other), first)
      })
    )

    it.effect("what was told, or read, is kept whatever becomes of it with those who told or read it", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const run = newRun()
        const list = [1]
        yield* journal.record(run, told(0, [operation(0, list)], at("running")))
        list.push(2)
        for (const { outcome } of yield* journal.operations(run)) if (Array.isArray(outcome)) outcome.push(3)
        assert.deepStrictEqual(yield* journal.operations(run), [operation(0, [1])])
      })
    )

    it.effect("how a run began is known from the first telling on, and stays", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const run = newRun()
        assert.isUndefined(yield* journal.beginning(run))
        yield* journal.record(run, told(0, [operation(0)], at("running")))
        yield* journal.record(run, told(1, [operation(1)], at("waiting"), { ...beginning, seed: "another" }))
        yield* journal.record(run, { ...told(2, [], at("done")), beginning: undefined })
        assert.deepStrictEqual(yield* journal.beginning(run), beginning)
        assert.isUndefined(yield* journal.beginning({ ...run, tenantId: "law others" }))
      })
    )

    it.effect("many runs that record in one moment, and one run that does so often, lose nothing", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const runs = Array.from({ length: 250 }, (_, index) => newRun(`law journals ${index % 2}`))
        const writes = runs.flatMap((run) => [
          journal.record(run, told(0, [operation(0)], at("running"))),
          journal.record(run, told(1, [operation(1)], at("waiting"))),
          journal.record(run, told(2, [operation(2)], at("done")))
        ])
        yield* Effect.all(writes, { concurrency: "unbounded", discard: true })
        for (const run of runs) {
          assert.strictEqual((yield* journal.operations(run)).length, 3, run.key)
          assert.strictEqual((yield* journal.standing(run))?.status, "done", run.key)
        }
      })
    )

    it.effect("what is said late does not undo an end; a new attempt goes on after a pause", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const run = newRun()
        const status = Effect.map(journal.standing(run), (each) => each?.status)
        for (const end of ["done", "paused"] as const) {
          yield* journal.record(run, told(0, [], at(end)))
          yield* journal.record(run, told(0, [], at("waiting")))
          assert.strictEqual(yield* status, end)
        }
        const other = newRun()
        yield* journal.record(other, told(0, [], at("failed")))
        yield* journal.record(other, told(0, [], at("running")))
        assert.strictEqual((yield* journal.standing(other))?.status, "failed")
        yield* journal.record(run, told(0, [], at("running")))
        yield* journal.record(run, told(0, [], at("waiting")))
        assert.strictEqual(yield* status, "waiting")
      })
    )

    it.effect("one that cannot be stored spoils none of those beside it", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const runs = [newRun(), newRun(), newRun()]
        const [, spoilt] = runs
        yield* Effect.forEach(
          runs,
          (run) => {
            const named = run === spoilt ? { ...operation(0), name: "not \0 storable" } : operation(0)
            return Effect.exit(journal.record(run, told(0, [named], at("done"))))
          },
          { concurrency: "unbounded" }
        )
        for (const run of runs.filter((each) => each !== spoilt)) {
          assert.deepStrictEqual(yield* journal.operations(run), [operation(0)])
        }
      })
    )

    it.effect("a writer that is interrupted takes nobody with it", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const runs = [newRun(), newRun()]
        const [first, second] = runs
        if (first === undefined || second === undefined) return
        const quick = Effect.timeoutOption(journal.record(first, told(0, [operation(0)], at("done"))), 0)
        yield* Effect.all([quick, journal.record(second, told(0, [operation(0)], at("done")))], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(yield* journal.operations(second), [operation(0)])
      })
    )

    it.effect("what is recorded under the name of a run that goes on here does not touch it", () =>
      Effect.gen(function* () {
        const journal = yield* RunJournal
        const store = yield* RunStore
        const run = newRun()
        const actor: Actor = Testing.actor({ tenantId: run.tenantId })
        yield* store.start({ ...run, id: run.key, actor, input: {}, delayMillis: 0, fork: undefined, trace: undefined })
        yield* journal.record(run, told(0, [], at("failed", "as someone says")))
        assert.strictEqual((yield* journal.standing(run))?.status, "waiting")
      })
    )
  })
