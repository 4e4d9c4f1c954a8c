/**
 * Holds a recorded run against the program as it is now: would the same operations follow in the same order? A change
 * of a program is safe for the runs that are under way where their replays agree. Nothing is performed.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { Actor } from "./Actor.ts"
import { Checkpoint, Crash } from "./Checkpoint.ts"
import type { Unavailable } from "./Failure.ts"
import * as RunAttempt from "./RunAttempt.ts"
import { type Begun, Operation, RunJournal, type RunKey } from "./RunJournal.ts"
import type { Implementation } from "./Workflow.ts"

/** A run as it was recorded, to be kept in a file. */
export const Recording = Schema.Struct({
  workflow: Schema.String,
  key: Schema.String,
  /** What it draws follows from it, unless its journal says otherwise. */
  id: Schema.String,
  actor: Actor,
  input: Schema.Json,
  /** Milliseconds since 1970. */
  beganAt: Schema.Number,
  /** In the order in which they were handed to the program. */
  operations: Schema.Array(Operation)
})
export interface Recording extends Schema.Struct.Type<typeof Recording.fields> {}

/** What a run has done so far, to be kept; `undefined` where it has not begun, as far as its journal knows. */
export const record = Effect.fnUntraced(function* (
  run: RunKey,
  input: Schema.Json
): Effect.fn.Return<Recording | undefined, Unavailable, RunJournal> {
  const journal = yield* RunJournal
  const beginning = yield* journal.beginning(run)
  if (beginning === undefined) return undefined
  const { actor, beganAt, seed } = beginning
  const { key, workflow } = run
  return { workflow, key, id: seed, actor, input, beganAt, operations: yield* journal.operations(run) }
})

/** What a replay came to. */
export type Replayed =
  /** The program does what was recorded, and where it was not over then, goes on from there. */
  | { readonly _tag: "Same"; readonly operations: number }
  /** The first operation at which the program and the recording part. */
  | { readonly _tag: "Differs"; readonly index: number; readonly expected: string; readonly found: string }
  /** The program has a bug, in words. */
  | { readonly _tag: "Fails"; readonly problem: string }

/** Thrown where the program begins something that was not recorded. */
class Beyond extends Schema.TaggedError<Beyond>()("Beyond", {}) {}

/** A world in which nothing can be done, or kept, beyond a recording. */
const worldOf = (
  implementation: Implementation,
  { actor, beganAt, id, input, key, operations, workflow }: Recording
): RunAttempt.World<Beyond> => ({
  implementation,
  run: {
    claim: { tenantId: actor.tenantId, workflow, key, token: 0 },
    id,
    actor,
    input,
    beganAt,
    failures: 0,
    lost: 0,
    fork: undefined,
    trace: undefined
  },
  operations,
  mail: { count: 0, signals: [], cancelled: false },
  mailed: Latch.makeUnsafe(false),
  readMail: Effect.succeed({ count: 0, signals: [], cancelled: false }),
  write: () => Effect.fail(new Beyond()),
  perform: () => Effect.die(new Crash("Not recorded")),
  idleMillis: 0
})

/** What the program begins where a recording ends. Nothing of that is done. Dies where they do not fit. */
export const beyond = (implementation: Implementation, recording: Recording): Effect.Effect<ReadonlyArray<Begun>> =>
  Effect.provideService(RunAttempt.beyond(worldOf(implementation, recording)), References.MinimumLogLevel, "None")

/** Replays a recording. */
export const check = (implementation: Implementation, recording: Recording): Effect.Effect<Replayed> =>
  Effect.gen(function* () {
    const { operations } = recording
    const same: Replayed = { _tag: "Same", operations: operations.length }
    const attempt = RunAttempt.run(worldOf(implementation, recording))
    return yield* attempt.pipe(
      Effect.map((ending) => (ending._tag === "Ended" ? (missing(operations, ending.begun) ?? same) : same)),
      // A body that is begun was not recorded; nothing of it may run.
      Effect.provideService(Checkpoint, () => Effect.die(new Crash("Not recorded"))),
      Effect.catchTag("Beyond", () => Effect.succeed(same)),
      Effect.catchDefect((defect): Effect.Effect<Replayed> => {
        if (defect instanceof Crash) return Effect.succeed(same)
        if (defect instanceof RunAttempt.JournalMismatch) {
          const { expected, found, index } = defect
          return Effect.succeed({ _tag: "Differs", index, expected, found })
        }
        const problem = defect instanceof Error ? defect.message : String(defect)
        return Effect.succeed({ _tag: "Fails", problem })
      })
    )
  })

/** The first recorded operation that a program which has ended did not begin. */
const missing = (operations: ReadonlyArray<Operation>, begun: number): Replayed | undefined => {
  const [first] = operations.filter(({ index }) => index >= begun).toSorted((a, b) => a.index - b.index)
  if (first === undefined) return undefined
  const expected = RunAttempt.words(first.kind, first.name)
  return { _tag: "Differs", index: first.index, expected, found: "the end of the program" }
}
