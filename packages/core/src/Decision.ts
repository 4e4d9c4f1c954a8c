/**
 * Turns an invocation into the `Work` of a transaction: decodes what goes into an action, checks policy and state
 * machine, and encodes what comes out. Pure throughout; the store performs it.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Action from "./Action.ts"
import * as ActionInput from "./ActionInput.ts"
import * as ActionJson from "./ActionJson.ts"
import * as DecidedChanges from "./DecidedChanges.ts"
import * as DirectiveDelivery from "./DirectiveDelivery.ts"
import {
  type ActionFailure,
  Forbidden,
  InvalidOutcome,
  type Issue,
  NotFound,
  UnknownAction,
  VersionConflict
} from "./Failure.ts"
import type { Delivery, Invocation } from "./Invocation.ts"
import type { Load } from "./Load.ts"
import type { Generate } from "./NewId.ts"
import * as Outcome from "./Outcome.ts"
import * as Policy from "./Policy.ts"
import type * as Registry from "./Registry.ts"
import type * as Resource from "./Resource.ts"
import * as RowCodec from "./RowCodec.ts"
import * as RowMark from "./RowMark.ts"
import * as Touches from "./Touches.ts"
import * as Undeliverable from "./Undeliverable.ts"
import {
  type Conclusion,
  type EncodedRow,
  type LoadAnswer,
  LoadedPage,
  type OutboxEvent,
  type Plan,
  type ReceiptKey,
  type Standing,
  type Work
} from "./UnitOfWork.ts"

/** An action with the resource it belongs to. */
export interface Found {
  readonly resource: Resource.Any
  readonly action: Action.Any
}

/** The declared action, or `UnknownAction`. */
export const lookUp = (
  registry: Registry.Registry,
  resource: string,
  action: string
): Effect.Effect<Found, UnknownAction> => {
  const found = registry.resource(resource)
  const declared = registry.action(resource, action)
  return found === undefined || declared === undefined
    ? Effect.fail(new UnknownAction({ action: `${resource}.${action}` }))
    : Effect.succeed({ resource: found, action: declared })
}

/** What an execution takes from the world, taken once. */
export interface Surroundings {
  /** Milliseconds since 1970. */
  readonly now: number
  readonly newId: Generate
  readonly receiptKey: string | undefined
  /** The span that the work is done in, as `traceparent`. */
  readonly trace: string | undefined
  /** True where a durable resource's deliveries go to the outbox too, as nobody journals them. */
  readonly deliverByOutbox?: boolean | undefined
}

