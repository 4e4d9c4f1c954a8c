/**
 * Holds a recorded run against the program as it is now: would the same operations follow in the same order? A change
 * of a program is safe for the runs that are under way where their replays agree. Nothing is performed.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Actor } from "./Actor.ts"
import * as RunAttempt from "./RunAttempt.ts"
import { Operation } from "./RunJournal.ts"
import type { Implementation } from "./Workflow.ts"

/** A run as it was recorded, to be kept in a file. */
export const Recording = Schema.Struct({
  workflow: Schema.String,
  key: Schema.String,
  /** Identifies the run for good; what it draws follows from it. */
  id: Schema.String,
  actor: Actor,
  input: Schema.Json,
  /** Milliseconds since 1970. */
  beganAt: Schema.Number,
  /** In the order in which they were handed to the program. */
  operations: Schema.Array(Operation)
})
export interface Recording extends Schema.Struct.Type<typeof Recording.fields> {}

/** What a replay came to. */
export type Replayed =
  /** The program does what was recorded, and where it was not over then, goes on from there. */
  | { readonly _tag: "Same"; readonly operations: number }
  /** The first operation at which the program and the recording part. */
  | { readonly _tag: "Differs"; readonly index: number; readonly expected: string; readonly found: string }
  /** The program has a bug, in words. */
  | { readonly _tag: "Fails"; readonly problem: string }

/** Replays a recording. */
export const check = (
  implementation: Implementation,
  { actor, beganAt, id, input, key, operations, workflow }: Recording
): Effect.Effect<Replayed> => {
  const claim = { tenantId: actor.tenantId, workflow, key, token: 0 }
  return RunAttempt.check(
    implementation,
    { claim, id, actor, input, beganAt, failures: 0, fork: undefined },
    operations
  ).pipe(
    Effect.map((mismatch): Replayed =>
      mismatch === undefined
        ? { _tag: "Same", operations: operations.length }
        : { _tag: "Differs", index: mismatch.index, expected: mismatch.expected, found: mismatch.found }
    ),
    Effect.catchDefect((defect) =>
      Effect.succeed<Replayed>({ _tag: "Fails", problem: defect instanceof Error ? defect.message : String(defect) })
    )
  )
}
