/**
 * How a slip branches and becomes one again, as pure functions of its state. Each branch is a slip of its own that
 * carries the trunk it comes from; at its end it goes to the gather. Branches are gathered in the order in which they
 * arrive: the first ones that together decide the matter are joined, and those that come later are superseded.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Envelope from "./Envelope.ts"

type Slip = Envelope.RoutingSlip
type Variables = { readonly [name: string]: Schema.Json }

/** The branch that comes to the gather when the time is up, so that the gather needs no clock. */
export const timerOf = ({ scatter, step }: Envelope.Step): string => `${step}.${(scatter?.branches.length ?? 0) + 1}`

/** The branches that a slip is to be split into now, by name; the timer last, where there is one. */
export const branchesOf = (slip: Slip): ReadonlyArray<string> => {
  if (slip.phase === "compensate") return slip.compensation_log.at(-1)?.branches?.map(({ branch }) => branch) ?? []
  const [step] = slip.itinerary
  if (step?.scatter === undefined) return []
  const names = step.scatter.branches.map(({ branch }) => branch)
  return step.timeout_ms === null ? names : [...names, timerOf(step)]
}

/** Whether the branches of a step are named after it, and enough of them are wanted to need any. */
export const isScatter = ({ scatter, step }: Envelope.Step): boolean =>
  scatter === undefined ||
  (scatter.wanted >= 1 &&
    scatter.wanted <= scatter.branches.length &&
    new Set(scatter.branches.map(({ name }) => name)).size === scatter.branches.length &&
    scatter.branches.every(
      ({ branch, itinerary }, index) =>
        branch === `${step}.${index + 1}` &&
        itinerary.length > 0 &&
        itinerary.every((each, place) => each.step === `${branch}.${place + 1}`)
    ))

const nobodyRevises: Envelope.Revision = { by: [], activities: [], budget: 0, drops: false }

const earlier = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.min(one, other)

/** The slip of one branch, before anything of it is done. */
export const split = (slip: Slip, branch: string, at: number): Result.Result<Slip, string> => {
  if (slip.branch !== undefined) return Result.fail("a branch cannot be split")
  const { branch: _, ...trunk } = slip
  const fresh = { ...trunk, activity_log: [], compensation_log: [], not_undone: [], revision: nobodyRevises }
  const home = { branch, set: {}, superseded: false, trunk }
  if (slip.phase === "compensate") {
    const group = slip.compensation_log.at(-1)
    const found = group?.branches?.find((each) => each.branch === branch)
    if (group === undefined || found === undefined) return Result.fail(`there is no branch ${branch} to undo`)
    const { activity, queue, step } = group
    return Result.succeed({
      ...fresh,
      itinerary: [],
      compensation_log: found.compensation_log,
      branch: { ...home, of: step, activity, queue, phase: "compensate" }
    })
  }
  const [step] = slip.itinerary
  if (step?.scatter === undefined || !branchesOf(slip).includes(branch)) return Result.fail(`no branch is ${branch}`)
  const { activity, queue } = step
  const itinerary = step.scatter.branches.find((each) => each.branch === branch)?.itinerary
  const child: Slip = {
    ...fresh,
    itinerary: itinerary ?? [],
    deadline: earlier(slip.deadline, step.timeout_ms === null ? null : at + step.timeout_ms),
    branch: { ...home, of: step.step, activity, queue, phase: "execute" }
  }
  if (itinerary !== undefined) return Result.succeed(child)
  const fault = { step: step.step, activity, error: "GatherExpired", message: "The time for its branches was up." }
  return Result.succeed({ ...child, phase: "done", outcome: "faulted", fault })
}

/** Whether a branch has ended well. */
const isGood = ({ outcome, phase }: Slip) => phase === "done" && (outcome === "completed" || outcome === "terminated")

/** What is decided once so many branches have arrived. */
export interface Verdict {
  /** How many of the arrivals it took; those after them are late. */
  readonly of: number
  readonly good: boolean
}

/** What the arrivals come to, in their order; undefined where more have to be awaited. */
export const verdict = (trunk: Slip, arrivals: ReadonlyArray<Slip>): Verdict | undefined => {
  if (trunk.phase === "compensate") {
    const all = branchesOf(trunk).length
    return arrivals.length < all ? undefined : { of: all, good: true }
  }
  const [step] = trunk.itinerary
  if (step?.scatter === undefined) return undefined
  const { branches, wanted } = step.scatter
  let [good, bad] = [0, 0]
  for (const [index, arrival] of arrivals.entries()) {
    if (arrival.branch?.branch === timerOf(step)) return { of: index + 1, good: false }
    if (isGood(arrival)) good++
    else bad++
    if (good >= wanted) return { of: index + 1, good: true }
    if (bad > branches.length - wanted) return { of: index + 1, good: false }
  }
  return undefined
}

