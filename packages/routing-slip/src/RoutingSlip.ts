/**
 * Builds and dispatches a routing slip.
 *
 * @example
 * yield* RoutingSlip.builder(registry).pipe(
 *   RoutingSlip.add(chargeCard, { amount: 100, cardToken }),
 *   RoutingSlip.variable("customer", customerId),
 *   RoutingSlip.sign(signer),
 *   RoutingSlip.dispatch)
 */
import { InvalidInput } from "@tenon/core/Failure"
import { NewId } from "@tenon/core/NewId"
import * as Span from "@tenon/core/Span"
import { Transport } from "@tenon/messaging/Transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import type * as Activity from "./Activity.ts"
import { type Planned, step } from "./ActivityContext.ts"
import type * as Envelope from "./Envelope.ts"
import { isCarriable, isEnvelope, uncarriable } from "./EnvelopeCheck.ts"
import { HopStore, openingKey } from "./HopStore.ts"
import * as Itinerary from "./Itinerary.ts"
import type * as Registry from "./Registry.ts"
import type * as ScatterGather from "./ScatterGather.ts"
import * as Size from "./Size.ts"
import * as Slip from "./Slip.ts"
import * as StrictJson from "./StrictJson.ts"
import * as TraceContext from "./TraceContext.ts"
import * as Wire from "./Wire.ts"

export { step } from "./ActivityContext.ts"
export type { Sealer } from "./Itinerary.ts"

/** Proves a slip's beginning and a fresh authority for it; made by `SignedLog.issuer`. */
export interface Issuer {
  readonly manifest: (manifest: {
    readonly headers: Pick<Envelope.Headers, "tenant_id" | "correlation_id" | "message_id">
    readonly slip: Envelope.RoutingSlip
    readonly oboToken: string | null
    readonly queue: string
    readonly at: number
    readonly lifetimeMillis: number
  }) => Effect.Effect<Envelope.SecurityContext>
  readonly reauthorise: (fresh: {
    readonly headers: Envelope.Headers
    readonly messageId: string
    readonly step: string
    readonly queue: string
    readonly oboToken: string
    readonly at: number
    readonly lifetimeMillis: number
  }) => Effect.Effect<Envelope.SecurityContext>
}

interface State {
  readonly registry: Registry.Any
  readonly steps: ReadonlyArray<Itinerary.Part>
  readonly variables: { readonly [name: string]: Schema.Json }
  readonly revision: Envelope.Revision
  readonly correlationId: string | undefined
  readonly tenantId: string
  readonly oboToken: string | null
  readonly within: number | undefined
  readonly lifetime: number
  readonly issuer: Issuer | undefined
  readonly sealer: Itinerary.Sealer | undefined
}

/** A slip in the making, over a registry whose activities are called `Names`. */
export interface Builder<in out Names extends string> extends Pipeable {
  readonly names: (name: Names) => Names
  readonly state: State
}

const make = <Names extends string>(state: State): Builder<Names> => ({
  names: (name) => name,
  state,
  pipe() {
    return pipeArguments(this, arguments)
  }
})

const week = Duration.toMillis(Duration.days(7))

/** Begins a slip. The correlation id names it for ever; dispatching the same one again changes nothing. */
export const builder = <Names extends string, R>(
  registry: Registry.Registry<Names, R>,
  options: { readonly correlationId?: string; readonly tenantId?: string } = {}
): Builder<Names> =>
  make({
    registry,
    steps: [],
    variables: {},
    revision: { by: [], activities: [], budget: 0, drops: false },
    correlationId: options.correlationId,
    tenantId: options.tenantId ?? "default",
    oboToken: null,
    within: undefined,
    lifetime: week,
    issuer: undefined,
    sealer: undefined
  })

/** The compile error of a step whose activity is not in the builder's registry. */
export interface NotInRegistry<Name> {
  readonly "this activity is not in the registry of the builder": Name
}

type Known<Names extends string, Name extends string> = [Name] extends [Names] ? unknown : NotInRegistry<Name>

