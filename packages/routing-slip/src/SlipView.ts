/** A slip as people see it: its path with times, faults and compensations; never what its activities were given. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Envelope from "./Envelope.ts"
import type { RecordedEvent, SlipRecord, SlipState } from "./HopStore.ts"
import * as Slip from "./Slip.ts"
import * as Wire from "./Wire.ts"

/** How a slip stands. */
export const Status = Schema.Literals([
  "executing",
  "compensating",
  "halted",
  "suspended",
  ...Envelope.Outcome.literals
]).annotate({ identifier: "SlipStatus" })

/** A slip in a list. */
export const Summary = Schema.Struct({
  correlationId: Schema.String,
  status: Status,
  /** The activity at hand; the last one where the slip is over. */
  activity: Schema.String,
  /** Milliseconds since 1970. */
  updatedAt: Schema.Int
}).annotate({ identifier: "SlipSummary" })
export interface Summary extends Schema.Struct.Type<typeof Summary.fields> {}

/** Something that happened. */
export const Event = Schema.Struct({
  seq: Schema.Int,
  type: Schema.String,
  step: Schema.String,
  activity: Schema.String,
  detail: Schema.String,
  at: Schema.Int
}).annotate({ identifier: "SlipEvent" })

/** How a step stands. `kept`: what it did was not undone, since its compensation was skipped or given up. */
export const StepState = Schema.Literals([
  "to do",
  "at hand",
  "done",
  "faulted",
  "cancelled",
  "undoing",
  "halted",
  "suspended",
  "undone",
  "kept"
])
export type StepState = typeof StepState.Type

/** A step on the path of a slip. */
export const Step = Schema.Struct({
  step: Schema.String,
  activity: Schema.String,
  state: StepState,
  /** Failed attempts in both directions. */
  failures: Schema.Int,
  /**
   * When its message was sent, when it was done or failed for good, and when that was undone; milliseconds since 1970.
   */
  sentAt: Schema.NullOr(Schema.Int),
  endedAt: Schema.NullOr(Schema.Int),
  undoneAt: Schema.NullOr(Schema.Int),
  /** What went wrong last. */
  problem: Schema.NullOr(Schema.String)
}).annotate({ identifier: "SlipStep" })
export interface Step extends Schema.Struct.Type<typeof Step.fields> {}

/** A slip by itself. */
export const View = Schema.Struct({
  ...Summary.fields,
  startedAt: Schema.NullOr(Schema.Int),
  /** After this instant no step is begun any more. */
  deadline: Schema.NullOr(Schema.Int),
  /** Why it turned back. */
  fault: Schema.NullOr(Envelope.Fault),
  path: Schema.Array(Step),
  events: Schema.Array(Event)
}).annotate({ identifier: "Slip" })
export interface View extends Schema.Struct.Type<typeof View.fields> {}

/** How a slip stands, for those who know its tenant. */
export const summary = ({ activity, correlationId, status, updatedAt }: SlipState): Summary => ({
  correlationId,
  status,
  activity,
  updatedAt
})

/** What an event says of the state of its step. */
const stateAfter: { readonly [type in RecordedEvent["type"]]: StepState | undefined } = {
  dispatched: undefined,
  executed: "done",
  scattered: "at hand",
  arrived: undefined,
  gathered: "done",
  superseded: undefined,
  faulted: "faulted",
  cancelled: "cancelled",
  compensated: "undone",
  skipped: "kept",
  abandoned: "kept",
  halted: "halted",
  suspended: "suspended",
  reauthorised: "at hand",
  retrying: undefined
}

/** Events of a slip or of a whole branch, rather than of a step. */
const ofNoStep = new Set<string>(["dispatched", "arrived", "superseded"])
const ends = new Set<string>(["executed", "gathered", "faulted", "cancelled"])
const problems = new Set<string>(["faulted", "retrying", "halted", "suspended", "abandoned", "gathered"])
const setbacks = new Set<string>(["retrying", "halted"])

