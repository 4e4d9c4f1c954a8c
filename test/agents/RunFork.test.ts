import * as RunFork from "@tenon/agents/RunFork"
import type { Operation } from "@tenon/core/RunJournal"
import { assert, describe, it } from "@effect/vitest"

type Told = readonly [kind: Operation["kind"], name: string, outcome?: Operation["outcome"]]

const journal = (...operations: ReadonlyArray<Told>) =>
  operations.map(([kind, name, outcome = null], index): Operation => {
    return { index, kind, name, startedAt: 0, endedAt: 0, outcome }
  })
const forkable = (operations: ReadonlyArray<Told>, wanted?: number, lost = false) => {
  const lengths = RunFork.forkable(journal(...operations), lost, wanted).map(({ length }) => length)
  return lengths.length > 1 ? lengths : lengths[0]
}

const lengthsOf = (operations: ReadonlyArray<Operation>) =>
  RunFork.forkable(operations, false, undefined).map(({ length }) => length)
const at = (each: Operation | undefined, startedAt: number, endedAt: number) =>
  ({ ...each, startedAt, endedAt }) as Operation

const step = (name: string): Told => ["step", name, { value: 1 }]
const failing = (name: string): Told => ["step", name, { failure: "no luck" }]
const say: Told = ["call", "Thread.say", { value: null }]
const asked = (n: number): Told => ["call", "Thread.ask", { value: { questionId: `run.question${n}`, status: "OPEN" } }]
const answered = (n: number): Told => ["signal", `answer/run.question${n}`, "yes"]
const closed = (n: number, more = {}): Told => [
  "call",
  "Question.close",
  { value: { questionId: `run.question${n}`, ...more } }
]
const dropped = (n: number): Told => ["send", "Question.close", { to: `run.question${n}` }]
const started = (n: number): Told => ["call", "Thread.startChild", { value: { childId: `run.child${n}` } }]
const ended = (n: number, status: string): Told => ["signal", `child/run.child${n}`, { status }]
const reserved = (n: number): Told => ["call", "ModelBudget.reserve", { value: { usageId: `run.model${n}` } }]
const settled = (n: number): Told => ["call", "ModelBudget.settle", { value: { usageId: `run.model${n}` } }]
const stopped: Told = ["signal", "stop", { reason: "cancelled" }]
const endedBy = (failedBy?: number | "model" | "bug"): Told => [
  "call",
  "Thread.endRun",
  { value: failedBy === undefined ? {} : { failedBy } }
]

