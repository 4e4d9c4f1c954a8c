/**
 * Turns an invocation into the `Work` of a transaction: decodes what goes into an action, checks policy and state
 * machine, and encodes what comes out. Pure throughout; the store performs it.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import * as ActionInput from "./ActionInput.ts"
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
import * as Transitions from "./Transitions.ts"
import * as Undeliverable from "./Undeliverable.ts"
import type {
  Change,
  Conclusion,
  EncodedRow,
  LoadAnswer,
  OutboxEvent,
  Plan,
  Standing,
  Work,
  ReceiptKey
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
  const writes = !isRead(action)
  const receipt = receiptOf(invocation, surroundings.receiptKey)
  const load = loadsOf(action, source)
  const decodeSelf = (self: EncodedRow | undefined) => (self === undefined ? undefined : codec.decode(self))
  const checkSelf = (self: EncodedRow | undefined): Result.Result<void, ActionFailure> => {
    if (self === undefined && action.self === "required") {
      return Result.fail(new NotFound({ resource: resource.name, key: invocation.key }))
    }
    const expected = invocation.expectedVersion
    return expected !== undefined && self?.[versionField(resource) ?? ""] !== expected
      ? Result.fail(new VersionConflict({ resource: resource.name, key: invocation.key, expected }))
      : Result.succeed(undefined)
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
      return plan({ registry, found, context, encodedSelf }, decided.success)
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

/** The field that counts a resource's saves, where it has one. */
export const versionField = (resource: Resource.Any): string | undefined =>
  resource.columns.find((column) => column.default?._tag === "Version")?.field

const decodeLoaded = (
  loads: { readonly [name: string]: Load<unknown> },
  answers: { readonly [name: string]: LoadAnswer }
): Result.Result<{ readonly [name: string]: unknown }, ActionFailure> => {
  const loaded: { [name: string]: unknown } = {}
  for (const [name, { _tag, key, resource }] of Object.entries(loads)) {
    const answer = answers[name]
    const codec = RowCodec.of(resource)
    if (typeof answer === "number") loaded[name] = answer
    else if (isRows(answer)) loaded[name] = answer.map(codec.decode)
    else if (answer !== undefined) loaded[name] = codec.decode(answer)
    else if (_tag === "One") return Result.fail(new NotFound({ resource: resource.name, key: key ?? "" }))
  }
  return Result.succeed(loaded)
}

const isRows = (answer: LoadAnswer): answer is ReadonlyArray<EncodedRow> => Array.isArray(answer)

interface Setting {
  readonly registry: Registry.Registry
  readonly found: Found
  readonly context: Action.ActionContext
  readonly encodedSelf: EncodedRow | undefined
}

const plan = (setting: Setting, outcome: Outcome.Outcome<unknown>): Result.Result<Plan, ActionFailure> => {
  const { action, resource } = setting.found
  checkTouches(action, outcome)
  if (isRead(action) && outcome.rows.length + outcome.directives.length > 0) {
    throw new Error(
      `${resource.name}.${action.name} is a ${action.kind} and writes nothing; declare it with \`on.action\``
    )
  }
  const excess = excessOf(outcome)
  if (excess !== undefined) return Result.fail(new InvalidOutcome({ resource: resource.name, issues: [excess] }))
  const changes: Array<Change> = []
  // The row as it stands under its lock, change by change.
  let stands = setting.encodedSelf
  const inserted = insertedIn(setting, outcome)
  for (const [index, each] of outcome.rows.entries()) {
    const encoded = encodeChange(setting, each, index === inserted ? "insert" : stands)
    if (Result.isFailure(encoded)) return Result.fail(encoded.failure)
    const change = encoded.success
    changes.push(change)
    stands = standingAfter(setting, change, stands)
  }
  return Result.succeed({
    changes,
    fixed:
      outcome.fixed &&
      outcome.directives.every((each) => each._tag !== "Send" || each.fixed) &&
      outcome.rows.every((change) => change._tag === "Remove" || change.resource.conflict.do === "update"),
    conclude: (standing) => conclude(setting, outcome, standing)
  })
}

/** Whether an action writes nothing. */
export const isRead = (action: Action.Any): boolean => action.kind === "read" || action.kind === "stream"

