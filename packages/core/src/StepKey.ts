/**
 * What identifies a step of a run for good, for the world outside: inside of the body, `idempotencyKey` is the same at
 * every attempt, after a crash and after the loss of a runtime, and another for each other step and run. A run that is
 * forked or tried again is another run.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fingerprint from "./Fingerprint.ts"
import type { RunKey } from "./RunJournal.ts"

/** The step at hand; `index` is its operation's. The name beside it, so that no other step is ever taken for it. */
interface Step extends RunKey {
  readonly index: number
  readonly name: string
}

const CurrentStep = Context.Reference<Step | undefined>("@tenon/core/StepKey", { defaultValue: () => undefined })

/** Says of which step an effect is the body. */
export const within = <A, E, R>(
  { key, tenantId, workflow }: RunKey,
  index: number,
  name: string,
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => Effect.provideService(body, CurrentStep, { tenantId, workflow, key, index, name })

/** 64 hexadecimal digits; `undefined` outside of a step's body. */
export const idempotencyKey: Effect.Effect<string | undefined> = Effect.flatMap(CurrentStep, (step) =>
  step === undefined
    ? Effect.undefined
    : Fingerprint.of([step.tenantId, step.workflow, step.key, step.index, step.name])
)