describe("what a fork takes over", () => {
  it("ends before the run does; all of a run that is lost", () => {
    assert.strictEqual(forkable([step("first"), say, endedBy()], 9), 2)
    assert.strictEqual(forkable([step("first"), say, endedBy()], undefined, true), 2)
    assert.strictEqual(forkable([step("first"), stopped]), 1)
    assert.strictEqual(forkable([asked(1), failing("last")], undefined, true), 2)
  })

  it("ends before the operation that the run failed by", () => {
    assert.strictEqual(forkable([step("first"), failing("last"), say, endedBy()]), 1)
    assert.strictEqual(forkable([failing("first"), say, failing("last"), endedBy(0)]), 2)
    // Whatever was done to clean up after it.
    assert.strictEqual(forkable([step("first"), failing("last"), step("clean up"), endedBy(0)]), 1)
    assert.strictEqual(forkable([failing("last"), failing("clean up"), endedBy(1)]), 0)
  })

  it("holds what was done after a failure that the program has dealt with", () => {
    assert.deepStrictEqual(forkable([failing("first"), step("charge"), endedBy()]), [2, 0])
    assert.strictEqual(forkable([failing("first"), step("charge"), failing("last"), endedBy(0)]), 2)
    assert.strictEqual(forkable([failing("first"), step("charge"), stopped]), 2)
    assert.deepStrictEqual(forkable([failing("first"), ["call", "Payment.refund", { value: {} }], endedBy()]), [2, 0])
    // One that was paused by a bug goes on with what it was paused in.
    assert.strictEqual(forkable([step("first"), failing("dealt with")]), 2)
  })

  it("is everything, and else ends before what a program has most likely failed by that does not tell", () => {
    assert.deepStrictEqual(forkable([failing("card"), say, endedBy("bug")]), [2, 0])
    assert.deepStrictEqual(forkable([step("one"), failing("first"), step("clean up"), endedBy()]), [3, 1])
    assert.deepStrictEqual(forkable([step("one"), step("two"), say, endedBy()]), [3, 1])
    assert.deepStrictEqual(forkable([step("one"), asked(1), answered(1), say, endedBy("bug")]), [4, 1])
    assert.deepStrictEqual(forkable([say, endedBy()]), [1, 0])
  })

  it("ends before a failure where nothing was begun after it", () => {
    const [failure, other, end] = journal(failing("one"), step("other"), endedBy())
    const of = (begun: number) => lengthsOf([at(failure, 0, 5), at(other, begun, 6), at(end, 6, 7)])
    assert.deepStrictEqual(of(0), [0])
    assert.deepStrictEqual(of(5), [2, 0])
  })

  it("ends before the first of two that fail at one moment", () => {
    const [x, y] = journal(failing("x"), failing("y"))
    const end = journal(endedBy(0))
    assert.deepStrictEqual(lengthsOf([at(x, 0, 5), at(y, 0, 6), ...end]), [0])
    assert.deepStrictEqual(lengthsOf([at(x, 0, 5), at(y, 5, 6), ...end]), [1])
  })

  it("holds what a run could not be interrupted in, and not what it began after it was stopped", () => {
    const [one, stop, two, three] = journal(step("one"), stopped, step("two"), step("clean up"))
    const run = [at(one, 0, 1), at(stop, 0, 5), at(two, 4, 8), at(three, 8, 9)]
    const [taken] = RunFork.forkable(run, false, undefined)
    assert.deepStrictEqual(
      taken?.map(({ name }) => name),
      ["one", "two"]
    )
  })

  it("is what was asked for, failures with it, but for the end", () => {
    const run = [step("first"), failing("second"), step("third"), stopped]
    assert.deepStrictEqual(
      [2, 4, -1].map((wanted) => forkable(run, wanted)),
      [2, 3, 0]
    )
  })

  it("never ends in the middle of a question", () => {
    assert.strictEqual(forkable([step("first"), asked(1), stopped]), 1)
    assert.strictEqual(forkable([asked(1), answered(1), asked(2), stopped]), 2)
    assert.strictEqual(forkable([asked(1), asked(2), answered(2), dropped(1), step("last"), stopped]), 5)
    // Both anew: the first was answered where the second was open.
    assert.strictEqual(forkable([step("first"), asked(1), asked(2), answered(1), stopped]), 1)
    assert.strictEqual(forkable([asked(1), step("meanwhile"), answered(1)], 2), 0)
    assert.strictEqual(forkable([asked(1), ["sleep", ""], closed(1, { answered: {} }), step("next")], 2), 0)
    // A fork of a fork holds the ids of the first run.
    assert.strictEqual(forkable([asked(1), ["signal", "answer/other.question1", "yes"], step("last")]), 3)
  })

  it("asks anew what nobody answered in time, and where that was dealt with, not", () => {
    const expired = [step("first"), asked(1), ["sleep", ""] as const, closed(1)]
    assert.strictEqual(forkable([...expired, endedBy(0)]), 1)
    assert.strictEqual(forkable([...expired, step("charge"), asked(2), stopped]), 5)
  })

  it("goes on past a child that was refused, up to one that has not ended", () => {
    const refused: Told = ["call", "Thread.startChild", { refused: { tag: "TooDeep" } }]
    assert.strictEqual(forkable([step("first"), refused, step("next"), started(1), stopped]), 3)
    assert.strictEqual(forkable([started(1), ended(1, "DONE"), step("next"), stopped]), 3)
    assert.strictEqual(forkable([started(1), started(2), ended(1, "DONE"), stopped]), 0)
    assert.strictEqual(forkable([started(1), ["notify", "RunAgent.stop", { to: "run.child1" }], step("next")]), 3)
  })

  it("runs a child anew that did not finish", () => {
    assert.strictEqual(forkable([step("first"), started(1), ended(1, "FAILED"), endedBy(0)]), 1)
  })

  it("calls a model anew with all that is paid for with it", () => {
    const first = [reserved(1), ["step", "model1", { value: {} }] as const, settled(1)]
    const second = [reserved(2), failing("model2"), settled(2)]
    assert.strictEqual(forkable([...first, ...second, endedBy()]), 3)
    assert.strictEqual(forkable([...first, ...second], 2), 0)
    // What it said was of no use.
    assert.strictEqual(forkable([...first, ...first, say, endedBy("model")]), 3)
    assert.strictEqual(forkable([reserved(1), ["send", "ModelBudget.settle", { to: "models" }], step("next")]), 3)
  })
})
