/** What all handlers have in common: the services they run with, the check of who calls, and sends from the journal. */
import type * as restate from "@restatedev/restate-sdk"
import type { Actor } from "@tenon/core/Actor"
import { Checkpoint, type Point } from "@tenon/core/Checkpoint"
import type { Executor } from "@tenon/core/Executor"
import type { Delivery, Invocation } from "@tenon/core/Invocation"
import type { RunJournal } from "@tenon/core/RunJournal"
import type { Runtime } from "@tenon/core/Runtime"
import type { Workflows } from "@tenon/core/Workflow"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Call from "./Call.ts"
import type { ContextKeys } from "./ContextKeys.ts"
import * as SignedContext from "./SignedContext.ts"
import * as WireError from "./WireError.ts"

/** What handlers run with. */
export interface Setting {
  readonly keys: ContextKeys
  readonly executor: Executor["Service"]
  readonly workflows: Workflows["Service"]
  /** Where runs are told of; `undefined` where nobody keeps that. */
  readonly journal: RunJournal["Service"] | undefined
  /** Takes what follows where a run is paused, which its own journal cannot; `undefined` where there is none beside. */
  readonly runtime: Runtime["Service"] | undefined
  /** The context of the layer that serves the handlers; steps run in it. */
  readonly context: Context.Context<never>
  /** Called at a checkpoint; `undefined` where nobody listens, so that it costs nothing. */
  readonly reached: ((point: Point, what: string, tenantId: string) => Promise<void>) | undefined
}

/** Reads the checkpoint's listener from a context. */
export const listener = (context: Context.Context<never>): Setting["reached"] => {
  const listen = Context.getOrUndefined(context, Checkpoint)
  return listen === undefined
    ? undefined
    : (point, what, tenantId) => Effect.runPromiseWith(context)(listen(point, what, tenantId))
}

/** Whether a handler is past everything that its journal held when the attempt began. */
export const isFirst = (ctx: restate.Context): boolean => (ctx as restate.internal.ContextInternal).isProcessing()

/** The context that came with an invocation, or a terminal 401 before anything is journaled. */
export const verified = (setting: Setting, ctx: restate.Context, body: Uint8Array): SignedContext.Verified => {
  const { headers, target } = ctx.request()
  const checked = SignedContext.verify(
    setting.keys,
    headers.get(SignedContext.header),
    { service: target.service, handler: target.handler, key: target.key ?? "" },
    body,
    { now: Date.now(), first: isFirst(ctx) }
  )
  if (Result.isFailure(checked)) throw WireError.toTerminal(checked.failure)
  return checked.success
}

/** Sends a delivery through the journal, signed with the key that signed the sender's own context. */
export const send = (
  setting: Setting,
  ctx: restate.Context,
  actor: Actor,
  delivery: Delivery,
  claims: Pick<SignedContext.Claims, "id" | "at" | "trace">,
  keyId: string
): void => {
  const call = Call.ofDelivery(actor, delivery, claims)
  ctx.genericSend({
    service: call.target.service,
    method: call.target.handler,
    key: call.target.key,
    parameter: call.body,
    headers: { [SignedContext.header]: SignedContext.sign(setting.keys, call.claims, call.target, call.body, keyId) },
    ...(call.delayMillis === 0 ? {} : { delay: call.delayMillis })
  })
}

/** Calls a handler through the journal, signed with the key that signed the caller's own context. */
export const call = (
  setting: Setting,
  ctx: restate.Context,
  invocation: Invocation,
  claims: Pick<SignedContext.Claims, "id" | "at" | "trace">,
  keyId: string
): restate.InvocationPromise<Uint8Array> => {
  const call = Call.ofInvocation(invocation, claims)
  return ctx.genericCall<Uint8Array, Uint8Array>({
    service: call.target.service,
    method: call.target.handler,
    key: call.target.key,
    parameter: call.body,
    headers: { [SignedContext.header]: SignedContext.sign(setting.keys, call.claims, call.target, call.body, keyId) }
  })
}
