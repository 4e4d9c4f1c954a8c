/** A slip as people see it: its path with times, faults and compensations; never what its activities were given. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Envelope from "./Envelope.ts"
import type { RecordedEvent, SlipRecord } from "./HopStore.ts"
import * as Slip from "./Slip.ts"
import * as Wire from "./Wire.ts"

/** How a slip stands. */
export const Status = Schema.Literals([
  "executing",
  "compensating",
  "halted",
  "suspended",
  "completed",
  "terminated",
  "faulted",
  "cancelled"
]).annotate({ identifier: "SlipStatus" })

const ended: ReadonlySet<SlipRecord["status"]> = new Set(Envelope.Outcome.literals)

/** Whether nothing more will happen to a slip. */
export const isOver = (status: SlipRecord["status"]): boolean => ended.has(status)

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
  /** When its message was sent, when it was done or failed for good, and when that was undone; milliseconds since 1970. */
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

/** A record without its message. */
export const summary = ({ activity, correlationId, status, updatedAt }: SlipRecord): Summary => ({
  correlationId,
  status,
  activity,
  updatedAt
})

/** What an event says of the state of its step. */
const stateAfter: { readonly [type in RecordedEvent["type"]]: StepState | undefined } = {
  dispatched: undefined,
  executed: "done",
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

const ends = new Set<string>(["executed", "faulted", "cancelled"])
const problems = new Set<string>(["faulted", "retrying", "halted", "suspended", "abandoned"])
const setbacks = new Set<string>(["retrying", "halted"])

interface Draft extends Omit<Step, "state"> {
  state: StepState
}

const newStep = (step: string, activity: string, state: StepState): Draft => ({
  step,
  activity,
  state,
  failures: 0,
  sentAt: null,
  endedAt: null,
  undoneAt: null,
  problem: null
})

/** The steps that something happened to, in that order. */
const travelled = (events: ReadonlyArray<RecordedEvent>): Map<string, Draft> => {
  const steps = new Map<string, Draft>()
  let before: number | null = null
  for (const { activity, at, detail, step, type } of events) {
    if (type !== "dispatched") {
      const known = steps.get(step) ?? { ...newStep(step, activity, "at hand"), sentAt: before }
      steps.set(step, {
        ...known,
        state: stateAfter[type] ?? known.state,
        failures: known.failures + (setbacks.has(type) ? 1 : 0),
        endedAt: ends.has(type) ? at : known.endedAt,
        undoneAt: type === "compensated" ? at : known.undoneAt,
        problem: problems.has(type) ? detail : known.problem
      })
    }
    before = at
  }
  return steps
}

/** The path: what was travelled, the step at hand, and what is left to do. */
const pathOf = (slip: Envelope.RoutingSlip | undefined, events: ReadonlyArray<RecordedEvent>): ReadonlyArray<Step> => {
  const steps = travelled(events)
  if (slip === undefined) return [...steps.values()]
  const hop = Slip.next(slip)
  const known = hop === undefined ? undefined : steps.get(hop.step)
  if (hop?.phase === "compensate" && known?.state === "done") known.state = "undoing"
  if (slip.phase === "execute") {
    for (const { activity, step } of slip.itinerary) {
      const state = step === hop?.step ? "at hand" : "to do"
      if (!steps.has(step)) {
        const sentAt = state === "at hand" ? (events.at(-1)?.at ?? null) : null
        steps.set(step, { ...newStep(step, activity, state), sentAt })
      }
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
