/**
 * What every door calls: it checks a request, then has the `Executor` run it, inside the `Runtime` if the resource is
 * durable. A door only translates, so an action means the same through all of them.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Action from "./Action.ts"
import { type Actor, CurrentActor } from "./Actor.ts"
import { AuditLog } from "./AuditLog.ts"
import * as ActionInput from "./ActionInput.ts"
import * as Decision from "./Decision.ts"
import { Executor } from "./Executor.ts"
import { type ActionFailure, Forbidden, InvalidInput, NotFound } from "./Failure.ts"
import * as Fingerprint from "./Fingerprint.ts"
import type { Executed, Invocation, Request } from "./Invocation.ts"
import { NewId } from "./NewId.ts"
import * as Policy from "./Policy.ts"
import type * as Query from "./Query.ts"
import type * as Registry from "./Registry.ts"
import type * as Resource from "./Resource.ts"
import * as RowCodec from "./RowCodec.ts"
import { RowStore } from "./RowStore.ts"
import { Runtime } from "./Runtime.ts"
import * as Sensitive from "./Sensitive.ts"
import * as Storable from "./Storable.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

/** Performs actions of a registry's resources. */
export class Interpreter extends Context.Service<
  Interpreter,
  {
    readonly registry: Registry.Registry
    /** Answers a door: checks the request, then runs it, on the runtime if the resource is durable. */
    readonly perform: (request: Request) => Effect.Effect<Executed, ActionFailure, CurrentActor>
    /** Opens a stream action: checks the request, then reads its outputs page by page as they are asked for. */
    readonly stream: (
      request: Request
    ) => Effect.Effect<Stream.Stream<Schema.Json, ActionFailure>, ActionFailure, CurrentActor>
    /** Reads a page of a resource's rows, sensitive fields left out. */
    readonly list: (
      resource: Resource.Any,
      query: Query.Query
    ) => Effect.Effect<Query.Page<EncodedRow>, ActionFailure, CurrentActor>
    /** Reads one row, sensitive fields left out. */
    readonly find: (resource: Resource.Any, key: string) => Effect.Effect<EncodedRow, ActionFailure, CurrentActor>
  }
>()("@tenon/core/Interpreter") {}

/** Answers for the executor's registry. */
export const layer: Layer.Layer<Interpreter, never, Executor | RowStore | Runtime | AuditLog> = Layer.effect(
  Interpreter,
  Effect.gen(function* () {
    const { execute, registry, stream } = yield* Executor
    const rows = yield* RowStore
    const runtime = yield* Runtime
    const audit = yield* AuditLog

    const deny = (actor: Actor, action: string, key: string | undefined, reason: string) =>
      Effect.andThen(audit.denied({ actor, action, key, reason }), Effect.fail(new Forbidden({ action, reason })))

    /** What is known to be wrong before any row is read. */
    const check = Effect.fnUntraced(function* (request: Request) {
      const found = yield* Decision.lookUp(registry, request.resource, request.action)
      const actor = yield* CurrentActor
      const early = Policy.decideEarly(found.action.policy, actor)
      if (!early.allowed) return yield* deny(actor, nameOf(found.action), request.key, early.reason)
      yield* Effect.fromResult(Storable.checkRequest(request))
      return { found, actor, invocation: yield* toInvocation(found, request, actor) }
    })

    const perform = Effect.fnUntraced(function* (request: Request) {
      const { actor, found, invocation } = yield* check(request)
      const onRuntime = found.resource.durable && !Action.isRead(found.action)
      // What runs here decodes its input anyway; what runs elsewhere is refused before it goes there.
      if (onRuntime) yield* Effect.fromResult(ActionInput.decoder(found.action)(invocation.input))
      const executed = yield* onRuntime ? runtime.invoke(invocation) : execute(invocation)
      const hide = request.reveal === true ? undefined : Sensitive.hider(found.action.output, actor.roles)
      if (hide === undefined) return executed
      // A stream that is run as a whole answers with a list of its outputs.
      const { result } = executed
      const whole = found.action.kind === "stream" && Array.isArray(result)
      return { ...executed, result: whole ? result.map(hide) : hide(result) }
    })

    const mayRead = Effect.fnUntraced(function* (resource: Resource.Any, what: string, key: string | undefined) {
      const actor = yield* CurrentActor
      const decision = Policy.decideEarly(resource.actions["get"]?.policy ?? Policy.defaultFor("read"), actor)
      return decision.allowed && !decision.open
        ? actor
        : yield* deny(actor, `${resource.name}.${what}`, key, decision.reason)
    })

    return Interpreter.of({
      registry,
      perform,
      stream: Effect.fnUntraced(function* (request) {
        const { actor, found, invocation } = yield* check(request)
        const outputs = yield* stream(invocation)
        const hide = request.reveal === true ? undefined : Sensitive.hider(found.action.output, actor.roles)
        return hide === undefined ? outputs : Stream.map(outputs, hide)
      }),
      list: Effect.fnUntraced(function* (resource, query) {
        const actor = yield* mayRead(resource, "list", undefined)
        const page = yield* rows.page(actor, resource, query)
        const show = shown(resource, actor)
        return show === undefined ? page : { items: page.items.map(show), next: page.next }
      }),
      find: Effect.fnUntraced(function* (resource, key) {
        const actor = yield* mayRead(resource, "get", key)
        yield* Effect.fromResult(Storable.checkKey(key))
        const row = yield* rows.find(actor, resource, key)
        if (row === undefined) return yield* new NotFound({ resource: resource.name, key })
        return shown(resource, actor)?.(row) ?? row
      })
    })
  })
)

const nameOf = (action: Action.Any) => `${action.resource}.${action.name}`

/** What a stored row looks like to an actor: as its schema encodes it, without what is kept from them. */
const shown = (resource: Resource.Any, actor: Actor): ((row: EncodedRow) => EncodedRow) | undefined => {
  const hide = Sensitive.hider(resource.schema, actor.roles) as ((row: EncodedRow) => EncodedRow) | undefined
  if (!resource.columns.some((column) => column.optional)) return hide
  const { present } = RowCodec.of(resource)
  return hide === undefined ? present : (row) => hide(present(row))
}

const toInvocation = Effect.fnUntraced(function* (
  { action, resource }: Decision.Found,
  request: Request,
  actor: Actor
) {
  const input = request.input ?? {}
  const key = yield* keyFor(action, request)
  const invocation: Invocation = {
    resource: resource.name,
    action: action.name,
    key,
    input,
    actor,
    origin: "door",
    ...(request.expectedVersion === undefined ? {} : { expectedVersion: request.expectedVersion })
  }
  if (request.idempotencyKey === undefined) return invocation
  const fingerprint = yield* Fingerprint.of([resource.name, action.name, request.key ?? null, input])
  return { ...invocation, idempotencyKey: request.idempotencyKey, fingerprint }
})

const keyFor = Effect.fnUntraced(function* (action: Action.Any, request: Request) {
  if (request.key !== undefined) return request.key
  if (action.kind === "create") return (yield* NewId)(yield* Clock.currentTimeMillis)
  return yield* new InvalidInput({ issues: [{ path: "key", message: `${nameOf(action)} needs the key of an object` }] })
})
