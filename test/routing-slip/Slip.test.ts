/** What no transition may do to a slip, whoever has signed it: the one function that workers and verifiers share. */
import type * as Envelope from "@tenon/routing-slip/Envelope"
import * as Slip from "@tenon/routing-slip/Slip"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"

const step = (name: string): Envelope.Step => ({
  step: name,
  activity: "plan",
  queue: "tenon.plan",
  arguments: {},
  encrypted: false,
  timeout_ms: null
})

const slip = Slip.start({
  itinerary: [step("1"), step("2"), step("3")],
  variables: {},
  revision: { by: ["plan"], activities: ["plan"], budget: 3, drops: true },
  deadline: null
})

const executed = (change: Partial<Extract<Slip.Transition, { type: "executed" }>>): Slip.Transition => ({
  type: "executed",
  step: "1",
  at: 0,
  undo: null,
  set: {},
  insert: [],
  drop: [],
  terminate: false,
  ...change
})

const why = (transition: Slip.Transition, of = slip) => {
  const applied = Slip.apply(of, transition)
  return Result.isFailure(applied) ? applied.failure : "it is allowed"
}

describe("a slip", () => {
  it("takes inserted steps under the names that follow from the step at hand, and under no others", () => {
    assert.strictEqual(why(executed({ insert: [step("1.1"), step("1.2")] })), "it is allowed")
    // Under the name of another step, what was done would be taken for that one, by its idempotency key too.
    for (const names of [["2"], ["1"], ["1.2"], ["1.1", "1.1"], ["1.1", "3"], ["4"]]) {
      assert.match(why(executed({ insert: names.map(step) })), /an inserted step may not be named/, names.join())
    }
  })

  it("takes no more steps in all than its budget says, however they are spread", () => {
    const first = Result.getOrThrow(Slip.apply(slip, executed({ insert: [step("1.1"), step("1.2")] })))
    assert.strictEqual(why(executed({ step: "1.1", insert: [step("1.1.1")] }), first), "it is allowed")
    const twice = { step: "1.1", insert: [step("1.1.1"), step("1.1.2")] }
    assert.strictEqual(why(executed(twice), first), "2 steps were inserted where 1 are left")
  })

  it("takes no branches from a planner", () => {
    const scatter = {
      branches: [{ branch: "1.1.1", name: "a", itinerary: [step("1.1.1.1")] }],
      wanted: 1,
      late: "keep",
      undo: "reverse",
      merge: []
    } as const
    assert.match(why(executed({ insert: [{ ...step("1.1"), scatter }] })), /branches may not be inserted/)
  })

  it("is changed by what happened to the step at hand only", () => {
    for (const other of ["2", "1.1", "0"]) {
      assert.match(why(executed({ step: other })), /step 1 is at hand/)
      assert.match(why({ type: "faulted", step: other, at: 0, error: "E", message: "m" }), /step 1 is at hand/)
    }
  })

  it("is changed by what can happen to it where it stands only", () => {
    const undo = { data: {}, encrypted: false }
    const forth = Result.getOrThrow(Slip.apply(slip, executed({ undo })))
    const back = Result.getOrThrow(Slip.apply(forth, { type: "faulted", step: "2", at: 0, error: "E", message: "m" }))
    const common = { step: "1", at: 0 }
    for (const transition of [
      { type: "compensated", ...common, set: {} },
      { type: "skipped", ...common, by: "eve" },
      { type: "abandoned", ...common, error: "E", message: "m" },
      { type: "scattered", ...common, branch: "1.1" },
      { type: "gathered", ...common, joined: [] },
      { type: "superseded", ...common, keep: true }
    ] satisfies ReadonlyArray<Slip.Transition>) {
      assert.match(why(transition), /in phase execute/, transition.type)
    }
    for (const transition of [
      executed({}),
      { type: "faulted", ...common, error: "E", message: "m" },
      { type: "cancelled", ...common, by: "eve" },
      { type: "reauthorised", ...common, by: "eve", obo_sha256: "x", expires_at: 1 },
      { type: "scattered", ...common, branch: "1.1" },
      { type: "gathered", ...common, joined: [] }
    ] satisfies ReadonlyArray<Slip.Transition>) {
      assert.match(why(transition, back), /in phase compensate/, transition.type)
    }
    const end = Result.getOrThrow(Slip.apply(back, { type: "compensated", ...common, set: {} }))
    assert.strictEqual(why(executed({}), end), "the slip is at its end")
  })

  const part = (branch: string, name: string) => ({ branch, name, itinerary: [step(`${branch}.1`)] })
  const scatter: Envelope.Scatter = {
    branches: [part("1.1", "a"), part("1.2", "b")],
    wanted: 2,
    late: "compensate",
    undo: "reverse",
    merge: []
  }
  const starting = (itinerary: ReadonlyArray<Envelope.Step>) =>
    Slip.start({ itinerary, variables: {}, revision: slip.revision, deadline: null })
  const trunk = starting([{ ...step("1"), scatter }, step("2")])

  it("begins with branches that can be gathered and are named after their step only", () => {
    assert.isTrue(Slip.isStart(trunk))
    const [a = part("1.1", "a"), b = part("1.2", "b")] = scatter.branches
    for (const [what, change] of [
      ["nothing wanted", { wanted: 0 }],
      ["more wanted than there are", { wanted: 3 }],
      ["one name twice", { branches: [a, { ...b, name: "a" }] }],
      ["another order", { branches: [b, a] }],
      ["another step's branch", { branches: [a, part("2.2", "b")] }],
      ["an empty branch", { branches: [a, { ...b, itinerary: [] }] }],
      ["a branch with another one's step", { branches: [a, { ...b, itinerary: [step("1.1.1")] }] }]
    ] satisfies ReadonlyArray<readonly [string, Partial<Envelope.Scatter>]>) {
      assert.isFalse(Slip.isStart(starting([{ ...step("1"), scatter: { ...scatter, ...change } }])), what)
    }
  })

  it("joins ended branches of the step at hand only, each once, and as many as decide the matter", () => {
    const begun = (branch: string, of = trunk) =>
      Result.getOrThrow(Slip.apply(of, { type: "scattered", step: "1", at: 0, branch }))
    const ended = (branch: string, of = trunk) =>
      Result.getOrThrow(Slip.apply(begun(branch, of), executed({ step: `${branch}.1` })))
    const gatherOf = (of: Envelope.RoutingSlip, ...joined: ReadonlyArray<Envelope.RoutingSlip>) => {
      const applied = Slip.apply(of, { type: "gathered", step: "1", at: 0, joined: [] }, joined)
      return Result.isFailure(applied) ? applied.failure : "it is allowed"
    }
    const gather = (...joined: ReadonlyArray<Envelope.RoutingSlip>) => gatherOf(trunk, ...joined)
    const [a, b] = [ended("1.1"), ended("1.2")]
    assert.strictEqual(gather(a, b), "it is allowed")
    const of = (slip: Envelope.RoutingSlip, change: Partial<Envelope.Branch>) =>
      slip.branch === undefined ? slip : { ...slip, branch: { ...slip.branch, ...change } }
    const late = Result.getOrThrow(Slip.apply(b, { type: "superseded", step: "1.2", at: 0, keep: true }))
    for (const [what, joined] of [
      ["one that has not ended", [a, begun("1.2")]],
      ["one twice", [a, a]],
      ["the trunk", [a, trunk]],
      ["another step's", [a, of(b, { of: "2" })]],
      ["one that is being undone", [a, of(b, { phase: "compensate" })]],
      ["one that came too late", [a, late]]
    ] as const) {
      assert.strictEqual(gather(...joined), "what is joined are not ended branches of this step", what)
    }
    const any = starting([{ ...step("1"), scatter: { ...scatter, wanted: 1 } }, step("2")])
    for (const told of [gather(), gather(a), gatherOf(any, a, b)]) {
      assert.strictEqual(told, "what is joined are not the branches that decide the matter")
    }
    assert.strictEqual(gatherOf(any, b), "it is allowed")
    assert.strictEqual(why({ type: "superseded", step: "1.2", at: 0, keep: true }, late), "the slip is at its end")
    assert.strictEqual(
      why({ type: "scattered", step: "1.1.1", at: 0, branch: "1.1" }, begun("1.1")),
      "a step cannot be scattered in phase execute"
    )
  })
})