const encodeChange = (
  { context, found: { action, resource } }: Setting,
  change: Outcome.RowChange,
  stands: EncodedRow | "insert" | undefined
): Result.Result<Change, ActionFailure> => {
  if (change._tag === "Remove") return Result.succeed(change)
  const own = change.resource.name === resource.name
  const key = own && action.kind === "create" ? context.key : undefined
  const row = RowCodec.of(change.resource).encodeDraft(change.draft, context, key)
  if (Result.isFailure(row)) {
    return Result.fail(new InvalidOutcome({ resource: change.resource.name, issues: row.failure }))
  }
  const save = { _tag: "Save", resource: change.resource, row: row.success } as const
  if (stands === "insert") {
    // Who names a version says that there is a row to replace.
    if ((row.success[versionField(resource) ?? ""] ?? 0) !== 0) return Result.succeed(save)
    const illegal = Transitions.refusalOf(resource, undefined, row.success)
    return illegal === undefined ? Result.succeed({ ...save, mode: "insert" }) : Result.fail(illegal)
  }
  if (!own || stands === undefined || !isSameRow(resource, stands, row.success)) return Result.succeed(save)
  const transition = Transitions.refusalOf(resource, stands, row.success)
  return transition === undefined ? Result.succeed({ ...save, mode: "checked" }) : Result.fail(transition)
}

/** Which of an outcome's changes is the row that a create makes: the one that it answers with. */
const insertedIn = ({ found: { action, resource } }: Setting, { row, rows }: Outcome.Outcome<unknown>): number => {
  if (action.kind !== "create" || !resource.createsOnce) return -1
  const isOwn = (change: Outcome.RowChange | undefined) =>
    change?._tag === "Save" && change.resource.name === resource.name
  return row !== undefined && isOwn(rows[row]) ? row : rows.findIndex(isOwn)
}

const excessOf = ({ directives, rows }: Outcome.Outcome<unknown>): Issue | undefined => {
  const [count, what] = rows.length > directives.length ? [rows.length, "rows"] : [directives.length, "directives"]
  return count <= Outcome.limit
    ? undefined
    : { path: "", message: `${count} ${what} in one outcome, where ${Outcome.limit} are the most; do it in parts` }
}

/** What is known of the action's own row after a change: nothing where the change may have been made to it by another key. */
const standingAfter = (
  { context, found: { resource } }: Setting,
  change: Change,
  stands: EncodedRow | undefined
): EncodedRow | undefined => {
  if (change.resource.name !== resource.name) return stands
  if (change._tag === "Remove") return change.key === context.key ? undefined : stands
  if (change.row[resource.key] === context.key) return change.row
  return resource.conflict.on.join() === resource.key ? stands : undefined
}

/** Whether a row is saved in the place of the one that stands: the conflict rule could find another one, or keep it. */
const isSameRow = ({ conflict, key }: Resource.Any, stands: EncodedRow, row: EncodedRow): boolean =>
  conflict.do === "update" && [key, ...conflict.on].every((field) => stands[field] === row[field])

/** What an outcome names must be declared: by `touches`, or as the resource itself. */
const checkTouches = (action: Action.Any, outcome: Outcome.Outcome<unknown>): void => {
  const allowed = allowedOf(action)
  const named = [
    ...outcome.rows.map((change) => `Resource ${change.resource.name}`),
    ...outcome.directives.map((each) =>
      touchName(each._tag === "Send" ? each.action : each._tag === "Emit" ? each.event : each.workflow)
    )
  ]
  const missing = named.find((each) => !allowed.has(each))
  if (missing !== undefined) {
    throw new Error(
      `${action.resource}.${action.name} touches the ${missing}, which it does not declare; add it to \`touches\``
    )
  }
}

const allowances = new WeakMap<Action.Any, ReadonlySet<string>>()

const allowedOf = (action: Action.Any): ReadonlySet<string> => {
  const found = allowances.get(action)
  if (found !== undefined) return found
  const fresh = new Set([...action.touches().map(touchName), `Resource ${action.resource}`])
  allowances.set(action, fresh)
  return fresh
}

const touchName = (touchable: Action.Touchable): string =>
  touchable._tag === "Action" ? `Action ${touchable.resource}.${touchable.name}` : `${touchable._tag} ${touchable.name}`

