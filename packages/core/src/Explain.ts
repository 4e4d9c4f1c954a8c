/**
 * What an action would do, without doing it: because outcomes are data, a decision can be looked at before anything is
 * committed. `explain` decides on the current state; `analyse` needs no state at all.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Action from "./Action.ts"
import { CurrentActor } from "./Actor.ts"
import * as Decision from "./Decision.ts"
import * as ErrorBoundary from "./ErrorBoundary.ts"
import { type ActionFailure, Forbidden } from "./Failure.ts"
import type { Delivery, Invocation, Request } from "./Invocation.ts"
import { NewId } from "./NewId.ts"
import * as Policy from "./Policy.ts"
import type * as Registry from "./Registry.ts"
import * as Sensitive from "./Sensitive.ts"
import * as Storable from "./Storable.ts"
import {
  type Change,
  type Conclusion,
  type EncodedRow,
  type OutboxEvent,
  type Standing,
  UnitOfWork
} from "./UnitOfWork.ts"

/** What an action may do, known from its declaration alone. */
export interface Analysis {
  /** As in `Thread.addMessage`. */
  readonly action: string
  readonly kind: Policy.Kind
  /** Whether it runs one at a time per object. */
  readonly exclusive: boolean
  readonly durable: boolean
  readonly policy: string
  readonly failures: ReadonlyArray<string>
  /** As in `saves Message`, `sends to Channel.deliver`, `starts AgentRun`, `emits Posted`. */
  readonly touches: ReadonlyArray<string>
}

/** What an action would do now. Values of sensitive fields are left out. */
export interface Explanation extends Analysis {
  readonly decision: Policy.Decision
  readonly self: EncodedRow | undefined
  readonly failure: ErrorBoundary.WireFailure | undefined
  readonly changes: ReadonlyArray<ExplainedChange>
  readonly deliveries: ReadonlyArray<Delivery>
  readonly events: ReadonlyArray<OutboxEvent>
}

/** A change that would be made: the row as it would stand. */
export interface ExplainedChange {
  readonly change: "save" | "remove"
  readonly resource: string
  readonly row: EncodedRow
}

/** Every action of a registry and what it may touch. */
export const analyse = (registry: Registry.Registry): ReadonlyArray<Analysis> =>
  registry.resources.flatMap((resource) =>
    Object.values(resource.actions).map((action) => analyseAction(registry, action))
  )

const analyseAction = (registry: Registry.Registry, action: Action.Any): Analysis => ({
  action: `${action.resource}.${action.name}`,
  kind: action.kind,
  exclusive: !Action.isRead(action),
  durable: registry.resource(action.resource)?.durable ?? false,
  policy: Policy.describe(action.policy),
  failures: action.errors.map(ErrorBoundary.tagOf),
  touches: [...ownRow(action), ...action.touches().map(describeTouch)]
})

const ownRow = (action: Action.Any): ReadonlyArray<string> => {
  switch (action.kind) {
    case "create":
    case "update":
      return [`saves ${action.resource}`]
    case "destroy":
      return [`removes ${action.resource}`]
    case "action":
      return [`may save or remove ${action.resource}`]
    default:
      return []
  }
}

const describeTouch = (touched: Action.Touchable): string => {
  switch (touched._tag) {
    case "Resource":
      return `may save or remove ${touched.name}`
    case "Action":
      return `sends to ${touched.resource}.${touched.name}`
    case "Workflow":
      return `starts or signals ${touched.name}`
    case "DomainEvent":
      return `emits ${touched.name}`
  }
}

/** Ends the transaction once it is known what would come of it. */
class Explained extends Error {
  readonly _tag = "Explained"
}

/**
 * Runs a request's own transaction and rolls it back, so that what the store would refuse or keep is known as well.
 * Commits nothing. Fails only where the request itself is not valid.
 */