const merged = (variables: Variables, scatter: Envelope.Scatter, good: ReadonlyArray<Slip>): Variables => {
  const sets = scatter.branches.flatMap(({ branch, name }) =>
    good.flatMap((each) => (each.branch?.branch === branch ? [{ name, set: each.branch.set }] : []))
  )
  // Names come from outside: a plain object would take `__proto__` for something else.
  const known = new Map<string, Schema.Json>(Object.entries(variables))
  for (const rule of scatter.merge) {
    if (rule.type === "under") known.set(rule.into, Object.fromEntries(sets.map(({ name, set }) => [name, set])))
    else if (rule.type === "collect") {
      known.set(
        rule.into,
        sets.flatMap(({ set }) => (Object.hasOwn(set, rule.from) ? [set[rule.from] ?? null] : []))
      )
    } else {
      for (const { set } of rule.conflict === "last" ? sets : sets.toReversed()) {
        for (const [name, value] of Object.entries(set)) known.set(name, value)
      }
    }
  }
  return Object.fromEntries(known)
}

/** What is left to undo of the branches: one entry for all at once, or their entries one after the other. */
const compensations = (step: Envelope.Step, good: ReadonlyArray<Slip>): ReadonlyArray<Envelope.CompensationLog> => {
  const groups = good
    .filter(({ compensation_log }) => compensation_log.length > 0)
    .map(({ branch, compensation_log }) => ({ branch: branch?.branch ?? "", compensation_log }))
  if (step.scatter?.undo !== "parallel" || groups.length < 2) return groups.flatMap((each) => each.compensation_log)
  return [
    { step: step.step, activity: step.activity, queue: step.queue, data: null, encrypted: false, branches: groups }
  ]
}

const belongs = (trunk: Slip, of: string, arrival: Slip) =>
  arrival.branch !== undefined &&
  arrival.phase === "done" &&
  arrival.branch.of === of &&
  arrival.branch.phase === trunk.phase &&
  !arrival.branch.superseded

/**
 * The slip with its branches joined. `arrivals` have to be exactly those that decide the matter, in their order. It
 * turns back where they decide against it.
 */
export const join = (trunk: Slip, of: string, arrivals: ReadonlyArray<Slip>): Result.Result<Slip, string> => {
  const names = new Set(arrivals.map(({ branch }) => branch?.branch))
  if (names.size !== arrivals.length || !arrivals.every((each) => belongs(trunk, of, each))) {
    return Result.fail("what is joined are not ended branches of this step")
  }
  const decided = verdict(trunk, arrivals)
  if (decided?.of !== arrivals.length) return Result.fail("what is joined are not the branches that decide the matter")
  const not_undone = [...trunk.not_undone, ...arrivals.flatMap((each) => each.not_undone)]
  const [step] = trunk.itinerary
  if (trunk.phase === "compensate") {
    const sets = arrivals.flatMap(({ branch }) => Object.entries(branch?.set ?? {}))
    const variables = Object.fromEntries([...Object.entries(trunk.variables), ...sets])
    return Result.succeed({ ...trunk, variables, not_undone, compensation_log: trunk.compensation_log.slice(0, -1) })
  }
  if (step?.scatter === undefined) return Result.fail(`step ${of} has no branches`)
  const good = arrivals.filter(isGood)
  const joined: Slip = {
    ...trunk,
    itinerary: trunk.itinerary.slice(1),
    activity_log: [...trunk.activity_log, ...arrivals.flatMap((each) => each.activity_log)],
    compensation_log: [...trunk.compensation_log, ...compensations(step, good)],
    not_undone
  }
  if (decided.good) return Result.succeed({ ...joined, variables: merged(trunk.variables, step.scatter, good) })
  const last = arrivals.at(-1)
  const outcome = arrivals.some((each) => each.outcome === "cancelled") ? "cancelled" : "faulted"
  return Result.succeed({
    ...joined,
    itinerary: trunk.itinerary,
    phase: "compensate",
    outcome,
    fault: last?.fault ?? null
  })
}

/** A branch that the gather went on without: it ends here, or is undone first. */
export const supersede = (slip: Slip, keep: boolean): Result.Result<Slip, string> => {
  if (slip.branch === undefined || slip.branch.superseded) return Result.fail("it is no branch at its gather")
  const branch = { ...slip.branch, superseded: true }
  return Result.succeed(
    keep || slip.compensation_log.length === 0
      ? { ...slip, branch }
      : { ...slip, branch, phase: "compensate", outcome: "cancelled" }
  )
}