/** The work of an invocation, or the fault in its input. `source` stands in for the rows of a stream. */
export const work = (
  registry: Registry.Registry,
  found: Found,
  invocation: Invocation,
  surroundings: Surroundings,
  source: Action.SourceFunction | undefined = found.action.source
): Result.Result<Work, ActionFailure> => {
  const { action, resource } = found
  // Before the row: who may not do this at all is not told whether there is one.
  const early = invocation.origin === "door" ? Policy.decideEarly(action.policy, invocation.actor) : undefined
  if (early !== undefined && !early.allowed)
    return Result.fail(new Forbidden({ action: `${resource.name}.${action.name}`, reason: early.reason }))
  const decoded = ActionInput.decoder(action)(invocation.input)
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  const input: unknown = decoded.success
  const context: Action.ActionContext = {
    tenantId: invocation.actor.tenantId,
    actor: invocation.actor,
    key: invocation.key,
    now: DateTime.makeUnsafe(surroundings.now),
    newId: () => surroundings.newId(surroundings.now)
  }
  const codec = RowCodec.of(resource)
  const writes = !Action.isRead(action)
  const receipt = receiptOf(invocation, surroundings.receiptKey)
  const load = loadsOf(action, source)
  const decodeSelf = (self: EncodedRow | undefined) => (self === undefined ? undefined : codec.decode(self))
  const checkSelf = (self: EncodedRow | undefined): Result.Result<void, ActionFailure> => {
    if (self === undefined && action.self === "required") {
      return Result.fail(new NotFound({ resource: resource.name, key: invocation.key }))
    }
    const expected = invocation.expectedVersion
    if (expected === undefined || RowMark.agrees(resource, self, expected)) return Result.succeed(undefined)
    const named = RowMark.versionIn(expected)
    return Result.fail(new VersionConflict({ resource: resource.name, key: invocation.key, expected: named }))
  }
  return Result.succeed({
    actor: invocation.actor,
    action: `${resource.name}.${action.name}`,
    self: { resource, key: invocation.key, lock: writes, read: action.self !== "none" },
    receipt: writes ? receipt : undefined,
    deliverByOutbox: !resource.durable || surroundings.deliverByOutbox === true,
    trace: surroundings.trace,
    loads:
      load === undefined
        ? undefined
        : (self) =>
            Result.map(checkSelf(self), () =>
              load({ self: decodeSelf(self) as never, input: input as never, context })
            ),
    decide: (encodedSelf, answers) => {
      const checked = checkSelf(encodedSelf)
      if (Result.isFailure(checked)) return Result.fail(checked.failure)
      const self = decodeSelf(encodedSelf)
      const loaded = decodeLoaded(
        load === undefined ? {} : load({ self: self as never, input: input as never, context }),
        answers
      )
      if (Result.isFailure(loaded)) return Result.fail(loaded.failure)
      const question = { actor: invocation.actor, input, self, loaded: loaded.success }
      const decision = invocation.origin === "door" ? Policy.decideFully(action.policy, question) : undefined
      if (decision !== undefined && !decision.allowed) {
        return Result.fail(new Forbidden({ action: `${resource.name}.${action.name}`, reason: decision.reason }))
      }
      const decided = decide(action, { self, input, loaded: loaded.success }, context)
      if (Result.isFailure(decided)) return Result.fail(decided.failure as ActionFailure)
      return plan({ registry, resource, action, context, self: encodedSelf }, decided.success)
    }
  })
}

interface Arguments {
  readonly self: object | undefined
  readonly input: unknown
  readonly loaded: { readonly [name: string]: unknown }
}

/** A stream's rows are loaded like any others. */
const loadsOf = (action: Action.Any, source: Action.SourceFunction | undefined): Action.LoadFunction | undefined =>
  source === undefined ? action.load : (args) => ({ [streamRows]: source(args) })

/** The name under which a stream's rows are loaded. */
export const streamRows = "rows"

const decide = (action: Action.Any, args: Arguments, context: Action.ActionContext) =>
  action.kind === "stream"
    ? Result.succeed(
        Outcome.succeed(mapRows(action, args, (args.loaded[streamRows] ?? []) as ReadonlyArray<object>, context))
      )
    : action.decide(args as never, context)

/** What a stream makes of rows. */
export const mapRows = (
  action: Action.Any,
  args: Pick<Arguments, "self" | "input">,
  rows: ReadonlyArray<object>,
  context: Action.ActionContext
): ReadonlyArray<unknown> =>
  rows.map((row) => Result.getOrThrow(action.decide({ ...args, row } as never, context)).result([]))

/** A caller's key is the actor's own: nobody gets the answer to another's request by guessing its key. */
const receiptOf = (invocation: Invocation, receiptKey: string | undefined): ReceiptKey | undefined => {
  const { actor, fingerprint = "", idempotencyKey } = invocation
  if (idempotencyKey !== undefined) {
    return { key: `caller:${JSON.stringify([actor.id, idempotencyKey])}`, fingerprint, given: idempotencyKey }
  }
  return receiptKey === undefined ? undefined : { key: receiptKey, fingerprint, given: undefined }
}

const decodeLoaded = (
  loads: { readonly [name: string]: Load<unknown> },
  answers: { readonly [name: string]: LoadAnswer }
): Result.Result<{ readonly [name: string]: unknown }, ActionFailure> => {
  const loaded: { [name: string]: unknown } = {}
  for (const [name, { _tag, key, resource }] of Object.entries(loads)) {
    const answer = answers[name]
    const codec = RowCodec.of(resource)
    if (typeof answer === "number") loaded[name] = answer
    else if (answer instanceof LoadedPage) loaded[name] = answer.rows.map(codec.decode)
    else if (isRows(answer)) loaded[name] = answer.map(codec.decode)
    else if (answer !== undefined) loaded[name] = codec.decode(answer)
    else if (_tag === "One") return Result.fail(new NotFound({ resource: resource.name, key: key ?? "" }))
  }
  return Result.succeed(loaded)
}

