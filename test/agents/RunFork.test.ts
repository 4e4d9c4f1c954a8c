import * as RunFork from "@tenon/agents/RunFork"
import type { Operation } from "@tenon/core/RunJournal"
import { assert, describe, it } from "@effect/vitest"

const journal = (...operations: ReadonlyArray<readonly [Operation["kind"], string, Operation["outcome"]?]>) =>
  operations.map(([kind, name, outcome = null], index): Operation => {
    return { index, kind, name, startedAt: 0, endedAt: 0, outcome }
  })

const begun = [
  ["step", "first"],
  ["call", "Thread.startChild", { refused: { tag: "TooDeep" } }],
  ["call", "Thread.say", { result: null }],
  ["call", "Thread.startChild", { result: null }],
  ["step", "last", { failure: "no luck" }]
] as const

describe("what a fork takes over", () => {
  it("goes on past a child that was refused, up to one that has not ended", () => {
    assert.strictEqual(RunFork.forkable(journal(...begun), false, undefined), 3)
    assert.strictEqual(RunFork.forkable(journal(...begun), true, undefined), 5)
  })

  it("ends before the run does, or before the last that failed", () => {
    const ended = journal(["step", "first"], ["call", "Thread.say"], ["call", "Thread.endRun"])
    assert.strictEqual(RunFork.forkable(ended, false, undefined), 2)
    assert.strictEqual(RunFork.forkable(ended, true, undefined), 2)
    assert.strictEqual(RunFork.forkable(journal(["step", "first"], ["signal", "stop"]), false, undefined), 1)
    const child = ["signal", "child/run.child2"] as const
    assert.strictEqual(RunFork.forkable(journal(...begun.slice(0, 4), child, ...begun.slice(4)), false, undefined), 5)
  })

  it("is what was asked for, failures with it, but for the end and what still waits", () => {
    const failing = journal(
      ["step", "first"],
      ["step", "second", { failure: "no luck" }],
      ["step", "third"],
      ["signal", "stop"]
    )
    assert.strictEqual(RunFork.forkable(failing, false, undefined), 1)
    assert.strictEqual(RunFork.forkable(failing, false, 2), 2)
    assert.strictEqual(RunFork.forkable(failing, false, 4), 3)
    assert.strictEqual(RunFork.forkable(failing, false, -1), 0)
    assert.strictEqual(RunFork.forkable(journal(...begun), false, 5), 3)
  })
})
