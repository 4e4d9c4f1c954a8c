/**
 * The one place where actions run. Every runtime calls it for every action; it loads, decides and saves in one
 * transaction through the `UnitOfWork`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { AuditLog } from "./AuditLog.ts"
import * as Decision from "./Decision.ts"
import * as ErrorBoundary from "./ErrorBoundary.ts"
import { type ActionFailure, Forbidden } from "./Failure.ts"
import type { Executed, Invocation } from "./Invocation.ts"
import { NewId } from "./NewId.ts"
import type * as Registry from "./Registry.ts"
import * as Span from "./Span.ts"
import * as StreamPages from "./StreamPages.ts"
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
     * With `instead` nothing is decided: it gives what an earlier run came to, or fails with this where there was none.
     */
    readonly execute: (
      invocation: Invocation,
      receiptKey?: string,
      options?: { readonly deliverByOutbox?: boolean; readonly instead?: ActionFailure }
    ) => Effect.Effect<Executed, ActionFailure>
    /**
     * Opens a stream action: its outputs in their JSON encoding, read in pages as they are asked for. Fails at once
     * with what an execution would be refused with.
     */
    readonly stream: (invocation: Invocation) => Effect.Effect<Stream.Stream<Schema.Json, ActionFailure>, ActionFailure>
  }
>()("@tenon/core/Executor") {}

/** Executes the actions of a registry over a store. */
export const layer = (registry: Registry.Registry): Layer.Layer<Executor, never, UnitOfWork | AuditLog> =>
  Layer.effect(
    Executor,
    Effect.gen(function* () {
      const unitOfWork = yield* UnitOfWork
      const audit = yield* AuditLog

      const surroundings = Effect.fnUntraced(function* (receiptKey?: string, deliverByOutbox?: boolean) {
        return {
          now: yield* Clock.currentTimeMillis,
          newId: yield* NewId,
          receiptKey,
          deliverByOutbox,
          trace: yield* Span.current
        }
      })

      /** Records a denial, and shows the action in the trace. */
      const observed = <A>(
        effect: Effect.Effect<A, ActionFailure>,
        { action, actor, key, resource }: Invocation
      ): Effect.Effect<A, ActionFailure> =>
        Span.within(
          () => ({
            name: `${resource}.${action}`,
            attributes: { "tenon.action": `${resource}.${action}`, "tenon.tenant": actor.tenantId },
            isAnswer
          }),
          Effect.tapError(effect, (failure) =>
            failure instanceof Forbidden
              ? audit.denied({ actor, action: failure.action, key, reason: failure.reason })
              : Effect.void
          )
        )

      return Executor.of({
        registry,
        execute: Effect.fnUntraced(function* (invocation, receiptKey, options) {
          const found = yield* Decision.lookUp(registry, invocation.resource, invocation.action)
          const given = yield* surroundings(receiptKey, options?.deliverByOutbox)
          const work = yield* Effect.fromResult(Decision.work(registry, found, invocation, given))
          const instead = options?.instead
          if (instead === undefined) return yield* unitOfWork.run(work)
          return yield* unitOfWork.run({ ...work, loads: undefined, decide: () => Result.fail(instead) })
        }, observed),
        stream: Effect.fnUntraced(function* (invocation) {
          const found = yield* Decision.lookUp(registry, invocation.resource, invocation.action)
          const trace = yield* Span.current
          return yield* StreamPages.open(
            unitOfWork,
            registry,
            found,
            invocation,
            surroundings(),
            // Later pages are asked for when the span that the stream was opened in is over.
            (page) => Span.resume(trace, observed(page, invocation))
          )
        })
      })
    })
  )

/** What an action refuses is its answer; only what it could not do at all is an error of its span. */
const isAnswer = (failure: unknown): boolean => !ErrorBoundary.isInfrastructure(failure)