const isRows = (answer: LoadAnswer): answer is ReadonlyArray<EncodedRow> => Array.isArray(answer)

interface Setting extends DecidedChanges.Setting {
  readonly registry: Registry.Registry
}

const plan = (setting: Setting, outcome: Outcome.Outcome<unknown>): Result.Result<Plan, ActionFailure> => {
  const { action, resource } = setting
  Touches.check(action, outcome)
  if (Action.isRead(action) && outcome.rows.length + outcome.directives.length > 0) {
    throw new Error(
      `${resource.name}.${action.name} is a ${action.kind} and writes nothing; declare it with \`on.action\``
    )
  }
  return Result.map(DecidedChanges.of(setting, outcome), (changes) => ({
    changes,
    fixed:
      outcome.fixed &&
      outcome.directives.every((each) => each._tag !== "Send" || each.fixed) &&
      outcome.rows.every((change) => change._tag === "Remove" || change.resource.conflict.do === "update"),
    conclude: (standing) => conclude(setting, outcome, standing)
  }))
}

const conclude = (
  { action, registry, resource, self }: Setting,
  outcome: Outcome.Outcome<unknown>,
  standing: ReadonlyArray<Standing | undefined>
): Result.Result<Conclusion, InvalidOutcome> => {
  const saved = needsRows(outcome) ? decodeStanding(outcome, standing) : []
  const repeated = standing.some((each) => each?.fresh === false)
  const deliveries: Array<Delivery> = []
  const events: Array<OutboxEvent> = []
  const issues: Array<Issue> = []
  for (const directive of repeated ? [] : outcome.directives) {
    if (directive._tag === "Emit") {
      const { name, payload } = directive.event
      const event = {
        name,
        payload: ActionJson.encode(payload, directive.payload, name),
        ...DirectiveDelivery.delayed(directive)
      }
      issues.push(...Undeliverable.inEvent(event))
      events.push(event)
    } else {
      const delivery = DirectiveDelivery.of(registry, directive, saved)
      issues.push(...Undeliverable.inDelivery(delivery))
      deliveries.push(delivery)
    }
  }
  const own = outcome.rows.findIndex((change) => change.resource.name === resource.name)
  const row = own >= 0 ? standing[own]?.row : self
  const mark = row === undefined ? undefined : RowMark.of(resource, row)
  const output = ActionJson.outputOf(action)
  const kept = encodeKept(outcome, output, standing)
  const result = kept ?? ActionJson.encode(output, outcome.result(saved), action)
  // A write's result is kept in its receipt; a row as such has been accepted by the store already.
  if (kept === undefined && !Action.isRead(action)) issues.push(...Undeliverable.inResult(result))
  if (issues.length > 0) return Result.fail(new InvalidOutcome({ resource: resource.name, issues }))
  return Result.succeed({
    executed: { result, ...(mark === undefined ? {} : { mark }), deliveries },
    events
  })
}

/** Whether anything looks into the saved rows: a result that is one of them as such does not. */
const needsRows = ({ directives, fixed, row }: Outcome.Outcome<unknown>): boolean =>
  (row === undefined && !fixed) || directives.some((each) => each._tag === "Send" && !each.fixed)

const decodeStanding = (
  { rows }: Outcome.Outcome<unknown>,
  standing: ReadonlyArray<Standing | undefined>
): ReadonlyArray<object | undefined> =>
  rows.map((change, index) => {
    const row = standing[index]?.row
    return change._tag === "Save" && row !== undefined ? RowCodec.of(change.resource).decode(row) : undefined
  })

/** The result where it is a saved row as such: its encoding is at hand. */
const encodeKept = (
  { row, rows }: Outcome.Outcome<unknown>,
  output: Action.Any["output"],
  standing: ReadonlyArray<Standing | undefined>
): Schema.Json | undefined => {
  if (row === undefined) return undefined
  const kept = standing[row]?.row
  const resource = rows[row]?.resource
  if (kept === undefined || resource === undefined) return undefined
  const codec = RowCodec.of(resource)
  return resource.schema === output
    ? (codec.present(kept) as Schema.Json)
    : ActionJson.encode(output, codec.decode(kept), resource.name)
}
