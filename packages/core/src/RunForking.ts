/**
 * What a fork begins with. Where several beginnings come into question, they are tried out: a program does what it did
 * before with what it was given before, unless it has changed since, and one that fails at once has been given too
 * much.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fork, Operation } from "./RunJournal.ts"
import * as RunOrigin from "./RunOrigin.ts"
import { type Recording, beyond } from "./RunReplay.ts"
import type { Implementation } from "./Workflow.ts"

/** A run that is a fork, as far as it is there already. */
export interface Forking extends Omit<Recording, "operations"> {
  readonly fork: Fork
}

/** The operations of `source` that it begins with. */
export const begin = (
  implementation: Implementation,
  { fork, ...run }: Forking,
  source: RunOrigin.Source
): Effect.Effect<ReadonlyArray<Operation>> =>
  Effect.gen(function* () {
    const { fails, forkable } = implementation
    const { beganAt, id: seed, key } = run
    const choices = RunOrigin.forked(source, { beganAt, fork, forkable, key, seed })
    for (const operations of choices.slice(0, -1)) {
      const begun = yield* Effect.exit(beyond(implementation, { ...run, operations }))
      // What is wrong where it does not fit, the run itself will tell.
      if (Exit.isFailure(begun) || !begun.value.some((each) => fails?.(each))) return operations
    }
    return choices.at(-1) ?? []
  })