export const explain = Effect.fn("Explain.explain")(function* (
  registry: Registry.Registry,
  request: Request
): Effect.fn.Return<Explanation, ActionFailure, UnitOfWork | CurrentActor> {
  const actor = yield* CurrentActor
  const unitOfWork = yield* UnitOfWork
  const found = yield* Decision.lookUp(registry, request.resource, request.action)
  yield* Effect.fromResult(Storable.checkRequest(request))
  const now = yield* Clock.currentTimeMillis
  const newId = yield* NewId
  const invocation: Invocation = {
    resource: request.resource,
    action: request.action,
    key: request.key ?? newId(now),
    input: (request.input ?? {}) as Schema.Json,
    actor,
    origin: "door"
  }
  const surroundings = { now, newId, receiptKey: undefined, trace: undefined }
  const worked = Decision.work(registry, found, invocation, surroundings)
  // Who may not do this whatever the row is is told so, and sees no row.
  if (Result.isFailure(worked) && worked.failure instanceof Forbidden)
    return explanationOf(registry, found.action, actor, { failure: worked.failure, self: undefined, would: nothing })
  const work = yield* Effect.fromResult(worked)
  let self: EncodedRow | undefined
  let would = nothing
  const failure = yield* unitOfWork
    .run({
      ...work,
      rehearsal: true,
      decide: (row, loaded) => {
        self = row
        return Result.map(work.decide(row, loaded), (plan) => ({
          ...plan,
          fixed: false,
          conclude: (standing) =>
            Result.flatMap(plan.conclude(standing), (conclusion) => {
              would = describe(registry, plan.changes, standing, conclusion)
              return Result.fail(new Explained())
            })
        }))
      }
    })
    .pipe(Effect.flip, Effect.orDie)
  const shown = self === undefined ? undefined : hide(found.resource.schema, self)
  return explanationOf(registry, found.action, actor, { failure, self: shown, would })
})

/** What a rehearsal came to: how it ended, the row that it found, and what it would have done. */
interface Rehearsed {
  readonly failure: ActionFailure
  readonly self: EncodedRow | undefined
  readonly would: Would
}

const explanationOf = (
  registry: Registry.Registry,
  action: Action.Any,
  actor: CurrentActor["Service"],
  { failure, self, would }: Rehearsed
): Explanation => {
  const refused = failure instanceof Explained ? undefined : failure
  return {
    ...analyseAction(registry, action),
    decision: decisionOf(action.policy, failure, actor),
    self,
    failure: refused === undefined ? undefined : ErrorBoundary.show(refused, action.errors),
    ...(refused === undefined ? would : nothing)
  }
}

const decisionOf = (policy: Policy.Policy, failure: ActionFailure, actor: CurrentActor["Service"]): Policy.Decision =>
  failure instanceof Forbidden
    ? { allowed: false, open: false, reason: failure.reason }
    : Policy.decideEarly(policy, actor)

type Would = Pick<Explanation, "changes" | "deliveries" | "events">

const nothing: Would = { changes: [], deliveries: [], events: [] }

const describe = (
  registry: Registry.Registry,
  changes: ReadonlyArray<Change>,
  standing: ReadonlyArray<Standing | undefined>,
  { events, executed }: Conclusion
): Would => ({
  changes: changes.flatMap((change, index) => describeChange(change, standing[index])),
  deliveries: executed.deliveries.map((each) => describeDelivery(registry, each)),
  events: events.map((event) => {
    const declared = registry.events.find((each) => each.name === event.name)
    return { ...event, payload: hidden(declared?.payload, event.payload) }
  })
})

/** Nothing where an earlier row is kept. */
const describeChange = (change: Change, stands: Standing | undefined): ReadonlyArray<ExplainedChange> => {
  const { resource } = change
  if (change._tag === "Remove")
    return [{ change: "remove", resource: resource.name, row: { [resource.key]: change.key } }]
  if (stands?.fresh === false) return []
  return [{ change: "save", resource: resource.name, row: hide(resource.schema, stands?.row ?? change.row) }]
}

const describeDelivery = (registry: Registry.Registry, delivery: Delivery): Delivery => {
  switch (delivery._tag) {
    case "Send":
      return {
        ...delivery,
        input: hidden(registry.action(delivery.resource, delivery.action)?.input, delivery.input)
      }
    case "StartWorkflow":
      return { ...delivery, input: hidden(registry.workflow(delivery.workflow)?.input, delivery.input) }
    case "Signal": {
      const schema = registry.workflow(delivery.workflow)?.signals[delivery.signal]
      return { ...delivery, payload: hidden(schema, delivery.payload) }
    }
  }
}

const hidden = (schema: Schema.Constraint | undefined, json: Schema.Json): Schema.Json =>
  (schema === undefined ? undefined : Sensitive.hider(schema)?.(json)) ?? json

const hide = (schema: Schema.Constraint, row: EncodedRow): EncodedRow =>
  (Sensitive.hider(schema)?.(row as Schema.Json) as EncodedRow | undefined) ?? row
