/**
 * The runtime over PostgreSQL alone. An action is one transaction that holds its object until it commits; what follows
 * from it goes to the outbox in that same transaction, and workflows run from `RunStoreSql`. Any number of replicas may
 * work on one database. It needs the `OutboxRelay` beside it, which hands it what the outbox holds.
 */
import type { Actor } from "@tenon/core/Actor"
import { Checkpoint, isCrash } from "@tenon/core/Checkpoint"
import { Executor } from "@tenon/core/Executor"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import { type ActionFailure, Unavailable } from "@tenon/core/Failure"
import { type Delivery, delayOf, type Executed, type Invocation } from "@tenon/core/Invocation"
import { NewId } from "@tenon/core/NewId"
import * as RunEngine from "@tenon/core/RunEngine"
import * as RunJournal from "@tenon/core/RunJournal"
import { RunStore } from "@tenon/core/RunStore"
import { Runtime } from "@tenon/core/Runtime"
import * as Span from "@tenon/core/Span"
import { tellOfMissing, Workflows } from "@tenon/core/Workflow"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as OutboxRows from "./OutboxRows.ts"
import { TenantSql } from "./TenantSql.ts"

/** Seven tries within about six seconds: longer than a database's restart, shorter than a caller's patience. */
const again = Schedule.upTo(Schedule.exponential("50 millis"), { times: 6 })

const atOutbox = { deliverByOutbox: true } as const

/** The receipt makes an action that a crash interrupts the same action when it is tried again. */
const watched = <A, E>(effect: Effect.Effect<A, E>, { action, actor, resource }: Invocation): Effect.Effect<A, E> =>
  Effect.flatMap(Checkpoint, (reached) => {
    const what = `${resource}.${action}`
    const attempt = reached("before", what, actor.tenantId).pipe(
      Effect.andThen(effect),
      Effect.tap(() => reached("executed", what, actor.tenantId))
    )
    const again: Effect.Effect<A, E> = Effect.catchDefect(attempt, (defect) =>
      isCrash(defect) ? Effect.suspend(() => again) : Effect.die(defect)
    )
    return again
  })

/** Runs durable actions and workflows on PostgreSQL. */
export const layer = (
  options: RunEngine.Options = {}
): Layer.Layer<Runtime, never, Executor | Workflows | RunStore | RunJournal.RunJournal | TenantSql> =>
  Layer.effect(
    Runtime,
    Effect.gen(function* () {
      const executor = yield* Executor
      const workflows = yield* Workflows
      yield* tellOfMissing(executor.registry.workflows, workflows)
      const store = yield* RunStore
      const journal = yield* RunJournal.RunJournal
      const sql = yield* TenantSql

      /** Accepts a delivery for later. */
      const accept = (actor: Actor, delivery: Delivery, id: string) =>
        Effect.flatMap(Span.current, (trace) =>
          sql.batch({ tenantId: actor.tenantId, actorId: actor.id }, [OutboxRows.accept(actor, delivery, id, trace)])
        ).pipe(
          Effect.mapError(() => new Unavailable({ what: "The database" })),
          Effect.map(() => OutboxRows.signalOf(sql).openUnsafe())
        )

      /** Runs an action. What an earlier release or another runtime left to its caller goes to the outbox now. */
      const perform = Effect.fnUntraced(function* (
        invocation: Invocation,
        id: string
      ): Effect.fn.Return<Executed, ActionFailure> {
        const executed = yield* watched(executor.execute(invocation, id, atOutbox), invocation)
        for (const [index, delivery] of executed.deliveries.entries()) {
          yield* accept(invocation.actor, delivery, `${id}/${index}`)
        }
        return { ...executed, deliveries: [] }
      })

      const engine = yield* RunEngine.make(
        {
          store,
          journal,
          workflows,
          perform: (invocation, id) => Effect.map(perform(invocation, `run:${id}`), ({ result }) => result)
        },
        options
      )

      /** A refusal is the action's answer, which nobody waits for; what time may mend is left to whoever relays. */
      const send = (actor: Actor, delivery: Extract<Delivery, { readonly _tag: "Send" }>, id: string) => {
        const { action, input, key, resource } = delivery
        return perform({ resource, action, key, input, actor, origin: "internal" }, id).pipe(
          Effect.catchIf(
            (failure) => !ErrorBoundary.isInfrastructure(failure),
            (failure) => Effect.logInfo("A send was refused", `${resource}.${action}`, failure._tag)
          ),
          Effect.asVoid
        )
      }

      return Runtime.of({
        invoke: Effect.fnUntraced(function* (invocation: Invocation): Effect.fn.Return<Executed, ActionFailure> {
          const id = (yield* NewId)(yield* Clock.currentTimeMillis)
          return yield* Effect.retry(perform(invocation, `call:${id}`), {
            schedule: again,
            while: (failure) => failure instanceof Unavailable
          })
        }),
        deliver: (actor, delivery, id): Effect.Effect<void, ActionFailure> => {
          switch (delivery._tag) {
            case "Send":
              return delayOf(delivery) > 0 ? accept(actor, delivery, id) : send(actor, delivery, `send:${id}`)
            case "StartWorkflow":
              return engine.start(actor, delivery)
            case "Signal":
              return delayOf(delivery) > 0 ? accept(actor, delivery, id) : engine.signal(actor, delivery)
          }
        },
        isAlive: (run) => Effect.map(journal.standing(run), (standing) => RunJournal.isAlive(standing?.status)),
        // Nothing ends a run here but what its journal says, and that stays.
        forget: () => Effect.void,
        cancel: engine.cancel,
        resume: engine.resume
      })
    })
  )