const update =
  (change: (state: State) => Partial<State>) =>
  <Names extends string>(self: Builder<Names>): Builder<Names> =>
    make({ ...self.state, ...change(self.state) })

const withStep = <Names extends string>(self: Builder<Names>, part: Itinerary.Part): Builder<Names> =>
  make({ ...self.state, steps: [...self.state.steps, part] })

/** Adds a step. `timeout` bounds one execution of it. */
export const add =
  <A extends Activity.Any>(
    activity: A,
    args: NoInfer<Activity.ArgumentsOf<A>>,
    options: { readonly timeout?: Duration.Input } = {}
  ) =>
  <Names extends string>(self: Builder<Names> & Known<Names, Activity.NameOf<A>>): Builder<Names> =>
    withStep(self, step(activity, args, options))

/** Branches by name, each a list of steps made by `step`. */
export type Branches = { readonly [name: string]: readonly [Planned, ...ReadonlyArray<Planned>] }

type NamesIn<B extends Branches> = Activity.NameOf<B[keyof B][number]["activity"]> | typeof ScatterGather.activity.name

/**
 * Adds branches that are done at the same time, and goes on once they are gathered. A branch that fails is undone by
 * itself; where too few are left to gather, the others are called off and undone, and the slip turns back.
 *
 * @example
 * RoutingSlip.scatter(
 *   { hotel: [step(bookHotel, { nights: 2 })], flight: [step(bookFlight, { to: "LIS" }), step(chooseSeat, {})] },
 *   { gather: "all", within: "2 minutes", merge: [Merge.collect(booking, bookings)] })
 */
export const scatter =
  <const B extends Branches>(branches: B, options: Itinerary.ScatterOptions = {}) =>
  <Names extends string>(self: Builder<Names> & Known<Names, NamesIn<B>>): Builder<Names> =>
    withStep(self, { branches, options })

/** Sets a variable that all activities can read. */
export const variable = (name: string, value: Schema.Json) =>
  update(({ variables }) => ({ variables: { ...variables, [name]: value } }))

/** Lets activities change the itinerary while it runs. Without this nobody may. */
export const revisable = (policy: {
  readonly by: ReadonlyArray<Activity.Any>
  readonly insert?: ReadonlyArray<Activity.Any>
  /** How many steps may be inserted in all. */
  readonly budget?: number
  readonly drops?: boolean
}) =>
  update(() => ({
    revision: {
      by: policy.by.map(({ name }) => name),
      activities: (policy.insert ?? []).map(({ name }) => name),
      budget: policy.budget ?? 0,
      drops: policy.drops ?? false
    }
  }))

/** No step is begun later than this after dispatching; what was done by then is undone. */
export const within = (duration: Duration.Input) =>
  update(() => ({ within: Duration.toMillis(Duration.fromInputUnsafe(duration)) }))

/**
 * How long the signed manifest is good for; afterwards no step is begun, and what was done is undone. Default a week.
 */
export const lifetime = (duration: Duration.Input) =>
  update(() => ({ lifetime: Duration.toMillis(Duration.fromInputUnsafe(duration)) }))

/** Has the slip travel with a user's token. */
export const onBehalfOf = (token: string) => update(() => ({ oboToken: token }))

/** Signs the manifest. Workers under zero trust accept nothing else. */
export const sign = (issuer: Issuer) => update(() => ({ issuer }))

/** Encrypts arguments, and what undoing needs, for the activity concerned. */
export const encrypt = (sealer: Itinerary.Sealer) => update(() => ({ sealer }))

/** What was dispatched. */
export interface Dispatched {
  readonly tenantId: string
  readonly correlationId: string
}

