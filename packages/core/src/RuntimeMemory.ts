/**
 * The runtime in this process: exclusive per object, retried, once per delivery, with delays on the clock at hand (the
 * test clock in tests). It journals in memory, so it survives an injected crash of a handler but not of the process,
 * and forgets nothing until that ends, since what it forgot could be done twice: its memory grows with what it has
 * done.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import type { Actor } from "./Actor.ts"
import { isCrash } from "./Checkpoint.ts"
import * as Action from "./Action.ts"
import { Executor } from "./Executor.ts"
import { type ActionFailure, Unavailable } from "./Failure.ts"
import { type Delivery, delayOf, type Executed, type Invocation } from "./Invocation.ts"
import * as RunBody from "./RunBody.ts"
import * as RunEngine from "./RunEngine.ts"
import * as RunJournal from "./RunJournal.ts"
import * as RunStoreMemory from "./RunStoreMemory.ts"
import { Runtime } from "./Runtime.ts"
import { tellOfMissing, Workflows } from "./Workflow.ts"

/** Runs durable actions and workflows in this process. */
export const layerWith = (
  options: RunEngine.Options
): Layer.Layer<Runtime | RunJournal.RunJournal, never, Executor | Workflows> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const executor = yield* Executor
      const workflows = yield* Workflows
      yield* tellOfMissing(executor.registry.workflows, workflows)
      const scope = yield* Effect.scope
      const locks = new Map<string, Semaphore.Semaphore>()
      const answers = new Map<string, Exit.Exit<Executed, ActionFailure>>()
      const accepted = new Set<string>()
      let invocations = 0

      const lockOf = (tenantId: string, resource: string, key: string) => {
        const id = JSON.stringify([tenantId, resource, key])
        const lock = locks.get(id) ?? Semaphore.makeUnsafe(1)
        locks.set(id, lock)
        return lock
      }

      /** What a journaled step is elsewhere: run until it has an answer, then never again. */
      const journaled = Effect.fnUntraced(function* (
        id: string,
        invocation: Invocation
      ): Effect.fn.Return<Executed, ActionFailure> {
        const found = answers.get(id)
        if (found !== undefined) return yield* found
        const what = `${invocation.resource}.${invocation.action}`
        yield* RunBody.reached("before", what, invocation.actor.tenantId)
        const exit = yield* Effect.exit(
          executor
            .execute(invocation, id)
            .pipe(Effect.retry({ schedule: RunBody.backoff, while: (e) => e instanceof Unavailable }))
        )
        if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) return yield* exit
        yield* RunBody.reached("executed", what, invocation.actor.tenantId)
        answers.set(id, exit)
        yield* RunBody.reached("journaled", what, invocation.actor.tenantId)
        return yield* exit
      })

      const handle = Effect.fnUntraced(function* (
        id: string,
        invocation: Invocation
      ): Effect.fn.Return<Executed, ActionFailure> {
        const executed = yield* journaled(id, invocation)
        // A repetition under the caller's key gives the same ids, so that what followed from the first is not done
        // again.
        const { actor, idempotencyKey } = invocation
        const source =
          idempotencyKey === undefined ? id : JSON.stringify(["caller", actor.tenantId, actor.id, idempotencyKey])
        for (const [index, delivery] of executed.deliveries.entries()) {
          yield* deliver(actor, delivery, `${source}/${index}`)
        }
        yield* RunBody.reached("delivered", `${invocation.resource}.${invocation.action}`, actor.tenantId)
        return executed
      })

      /** A crash starts a handler again at once; another defect does so a few times. */
      const untilDone = <A, E>(attempt: Effect.Effect<A, E>, defects = 0): Effect.Effect<A, E> =>
        Effect.catchDefect(attempt, (defect) => {
          if (isCrash(defect)) return untilDone(attempt, defects)
          return defects + 1 < RunBody.defectAttempts ? untilDone(attempt, defects + 1) : Effect.die(defect)
        })

      const runObject = (id: string, invocation: Invocation): Effect.Effect<Executed, ActionFailure> => {
        const action = executor.registry.action(invocation.resource, invocation.action)
        const attempt = untilDone(handle(id, invocation))
        return action !== undefined && Action.isRead(action)
          ? attempt
          : lockOf(invocation.actor.tenantId, invocation.resource, invocation.key).withPermits(1)(attempt)
      }

      const performLater = (actor: Actor, send: Extract<Delivery, { readonly _tag: "Send" }>, id: string) => {
        const { action, delayMillis, input, key, resource } = send
        return runObject(id, { resource, action, key, input, actor, origin: "internal" }).pipe(
          Effect.delay(delayMillis),
          Effect.tapCause((cause) =>
            Effect.logError("A delivery failed for good", `${resource}.${action}`, Cause.pretty(cause))
          ),
          Effect.ignore,
          Effect.forkIn(scope),
          Effect.asVoid
        )
      }

      const signalLater = (actor: Actor, signal: Extract<Delivery, { readonly _tag: "Signal" }>) => {
        const now = Effect.orDie(engine.signal(actor, signal))
        const delayMillis = delayOf(signal)
        return delayMillis === 0 ? now : now.pipe(Effect.delay(delayMillis), Effect.forkIn(scope), Effect.asVoid)
      }

      const deliver = (actor: Actor, delivery: Delivery, id: string): Effect.Effect<void> =>
        Effect.suspend(() => {
          const unique = JSON.stringify([actor.tenantId, id])
          if (accepted.has(unique)) return Effect.void
          accepted.add(unique)
          switch (delivery._tag) {
            case "Send":
              return performLater(actor, delivery, id)
            case "StartWorkflow":
              return Effect.orDie(engine.start(actor, delivery))
            case "Signal":
              return signalLater(actor, delivery)
          }
        })

      const { journal, store } = RunStoreMemory.make(deliver)
      const perform = (invocation: Invocation, id: string) =>
        Effect.map(runObject(id, invocation), ({ result }) => result)
      // In one process no claim is ever lost, and nothing comes that the engine is not told of.
      const engine = yield* RunEngine.make(
        { store, journal, workflows, perform },
        { lease: Duration.infinity, poll: Duration.infinity, concurrency: 10_000, ...options }
      )

      const runtime = Runtime.of({
        invoke: (invocation) => Effect.suspend(() => runObject(`memory-${++invocations}`, invocation)),
        deliver,
        isAlive: (run) => Effect.map(journal.standing(run), (standing) => RunJournal.isAlive(standing?.status)),
        // Nothing ends a run here but what its journal says, and that stays.
        forget: () => Effect.void,
        cancel: engine.cancel,
        resume: engine.resume
      })
      return Context.make(Runtime, runtime).pipe(Context.add(RunJournal.RunJournal, journal))
    })
  )

/** The same with runs kept at hand as is usual. */
export const layer = layerWith({})
