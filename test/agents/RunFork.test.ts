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
    assert.strictEqual(RunFork.forkable(journal(...begun), false, 5), 3)
    assert.strictEqual(RunFork.forkable(journal(...begun), true, 5), 5)
  })

  it("ends before the run does, or before the last that failed", () => {
    const ended = journal(["step", "first"], ["call", "Thread.say"], ["call", "Thread.endRun"])
    assert.strictEqual(RunFork.forkable(ended, false, 3), 2)
    assert.strictEqual(RunFork.forkable(ended, true, 3), 2)
    assert.strictEqual(RunFork.forkable(journal(["step", "first"], ["signal", "stop"]), false, 2), 1)
    const child = ["signal", "child/run.child2"] as const
    assert.strictEqual(RunFork.forkable(journal(...begun.slice(0, 4), child, ...begun.slice(4)), false, 6), 5)
  })
})
