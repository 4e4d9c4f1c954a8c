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
})