/** Makes the first message. Fails where arguments do not fit their activity, there is no step, or it is too large. */
export const build = Effect.fnUntraced(function* <Names extends string>({ state }: Builder<Names>) {
  const at = yield* Clock.currentTimeMillis
  const generate = yield* NewId
  const { sealer, tenantId } = state
  const correlationId = state.correlationId ?? generate(at)
  const { issues: wrong, itinerary } = yield* Itinerary.encode(state.steps, { tenantId, correlationId, sealer })
  const [first] = itinerary
  const issues = [...wrong, ...faultsIn(state.variables)]
  if (issues.length > 0 || first === undefined) return yield* new InvalidInput({ issues })

  const wanted = Slip.start({
    itinerary,
    variables: state.variables,
    revision: state.revision,
    deadline: state.within === undefined ? null : at + state.within
  })
  const names = { tenant_id: tenantId, correlation_id: correlationId, message_id: generate(at) }
  const unsigned = { obo_token: state.oboToken, jws_signature: null, jws_log: [] }
  const trace_context = yield* TraceContext.capture
  // What no worker would read is not begun: it would wait for ever.
  const draft = {
    payload: first.arguments,
    headers: { ...names, routing_slip: wanted, security_context: unsigned, trace_context }
  }
  const written = Wire.encode(draft)
  // What is signed is what a worker will read, whatever becomes of the objects that it was made of meanwhile.
  const isReadable = state.issuer === undefined && isEnvelope(draft)
  const slip = isReadable ? wanted : (yield* readable(draft, written)).routing_slip
  const security_context =
    state.issuer === undefined
      ? unsigned
      : yield* state.issuer.manifest({
          headers: names,
          slip,
          oboToken: state.oboToken,
          queue: first.queue,
          at,
          lifetimeMillis: state.lifetime
        })
  const headers: Envelope.Headers = {
    ...names,
    routing_slip: slip,
    security_context,
    trace_context
  }
  const envelope: Envelope.Envelope = { payload: first.arguments, headers }
  const body = state.issuer === undefined ? written : Wire.encode(envelope)
  const size = Wire.sizeOf(envelope, body)
  const limit = Size.forth(StrictJson.defaultLimits, slip)
  if (size > limit) {
    return yield* new InvalidInput({ issues: [{ path: "", message: Size.tooLarge(size, limit).message }] })
  }
  return { envelope, message: { queue: first.queue, id: names.message_id, body }, at }
})

/** What of variables no slip could carry, on the trunk or into its branches. */
const faultsIn = (variables: State["variables"]) =>
  Object.entries(variables).flatMap(([name, value]) =>
    isCarriable(value) ? [] : [{ path: `variables.${name}`, message: uncarriable }]
  )

/** The headers as a worker will read them. A message that is too large for any is refused where it is whole. */
const readable = (envelope: Envelope.Envelope, written: Uint8Array): Effect.Effect<Envelope.Headers, InvalidInput> =>
  Wire.decode(written).pipe(
    Effect.map(({ headers }) => headers),
    Effect.catch(({ detail, reason }) =>
      reason === "too-large"
        ? Effect.succeed(envelope.headers)
        : Effect.fail(new InvalidInput({ issues: [{ path: "", message: `no worker would read it: ${detail}` }] }))
    )
  )

/** Records the slip and sends it on its way. Once this succeeds it will be carried out, or undone. */
export const dispatch = <Names extends string>(self: Builder<Names>) =>
  Span.within(() => ({ name: "RoutingSlip.dispatch" }), dispatching(self))

const dispatching = Effect.fnUntraced(function* <Names extends string>(self: Builder<Names>) {
  const store = yield* HopStore
  const transport = yield* Transport
  const { envelope, message, at } = yield* build(self)
  const { tenant_id: tenantId, correlation_id: correlationId, routing_slip } = envelope.headers
  const activity = routing_slip.itinerary[0]?.activity ?? ""
  const dispatched: Dispatched = { tenantId, correlationId }
  const opened = yield* store.open(
    { ...dispatched, status: "executing", activity, updatedAt: at, body: message.body },
    message,
    { type: "dispatched", step: "0", activity, detail: "", at },
    transport
  )
  if (opened !== "stored") return dispatched
  // Stored is sent: where the broker does not answer now, a relay publishes it later.
  yield* transport.publish(message).pipe(
    Effect.andThen(store.dispatched(openingKey(dispatched), message.id)),
    Effect.catch((failure) => Effect.logWarning("A slip is sent later", failure.message))
  )
  return dispatched
})
