/**
 * What must answer before this process can serve: a database, a broker, a schema at the right version. Layers add
 * their own checks while they are built; a door reports them, and a load balancer looks there.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/** What a check came to. */
export interface Readiness {
  readonly name: string
  readonly ready: boolean
}

/** Collects checks and runs them. */
export class ReadinessChecks extends Context.Service<
  ReadinessChecks,
  {
    /** Adds a check until the scope closes. It succeeds where all is well; why it failed goes to the log only. */
    readonly add: (name: string, check: Effect.Effect<unknown, unknown>) => Effect.Effect<void, never, Scope.Scope>
    /** Runs every check at once, each for two seconds at most. */
    readonly run: Effect.Effect<ReadonlyArray<Readiness>>
  }
>()("@tenon/core/ReadinessChecks") {}

/** Holds the checks of this process. Answers are kept for a second, so that asking often costs nothing. */
export const layer: Layer.Layer<ReadinessChecks> = Layer.effect(
  ReadinessChecks,
  Effect.gen(function* () {
    const checks = new Map<string, Effect.Effect<unknown, unknown>>()
    const run = yield* Effect.cachedWithTTL(
      Effect.suspend(() =>
        Effect.forEach([...checks], ([name, check]) => runOne(name, check), { concurrency: "unbounded" })
      ),
      "1 second"
    )
    return {
      add: (name, check) =>
        Effect.acquireRelease(
          Effect.sync(() => void checks.set(name, check)),
          () => Effect.sync(() => void checks.delete(name))
        ),
      run
    }
  })
)

const runOne = (name: string, check: Effect.Effect<unknown, unknown>) =>
  check.pipe(
    Effect.timeout("2 seconds"),
    Effect.as(true),
    Effect.catchCause((cause) =>
      Effect.as(Effect.logWarning("not ready").pipe(Effect.annotateLogs({ name, cause: Cause.pretty(cause) })), false)
    ),
    Effect.map((ready): Readiness => ({ name, ready }))
  )
