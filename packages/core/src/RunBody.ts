/** The bodies of a run's operations: run until they have an answer that the journal can keep. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import { Checkpoint, isCrash, type Point } from "./Checkpoint.ts"
import type { StepOptions } from "./Durable.ts"
import * as ErrorBoundary from "./ErrorBoundary.ts"
import type { ActionFailure } from "./Failure.ts"
import type { Begun, RunKey } from "./RunJournal.ts"
import * as RunTracer from "./RunTracer.ts"
import * as Storable from "./Storable.ts"
import * as StepResult from "./StepResult.ts"

/** Infrastructure failures are tried again after 50 ms, 100 ms and so on up to 10 s, for ever. */
export const backoff = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("10 seconds")])

/** How often a bug is tried before an operator has to look. */
export const defectAttempts = 3

/** A bug in a body that was tried often enough: its run is paused. */
export class Exhausted extends Error {
  override readonly name = "Exhausted"
}

/** Tells a test's listener of a point. */
export const reached = (point: Point, what: string, tenantId: string): Effect.Effect<void> =>
  Effect.flatMap(Checkpoint, (listen) => listen(point, what, tenantId))

/** By what a test's listener knows an operation of a run: a signal without its id, which another run has another of. */
export const placeOf = ({ kind, name }: Begun): string =>
  kind === "step" ? name : `${kind} ${name.split("/")[0]}`.trim()

/** Tells a test's listener before a body, and after it where it succeeds. */
export const watched = <A, E, R>(
  what: string,
  tenantId: string,
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  reached("before", what, tenantId).pipe(
    Effect.andThen(body),
    Effect.tap(() => reached("executed", what, tenantId))
  )

/** What a body that did not succeed died with. One that interrupted itself has nothing to say. */
export const defectOf = (exit: Exit.Failure<unknown, unknown>): unknown =>
  Cause.hasDies(exit.cause) ? Cause.squash(exit.cause) : new Error("The body of a step was interrupted from inside")

const untilAnswered = <A, R>(
  name: string,
  tenantId: string,
  body: Effect.Effect<A, ActionFailure, R>
): Effect.Effect<A, never, R> => {
  const attempt = (count: number): Effect.Effect<A, never, R> =>
    Effect.catchDefect(
      Effect.orDie(Effect.retry(body, { schedule: backoff, while: ErrorBoundary.isInfrastructure })),
      (defect) => {
        if (isCrash(defect)) return Effect.die(defect)
        if (count < defectAttempts)
          return Effect.delay(
            Effect.suspend(() => attempt(count + 1)),
            50 * 2 ** count
          )
        return Effect.die(new Exhausted(wordsOf(defect), { cause: defect }))
      }
    )
  return watched(name, tenantId, attempt(1))
}

/** What an operator is told of a defect. */
export const wordsOf = (defect: unknown): string => {
  const words = defect instanceof Error ? `${defect.name}: ${defect.message}` : Storable.textOf(defect)
  return Storable.clean(words, 2000)
}

/** The body of a step, to what is kept of it. */
export const step = <A, E, R>(
  name: string,
  { tenantId, workflow }: Pick<RunKey, "tenantId" | "workflow">,
  effect: Effect.Effect<A, E, R>,
  options: StepOptions<A, E> | undefined
): Effect.Effect<Schema.Json, never, R> =>
  untilAnswered(
    name,
    tenantId,
    RunTracer.step(workflow, name, StepResult.encoded(name, effect, options))
  ) as Effect.Effect<Schema.Json, never, R>

/** A declared failure as the outcome of a call; `answer` reads it. */
export const refusal = (action: Action.Any, failure: ActionFailure): Schema.Json => ({
  refused: { ...ErrorBoundary.encode(failure, action.errors) }
})

/** The body of a call: the action's answer, or the failure that it ended with. */
export const call = (
  name: string,
  tenantId: string,
  action: Action.Any,
  perform: Effect.Effect<Schema.Json, ActionFailure>
): Effect.Effect<Schema.Json> =>
  untilAnswered(
    name,
    tenantId,
    Effect.matchEffect(perform, {
      onSuccess: (value): Effect.Effect<Schema.Json, ActionFailure> => Effect.succeed({ value }),
      onFailure: (failure) =>
        ErrorBoundary.isInfrastructure(failure) ? Effect.fail(failure) : Effect.succeed(refusal(action, failure))
    })
  )

const Answer = Schema.Union([
  Schema.Struct({ value: Schema.Json }),
  Schema.Struct({ refused: ErrorBoundary.WireFailure })
])

/** Gives back what came of a call. */
export const answer = (action: Action.Any, outcome: Schema.Json): Effect.Effect<Schema.Json, ActionFailure> =>
  Effect.flatMap(Effect.orDie(Schema.decodeUnknownEffect(Answer)(outcome)), (kept) => {
    if ("value" in kept) return Effect.succeed(kept.value)
    const failure = ErrorBoundary.decode(kept.refused, action.errors)
    return failure === undefined ? Effect.die(new Error(kept.refused.message)) : Effect.fail(failure)
  })
