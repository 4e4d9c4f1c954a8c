/** Engines that are made and stopped at will over the store at hand, and what there is to see of their runs. */
import * as Durable from "@tenon/core/Durable"
import * as RunEngine from "@tenon/core/RunEngine"
import { RunJournal, type Status } from "@tenon/core/RunJournal"
import { RunStore } from "@tenon/core/RunStore"
import * as Workflow from "@tenon/core/Workflow"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Testing from "./Testing.ts"

export const Job = Workflow.make("LawJob", { input: {}, signals: { go: Schema.String } })

export type Program = Effect.Effect<unknown, unknown, Durable.Durable>

const actor = Testing.actor({ tenantId: "law jobs" })
let keys = 0

const newRun = () => ({ tenantId: actor.tenantId, workflow: Job.name, key: `job ${++keys}` })
export type Run = ReturnType<typeof newRun>

/** An engine that runs a program until it is stopped, on the store at hand or on one that a test has spoilt. */
export const engine = Effect.fnUntraced(function* (
  run: Run,
  program: Program,
  options: RunEngine.Options = {},
  spoil: (store: RunStore["Service"]) => RunStore["Service"] = (store) => store
) {
  const store = spoil(yield* RunStore)
  const scope = yield* Scope.make()
  // Under the run's name, as other tests' engines work from the same store.
  const workflow = { ...Job, name: run.workflow }
  const implementation = yield* Workflow.implement(workflow, () => Effect.asVoid(program))
  const made = yield* RunEngine.make(
    {
      store,
      journal: yield* RunJournal,
      workflows: new Map([[run.workflow, implementation]]),
      perform: () => Effect.succeed(null)
    },
    { poll: "20 millis", idle: "20 millis", ...options }
  ).pipe(Scope.provide(scope))
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  return { ...made, stop: Scope.close(scope, Exit.void) }
})

export const begin = (made: RunEngine.RunEngine, { key, workflow }: Run) =>
  made.start(actor, { _tag: "StartWorkflow", workflow, key, input: {}, delayMillis: 0 })

/** Starts a run of which no engine here need know. */
export const put = (run: Run) =>
  Effect.flatMap(RunStore, ({ start }) =>
    start({ ...run, id: run.key, actor, input: {}, delayMillis: 0, fork: undefined, trace: undefined })
  )

export const go = (made: RunEngine.RunEngine, { key, workflow }: Run, payload: string) =>
  made.signal(actor, { _tag: "Signal", workflow, key, signal: "go", payload })

export const until = (what: string, holds: () => boolean) =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet" as const))).pipe(
    Effect.retry({ times: 1000, schedule: Schedule.spaced("5 millis") }),
    Effect.catch(() => Effect.die(new Error(`It never came to: ${what}`)))
  )

export const standing = (run: Run) => Effect.flatMap(RunJournal, (journal) => journal.standing(run))

export const becomes = Effect.fnUntraced(function* (run: Run, status: Status) {
  const now = yield* standing(run).pipe(
    Effect.filterOrFail((each) => each?.status === status, String),
    // Three turns of two seconds of the processor's time each take a while on a busy machine.
    Effect.retry({ times: 6000, schedule: Schedule.spaced("5 millis") }),
    Effect.catch(() => standing(run))
  )
  assert.strictEqual(now?.status, status, JSON.stringify(now))
  return now?.problem
})

export const outcomes = (run: Run) =>
  Effect.map(
    Effect.flatMap(RunJournal, (journal) => journal.operations(run)),
    (operations) => operations.map(({ kind, name, outcome }) => [kind, name, outcome] as const)
  )

/** A run of a workflow of its own. */
export const own = (): Run => {
  const run = newRun()
  return { ...run, workflow: `${run.workflow}${keys}` }
}

export const step = (name: string, effect: Effect.Effect<unknown>) =>
  Effect.flatMap(Durable.Durable, (durable) => durable.step(name, effect as Effect.Effect<Schema.Json>))
