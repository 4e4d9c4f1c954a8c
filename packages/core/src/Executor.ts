/**
 * The one place where actions run. Every runtime calls it for every action; it loads, decides and saves in one
 * transaction through the `UnitOfWork`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditLog } from "./AuditLog.ts"
import * as Decision from "./Decision.ts"
import { type ActionFailure, Forbidden } from "./Failure.ts"
import type { Executed, Invocation } from "./Invocation.ts"
import { NewId } from "./NewId.ts"
import type * as Registry from "./Registry.ts"
import { UnitOfWork } from "./UnitOfWork.ts"

/** Runs invocations of a registry's actions. */
export class Executor extends Context.Service<
  Executor,
  {
    readonly registry: Registry.Registry
    /**
     * Runs an invocation here and now, in one transaction. With a receipt key it is safe to run again: a second run
     * returns what the first one came to. `receiptKey` is the runtime's own identity of the invocation.
     * With `deliverByOutbox` what follows goes to the outbox in that transaction, and the answer holds none of it.
     */
    readonly execute: (
      invocation: Invocation,
      receiptKey?: string,
      options?: { readonly deliverByOutbox: boolean }
    ) => Effect.Effect<Executed, ActionFailure>
  }
>()("@tenon/core/Executor") {}

/** Executes the actions of a registry over a store. */
export const layer = (registry: Registry.Registry): Layer.Layer<Executor, never, UnitOfWork | AuditLog> =>
  Layer.effect(
    Executor,
    Effect.gen(function* () {
      const unitOfWork = yield* UnitOfWork
      const audit = yield* AuditLog
      return Executor.of({
        registry,
        execute: Effect.fnUntraced(
          function* (invocation, receiptKey, options) {
            const found = yield* Decision.lookUp(registry, invocation.resource, invocation.action)
            const now = yield* Clock.currentTimeMillis
            const newId = yield* NewId
            const work = yield* Effect.fromResult(
              Decision.work(registry, found, invocation, {
                now,
                newId,
                receiptKey,
                deliverByOutbox: options?.deliverByOutbox
              })
            )
            return yield* unitOfWork.run(work)
          },
          (effect, { actor, key }) =>
            Effect.tapError(effect, (failure) =>
              failure instanceof Forbidden
                ? audit.denied({ actor, action: failure.action, key, reason: failure.reason })
                : Effect.void
            ),
          (effect) => Effect.withSpan(effect, "Executor.execute", { captureStackTrace: false })
        )
      })
    })
  )