const conclude = (
  { encodedSelf, found: { action, resource }, registry }: Setting,
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
      const event = { name, payload: encodeJson(payload, directive.payload, name), ...delayed(directive) }
      issues.push(...Undeliverable.inEvent(event))
      events.push(event)
    } else {
      const delivery = toDelivery(registry, directive, saved)
      issues.push(...Undeliverable.inDelivery(delivery))
      deliveries.push(delivery)
    }
  }
  const field = versionField(resource)
  const own = outcome.rows.findIndex((change) => change.resource.name === resource.name)
  const version = field === undefined ? undefined : (own >= 0 ? standing[own]?.row : encodedSelf)?.[field]
  const output = action.kind === "stream" ? arrayOf(action.output) : action.output
  const kept = encodeKept(outcome, output, standing)
  const result = kept ?? encodeJson(output, outcome.result(saved), action)
  // A write's result is kept in its receipt; a row as such has been accepted by the store already.
  if (kept === undefined && !isRead(action)) issues.push(...Undeliverable.inResult(result))
  if (issues.length > 0) return Result.fail(new InvalidOutcome({ resource: resource.name, issues }))
  return Result.succeed({
    executed: { result, ...(typeof version === "number" ? { version } : {}), deliveries },
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
    : encodeJson(output, codec.decode(kept), resource.name)
}

const arrays = new WeakMap<Schema.Constraint, Schema.Codec<unknown, unknown>>()

const arrayOf = (schema: Schema.Codec<unknown, unknown>): Schema.Codec<unknown, unknown> => {
  const found = arrays.get(schema) ?? Schema.Array(schema)
  arrays.set(schema, found)
  return found
}

const toDelivery = (
  registry: Registry.Registry,
  directive: Exclude<Outcome.Directive, { readonly _tag: "Emit" }>,
  saved: Outcome.Saved
): Delivery => {
  switch (directive._tag) {
    case "Send": {
      const { name, resource } = directive.action
      const target = registry.action(resource, name)
      if (target === undefined)
        throw new Error(`A send to ${resource}.${name}, which is not in the registry; add it there`)
      return deliveryOf({ ...directive, action: target, input: () => directive.input(saved) })
    }
    case "StartWorkflow":
    case "Signal":
      return deliveryOf(directive)
  }
}

/** A directive that looks at no saved row, ready to be delivered. `Send` is one whose action is what it is sent to. */
export const deliveryOf = (
  directive:
    | Extract<Outcome.Directive, { readonly _tag: "StartWorkflow" | "Signal" }>
    | Omit<Extract<Outcome.Directive, { readonly _tag: "Send" }>, "fixed">
): Delivery => {
  switch (directive._tag) {
    case "Send": {
      const { name, resource } = directive.action
      return {
        _tag: "Send",
        resource,
        action: name,
        key: directive.key,
        input: encodeJson(directive.action.input, directive.input([]), `${resource}.${name}`),
        delayMillis: millis(directive.delay)
      }
    }
    case "StartWorkflow": {
      const { name, input } = directive.workflow
      return {
        _tag: "StartWorkflow",
        workflow: name,
        key: directive.key,
        input: encodeJson(input, directive.input, name),
        delayMillis: millis(directive.delay),
        ...(directive.fork === undefined ? {} : { fork: directive.fork })
      }
    }
    case "Signal": {
      const schema = directive.workflow.signals[directive.signal]
      if (schema === undefined) throw new Error(`${directive.workflow.name} has no signal ${directive.signal}`)
      return {
        _tag: "Signal",
        workflow: directive.workflow.name,
        key: directive.key,
        signal: directive.signal,
        ...(directive.id === undefined ? {} : { id: directive.id }),
        payload: encodeJson(schema, directive.payload, `${directive.workflow.name}.${directive.signal}`),
        ...delayed(directive)
      }
    }
  }
}

const delayed = ({ delay }: { readonly delay?: Duration.Input | undefined }): { readonly delayMillis?: number } => {
  const delayMillis = millis(delay)
  return delayMillis === 0 ? {} : { delayMillis }
}

const millis = (delay: Duration.Input | undefined) =>
  delay === undefined ? 0 : Math.max(0, Math.round(Duration.toMillis(delay)))

/** An action's answer, from its JSON encoding. */
export const decodeResult = <T extends Action.Any>(action: T, result: Schema.Json): Effect.Effect<Action.OutputOf<T>> =>
  Effect.orDie(
    Schema.decodeUnknownEffect(Schema.toCodecJson(action.kind === "stream" ? arrayOf(action.output) : action.output))(
      result
    )
  )

const encoders = new WeakMap<Schema.Constraint, (value: unknown) => Result.Result<unknown, Schema.SchemaError>>()

/** The JSON encoding of a value that the program itself made; one that does not fit its schema is a defect. */
export const encodeJson = (
  schema: Schema.Codec<unknown, unknown>,
  value: unknown,
  what: string | Action.Any
): Schema.Json => {
  let encode = encoders.get(schema)
  if (encode === undefined) {
    encode = Schema.encodeUnknownResult(Schema.toCodecJson(schema), { errors: "all" })
    encoders.set(schema, encode)
  }
  const encoded = encode(value)
  if (Result.isSuccess(encoded)) return (encoded.success ?? null) as Schema.Json
  const place = typeof what === "string" ? what : `${what.resource}.${what.name}`
  throw new Error(`${place} was given a value that does not fit its schema: ${encoded.failure.message}`)
}
