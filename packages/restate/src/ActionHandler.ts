/**
 * The handler of one action: check who calls, run the action in one journaled step, then send what follows from it.
 * The journal holds the step and one entry per send, as in an object written by hand.
 */
import * as restate from "@restatedev/restate-sdk"
import type * as Action from "@tenon/core/Action"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import { type ActionFailure, SchemaMismatch, Unauthenticated } from "@tenon/core/Failure"
import type { Executed, Invocation } from "@tenon/core/Invocation"
import * as RunBody from "@tenon/core/RunBody"
import * as Span from "@tenon/core/Span"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Attempt from "./Attempt.ts"
import * as Bug from "./Bug.ts"
import * as Handler from "./Handler.ts"
import * as JsonSerde from "./JsonSerde.ts"
import * as SignedContext from "./SignedContext.ts"
import * as Target from "./Target.ts"
import * as WireError from "./WireError.ts"

/**
 * What the step leaves in the journal: what the action came to, when, and, where something follows, the span that it
 * was done in (`traceparent`). Sends are signed with both, and a replay must sign the same.
 */
interface Step extends Executed {
  /** Absent in journals of releases that kept it only where something follows. */
  readonly at?: number
  readonly trace?: string
}

/** What a handler answers. A run that called it takes its time from `at`, in milliseconds since 1970. */
export interface Answer extends Pick<Executed, "result" | "mark"> {
  readonly at?: number
}

const decoder = new TextDecoder()

/** What an answer has beside its result. */
const Beside = Schema.Struct({
  mark: Schema.optionalKey(Schema.String).annotate({ description: "Of the object's row as it stands." }),
  at: Schema.optionalKey(Schema.Int).annotate({ description: "When it was done, in milliseconds since 1970." })
})

/** Put together from the output's own, which most actions of a resource share. */
const answerSchema = ({ kind, output }: Action.Any): JsonSerde.JsonSchema => {
  const { $defs, ...own } = JsonSerde.jsonSchema(output)
  const { properties, ...beside } = JsonSerde.jsonSchema(Beside)
  const result = kind === "stream" ? { type: "array", items: own } : own
  return {
    ...beside,
    properties: { result, ...(properties as JsonSerde.JsonSchema) },
    required: ["result"],
    ...($defs === undefined ? {} : { $defs })
  }
}

/** What every handler of an action is registered with. */
export const options = (action: Action.Any) => ({
  input: JsonSerde.raw(JsonSerde.jsonSchema(action.input)),
  output: JsonSerde.json(answerSchema(action)),
  ...(action.description === undefined ? {} : { description: action.description }),
  // A cancelled action would be torn between its commit and its sends; it is short, so it runs to its end.
  explicitCancellation: true
})

/** The handler. */
export const make =
  (setting: Handler.Setting, action: Action.Any) =>
  async (ctx: restate.ObjectSharedContext, body: Uint8Array): Promise<Answer> => {
    const { claims, keyId } = Handler.verified(setting, ctx, body)
    const invocation = invocationOf(action, claims, ctx.key, body)
    const what = `${action.resource}.${action.name}`
    const step = await ctx.run(action.name, () => execute(setting, action, invocation, claims, ctx), Attempt.retry)
    await setting.reached?.("journaled", what, claims.actor.tenantId)
    const { actor, idempotencyKey } = invocation
    // A repetition under the caller's key gives the same ids, so that what followed from the first is not done again.
    const id =
      idempotencyKey === undefined ? claims.id : SignedContext.named("caller", actor.tenantId, actor.id, idempotencyKey)
    const trace = step.trace ?? claims.trace
    const from = { at: step.at ?? 0, ...(trace === undefined ? {} : { trace }) }
    for (const [index, delivery] of step.deliveries.entries()) {
      Handler.send(setting, ctx, actor, delivery, { id: SignedContext.follow(id, index), ...from }, keyId)
    }
    await setting.reached?.("delivered", what, actor.tenantId)
    return {
      result: step.result,
      ...(step.mark === undefined ? {} : { mark: step.mark }),
      ...(step.at === undefined ? {} : { at: step.at })
    }
  }

const invocationOf = (
  action: Action.Any,
  { actor, expectedVersion, fingerprint, idempotencyKey, origin }: SignedContext.Claims,
  objectKey: string,
  body: Uint8Array
): Invocation => {
  const key = Target.ownKey(actor.tenantId, objectKey)
  // Terminal: trying again would not make it the tenant's, and would keep the object's queue waiting.
  if (key === undefined) {
    throw WireError.toTerminal(new Unauthenticated({ reason: "the context is for an object of another tenant" }))
  }
  return {
    resource: action.resource,
    action: action.name,
    key,
    input: JSON.parse(decoder.decode(body)),
    actor,
    origin,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(expectedVersion === undefined ? {} : { expectedVersion })
  }
}

/** The body of the step. It touches the store and nothing of Restate. */
const execute = async (
  setting: Handler.Setting,
  action: Action.Any,
  invocation: Invocation,
  claims: SignedContext.Claims,
  ctx: restate.Context
): Promise<Step> => {
  const what = `${action.resource}.${action.name}`
  const { attemptCompletedSignal, id } = ctx.request()
  const done = (options?: { readonly instead: ActionFailure }) =>
    Span.resume(
      claims.trace,
      Span.within(
        () => ({
          name: `handle ${what}`,
          kind: "server",
          attributes: { "rpc.system.name": "restate", "rpc.method": what },
          isAnswer: (failure) => !ErrorBoundary.isInfrastructure(failure)
        }),
        Effect.flatMap(Span.current, (trace) =>
          Effect.map(setting.executor.execute(invocation, claims.id, options), (executed) => ({ executed, trace }))
        )
      )
    )
  // What an action refuses is done as well.
  const effect =
    setting.reached === undefined
      ? done()
      : Effect.flatten(RunBody.watched(what, claims.actor.tenantId, Effect.exit(done())))
  const settle = async (body: ReturnType<typeof done>) =>
    Attempt.settle(setting.context, body, new Attempt.Interruption(attemptCompletedSignal))
  const settled = await settle(effect).catch(async (error: unknown) => {
    if (!(error instanceof restate.PauseError)) throw error
    // A run that calls an action waits as long as it takes; only a door's caller does not.
    const isWaitedFor = invocation.origin === "door" && claims.expires !== undefined
    // What an earlier attempt has committed is the answer; that there is none is certain with the object's lock.
    const ended = isWaitedFor
      ? await Bug.unlessPaused(settle(done({ instead: new WireError.Unexpected() })))
      : undefined
    if (ended === undefined) {
      await Bug.tellOfPause(setting.context, "An action", nameOf(invocation), id, error.cause)
      throw error
    }
    if (Result.isFailure(ended) && ended.failure instanceof WireError.Unexpected) {
      await Bug.tell(setting.context, nameOf(invocation), error.cause)
    }
    return ended
  })
  if (Result.isSuccess(settled)) {
    const { executed, trace } = settled.success
    const done = { ...executed, at: Date.now() }
    return executed.deliveries.length === 0 || trace === undefined ? done : { ...done, trace }
  }
  const { failure } = settled
  // A door's caller is told of a release that does not match; what was sent waits until one does.
  const waits =
    ErrorBoundary.isInfrastructure(failure) && !(invocation.origin === "door" && failure instanceof SchemaMismatch)
  throw waits ? new Error(failure.message) : WireError.toTerminal(failure, action.errors, Date.now())
}

const nameOf = ({ action, actor, key, resource }: Invocation) => ({
  action: `${resource}.${action}`,
  key,
  tenant: actor.tenantId
})