const newStep = (step: string, activity: string, state: StepState, sentAt: number | null): Step => ({
  step,
  activity,
  state,
  failures: 0,
  sentAt,
  endedAt: null,
  undoneAt: null,
  problem: null
})

/** A step after an event. One with branches is gathered twice where it turns back: once done, once undone. */
const after = (known: Step, { at, detail, type }: RecordedEvent): Step => {
  const back = known.endedAt !== null && (type === "scattered" || type === "gathered")
  if (back) return { ...known, ...(type === "gathered" ? { state: "undone", undoneAt: at } : { state: "undoing" }) }
  const failed = type === "gathered" && detail !== ""
  return {
    ...known,
    state: failed ? "faulted" : (stateAfter[type] ?? known.state),
    failures: known.failures + (setbacks.has(type) ? 1 : 0),
    endedAt: ends.has(type) ? at : known.endedAt,
    undoneAt: type === "compensated" ? at : known.undoneAt,
    problem: problems.has(type) && detail !== "" ? detail : known.problem
  }
}

/** Whether two steps are of different branches of one step: then neither waits for the other. */
const areParallel = (scattered: ReadonlySet<string>, a: string, b: string): boolean =>
  [...scattered].some((of) => {
    const branchOf = (step: string) =>
      step.startsWith(`${of}.`) ? step.slice(of.length + 1).split(".", 1)[0] : undefined
    const [first, second] = [branchOf(a), branchOf(b)]
    return first !== undefined && second !== undefined && first !== second
  })

/**
 * The steps that something happened to, in that order. A step's message was sent by what happened before on its way.
 */
const travelled = (events: ReadonlyArray<RecordedEvent>): Map<string, Step> => {
  const steps = new Map<string, Step>()
  const scattered = new Set(events.flatMap(({ step, type }) => (type === "scattered" ? [step] : [])))
  for (const [index, event] of events.entries()) {
    const { activity, step, type } = event
    if (ofNoStep.has(type)) continue
    // Looked for once for each step: one that is tried for days has many events.
    const sentAt = () => events.slice(0, index).findLast((each) => !areParallel(scattered, each.step, step))?.at ?? null
    steps.set(step, after(steps.get(step) ?? newStep(step, activity, "at hand", sentAt()), event))
  }
  return steps
}

/** What an itinerary has left, the steps of branches after the step that they belong to. */
const left = (itinerary: ReadonlyArray<Envelope.Step>): ReadonlyArray<Pick<Envelope.Step, "step" | "activity">> =>
  itinerary.flatMap((each) => [each, ...(each.scatter?.branches ?? []).flatMap((branch) => branch.itinerary)])

/** The path: what was travelled, the step at hand, and what is left to do. */
const pathOf = (slip: Envelope.RoutingSlip | undefined, events: ReadonlyArray<RecordedEvent>): ReadonlyArray<Step> => {
  const steps = travelled(events)
  if (slip === undefined) return [...steps.values()]
  const hop = Slip.next(slip)
  const known = hop === undefined ? undefined : steps.get(hop.step)
  if (hop?.phase === "compensate" && known?.state === "done") steps.set(hop.step, { ...known, state: "undoing" })
  if (slip.phase === "execute") {
    for (const { activity, step } of left(slip.itinerary)) {
      if (steps.has(step)) continue
      const atHand = step === hop?.step
      const sentAt = atHand ? (events.at(-1)?.at ?? null) : null
      steps.set(step, newStep(step, activity, atHand ? "at hand" : "to do", sentAt))
    }
  }
  return [...steps.values()]
}

/** A slip from its record and its events. Of a message that cannot be read any more, what the events say is shown. */
export const make = Effect.fnUntraced(function* (record: SlipRecord, events: ReadonlyArray<RecordedEvent>) {
  const envelope = yield* Effect.result(Wire.decode(record.body))
  const slip = Result.isSuccess(envelope) ? envelope.success.headers.routing_slip : undefined
  const view: View = {
    ...summary(record),
    startedAt: events[0]?.at ?? null,
    deadline: slip?.deadline ?? null,
    fault: slip?.fault ?? null,
    path: pathOf(slip, events),
    events
  }
  return view
})
