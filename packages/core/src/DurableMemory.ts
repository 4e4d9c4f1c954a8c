/** Workflow runs in this process: a journal per run, replayed when the program starts again after a crash. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Actor } from "./Actor.ts"
import { Checkpoint, isCrash, type Point } from "./Checkpoint.ts"
import { Durable } from "./Durable.ts"
import type { ActionFailure } from "./Failure.ts"
import type { Delivery, Invocation } from "./Invocation.ts"
import * as RunOperations from "./RunOperations.ts"
import type { Implementation } from "./Workflow.ts"

/** What is kept of a run: the results of its steps in the order they were begun, and its signals. */
export interface Run {
  readonly steps: Map<number, { readonly name: string; readonly exit: Exit.Exit<unknown, unknown> }>
  readonly signals: Map<string, Deferred.Deferred<Schema.Json>>
}

/** A run that has done nothing yet. */
export const makeRun = (): Run => ({ steps: new Map(), signals: new Map() })

const signalOf = (run: Run, name: string, id: string | undefined) => {
  const both = JSON.stringify([name, id])
  const found = run.signals.get(both) ?? Deferred.makeUnsafe<Schema.Json>()
  run.signals.set(both, found)
  return found
}

/** Gives a run a signal; the first of a name and id counts. */
export const signal = (
  run: Run,
  { id, payload, signal }: Extract<Delivery, { readonly _tag: "Signal" }>
): Effect.Effect<void> => Effect.asVoid(Deferred.succeed(signalOf(run, signal, id), payload))

/** Runs a workflow's program from its start, over what the run's journal already holds. */
export const run = (
  implementation: Implementation,
  journal: Run,
  options: {
    readonly actor: Actor
    readonly key: string
    readonly input: Schema.Json
    readonly send: (delivery: Delivery, index: number) => Effect.Effect<void>
    readonly call: (invocation: Invocation, index: number) => Effect.Effect<Schema.Json, ActionFailure>
  }
): Effect.Effect<void, unknown> =>
  Effect.suspend(() => {
    let begun = 0
    const crashed = Deferred.makeUnsafe<never>()

    /** A crash ends the whole run, as the end of a process does: no part of the program may catch it. */
    const reached = (point: Point, what: string) =>
      Effect.flatMap(Checkpoint, (listen) => listen(point, what)).pipe(
        Effect.catchDefect((defect) =>
          isCrash(defect) ? Effect.andThen(Deferred.die(crashed, defect), Effect.never) : Effect.die(defect)
        )
      )

    /** Numbered when it begins, so that a program whose steps begin in the same order finds its results again. */
    const once = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.suspend(() => {
        const index = begun++
        const kept = journal.steps.get(index)
        if (kept !== undefined) {
          if (kept.name === name) return kept.exit as Exit.Exit<A, E>
          return Effect.die(
            new Error(
              `Step ${index} was "${kept.name}" before and is "${name}" now; a run must do the same steps in the same order`
            )
          )
        }
        return Effect.gen(function* () {
          yield* reached("before", name)
          const exit = yield* Effect.exit(effect)
          if (Exit.isFailure(exit) && !Exit.hasFails(exit)) return yield* exit
          yield* reached("executed", name)
          journal.steps.set(index, { name, exit })
          yield* reached("journaled", name)
          return yield* exit
        })
      })

    const durable = RunOperations.durable(
      { workflow: implementation.workflow.name, key: options.key, actor: options.actor },
      {
        step: once,
        sleep: (duration) => once("sleep", Effect.sleep(duration)),
        signal: (name, id) => Deferred.await(signalOf(journal, name, id)),
        deliver: (delivery) =>
          Effect.suspend(() => {
            const index = begun
            return once(`deliver ${delivery._tag}`, options.send(delivery, index))
          }),
        call: (action, invocation) =>
          Effect.suspend(() => {
            const index = begun
            return once(`call ${action.resource}.${action.name}`, options.call(invocation, index))
          })
      }
    )

    return Effect.flatMap(
      Effect.orDie(Schema.decodeUnknownEffect(Schema.toCodecJson(implementation.workflow.input))(options.input)),
      (input) =>
        Effect.raceFirst(Effect.provideService(implementation.run(input), Durable, durable), Deferred.await(crashed))
    )
  })
