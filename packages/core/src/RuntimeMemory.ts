/**
 * The runtime in this process: exclusive per object, retried, once per delivery, with delays on the clock at hand (the
 * test clock in tests). It journals in memory, so it survives an injected crash of a handler but not of the process.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { Actor } from "./Actor.ts"
import { Checkpoint, isCrash, type Point } from "./Checkpoint.ts"
import * as Decision from "./Decision.ts"
import * as DurableMemory from "./DurableMemory.ts"
import { Executor } from "./Executor.ts"
import { type ActionFailure, Unavailable } from "./Failure.ts"
import type { Delivery, Executed, Invocation } from "./Invocation.ts"
import { Runtime } from "./Runtime.ts"
import { Workflows } from "./Workflow.ts"

/** Infrastructure failures are tried again after 50 ms, 100 ms and so on up to 10 s, for ever. */
const backoff = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("10 seconds")])

/** Defects are tried this often before an operator has to look. */
const defectAttempts = 3

/** Runs durable actions and workflows in this process. */
export const layer: Layer.Layer<Runtime, never, Executor | Workflows> = Layer.effect(
  Runtime,
  Effect.gen(function* () {
    const executor = yield* Executor
    const workflows = yield* Workflows
    const scope = yield* Effect.scope
    const locks = new Map<string, Semaphore.Semaphore>()
    const journal = new Map<string, Exit.Exit<Executed, ActionFailure>>()
    const accepted = new Set<string>()
    const runs = new Map<string, DurableMemory.Run>()
    let invocations = 0

    const lockOf = (tenantId: string, resource: string, key: string) => {
      const id = JSON.stringify([tenantId, resource, key])
      const lock = locks.get(id) ?? Semaphore.makeUnsafe(1)
      locks.set(id, lock)
      return lock
    }

    const reached = (point: Point, what: string) => Effect.flatMap(Checkpoint, (listen) => listen(point, what))

    /** What a journaled step is elsewhere: run until it has an answer, then never again. */
    const journaled = Effect.fnUntraced(function* (
      id: string,
      invocation: Invocation
    ): Effect.fn.Return<Executed, ActionFailure> {
      const found = journal.get(id)
      if (found !== undefined) return yield* found
      const what = `${invocation.resource}.${invocation.action}`
      yield* reached("before", what)
      const exit = yield* Effect.exit(
        executor
          .execute(invocation, id)
          .pipe(Effect.retry({ schedule: backoff, while: (e) => e instanceof Unavailable }))
      )
      if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) return yield* exit
      yield* reached("executed", what)
      journal.set(id, exit)
      yield* reached("journaled", what)
      return yield* exit
    })

    const handle = Effect.fnUntraced(function* (
      id: string,
      invocation: Invocation
    ): Effect.fn.Return<Executed, ActionFailure> {
      const executed = yield* journaled(id, invocation)
      // A repetition under the caller's key gives the same ids, so that what followed from the first is not done again.
      const { actor, idempotencyKey } = invocation
      const source =
        idempotencyKey === undefined ? id : JSON.stringify(["caller", actor.tenantId, actor.id, idempotencyKey])
      for (const [index, delivery] of executed.deliveries.entries()) {
        yield* deliver(actor, delivery, `${source}/${index}`)
      }
      yield* reached("delivered", `${invocation.resource}.${invocation.action}`)
      return executed
    })

    /** A crash starts a handler again at once; another defect does so a few times. */
    const untilDone = <A, E>(attempt: Effect.Effect<A, E>, defects = 0): Effect.Effect<A, E> =>
      Effect.catchDefect(attempt, (defect) => {
        if (isCrash(defect)) return untilDone(attempt, defects)
        return defects + 1 < defectAttempts ? untilDone(attempt, defects + 1) : Effect.die(defect)
      })

    const runObject = (id: string, invocation: Invocation): Effect.Effect<Executed, ActionFailure> => {
      const action = executor.registry.action(invocation.resource, invocation.action)
      const attempt = untilDone(handle(id, invocation))
      return action !== undefined && Decision.isRead(action)
        ? attempt
        : lockOf(invocation.actor.tenantId, invocation.resource, invocation.key).withPermits(1)(attempt)
    }

    const runOf = (actor: Actor, workflow: string, key: string) => {
      const id = JSON.stringify([actor.tenantId, workflow, key])
      const run = runs.get(id) ?? DurableMemory.makeRun()
      runs.set(id, run)
      return run
    }

    const carryOut = (actor: Actor, delivery: Delivery, id: string): Effect.Effect<void, unknown> => {
      switch (delivery._tag) {
        case "Send": {
          const { action, input, key, resource } = delivery
          return Effect.asVoid(runObject(id, { resource, action, key, input, actor, origin: "internal" }))
        }
        case "StartWorkflow": {
          const implementation = workflows.get(delivery.workflow)
          if (implementation === undefined)
            return Effect.die(new Error(`No program for the workflow ${delivery.workflow}; add it to Workflow.layer`))
          const run = runOf(actor, delivery.workflow, delivery.key)
          const send = (next: Delivery, index: number) => Effect.orDie(deliver(actor, next, `${id}/${index}`))
          const call = (invocation: Invocation, index: number) =>
            Effect.map(runObject(`${id}/${index}`, invocation), ({ result }) => result)
          return untilDone(
            DurableMemory.run(implementation, run, { actor, key: delivery.key, input: delivery.input, send, call })
          )
        }
        case "Signal":
          return DurableMemory.signal(runOf(actor, delivery.workflow, delivery.key), delivery)
      }
    }

    const deliver = (actor: Actor, delivery: Delivery, id: string): Effect.Effect<void> =>
      Effect.suspend(() => {
        const unique =
          delivery._tag === "StartWorkflow" ? JSON.stringify([actor.tenantId, delivery.workflow, delivery.key]) : id
        if (accepted.has(unique)) return Effect.void
        accepted.add(unique)
        const delay = delivery._tag === "Signal" ? 0 : delivery.delayMillis
        return carryOut(actor, delivery, id).pipe(
          Effect.delay(delay),
          Effect.tapCause((cause) => Effect.logError("A delivery failed for good", delivery._tag, Cause.pretty(cause))),
          Effect.ignore,
          Effect.forkIn(scope),
          Effect.asVoid
        )
      })

    return Runtime.of({
      invoke: (invocation) => Effect.suspend(() => runObject(`memory-${++invocations}`, invocation)),
      deliver
    })
  })
)
