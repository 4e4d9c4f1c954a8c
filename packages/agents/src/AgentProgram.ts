/** The workflow behind every run: it runs the agent's program, waits for a stop meanwhile, and says how it ended. */
import { Durable } from "@tenon/core/Durable"
import * as Outcome from "@tenon/core/Outcome"
import { type RunEventData, RunEvents } from "@tenon/core/RunEvents"
import * as Storable from "@tenon/core/Storable"
import * as Workflow from "@tenon/core/Workflow"
import * as AiError from "effect/ai/AiError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type * as Agent from "./Agent.ts"
import * as AgentJson from "./AgentJson.ts"
import { CurrentRun } from "./AgentContext.ts"
import { type FailedBy, RunAgent, type RunEnding } from "./AgentRun.ts"
import * as Content from "./Content.ts"
import * as DurableModel from "./DurableModel.ts"
import * as ModelFailure from "./ModelFailure.ts"
import * as RunContext from "./RunContext.ts"
import { Failures } from "./Failures.ts"
import { fails, forkable } from "./RunFork.ts"
import { Stopped, Stopping } from "./Stopping.ts"
import { Thread } from "./Thread.ts"

/** The program of `RunAgent`, for the agents of an application. Put it into `Workflow.layer`. */
export const implement = <A extends ReadonlyArray<Agent.Any>>(
  ...agents: A
): Effect.Effect<Workflow.Implementation, never, Agent.Services<A[number]> | RunEvents> => {
  const byName = new Map(agents.map((agent) => [agent.name, agent]))
  const program = (input: Workflow.InputOf<typeof RunAgent>) => run(byName, input)
  const urgent = ["stop"] as const
  return Workflow.implement(RunAgent, program, { fails, forkable, urgent, whenPaused, whenRevived }) as Effect.Effect<
    Workflow.Implementation,
    never,
    Agent.Services<A[number]> | RunEvents
  >
}

/** A run with a bug that it cannot tell of itself counts as failed: its thread goes on, and `retry` what it did. */
const whenPaused = ({ input, key }: Workflow.Paused<Workflow.InputOf<typeof RunAgent>>) =>
  Outcome.nothing.pipe(
    Outcome.send(Thread.actions.endRun, input.threadId, { runId: key, status: "FAILED", problem: bug })
  )

/** What the run waits for may have come while nobody was there to hear of it. */
const whenRevived = ({ input, key }: Workflow.Befallen<Workflow.InputOf<typeof RunAgent>>) =>
  Outcome.nothing.pipe(Outcome.send(Thread.actions.reviveRun, input.threadId, { runId: key }))

const run = Effect.fnUntraced(function* (
  agents: ReadonlyMap<string, Agent.Any>,
  { agent: name, input, threadId }: Workflow.InputOf<typeof RunAgent>
) {
  const durable = yield* Durable
  const events = yield* RunEvents
  const tell = (status: string, over: boolean, more: RunEventData = {}) =>
    events.publish(durable.actor, durable.key, {
      type: "status",
      data: { status, over, ...more },
      key: over ? "over" : "begun"
    })
  yield* tell("RUNNING", false)
  const agent = agents.get(name)
  const ending: RunEnding & typeof FailedBy.Type =
    agent === undefined
      ? { status: "FAILED", problem: `There is no agent named ${JSON.stringify(name)}.` }
      : yield* attempt(agent, threadId, input)
  yield* durable.call(Thread.actions.endRun, threadId, { runId: durable.key, ...ending }).pipe(
    // A thread that was removed meanwhile has nothing to be told.
    Effect.catchTag("NotFound", () => Effect.void),
    Effect.orDie
  )
  yield* tell(ending.status, true, ending.problem === undefined ? {} : { problem: ending.problem })
})

const attempt = Effect.fnUntraced(function* (agent: Agent.Any, threadId: string, input: Schema.Json | undefined) {
  const stopping = new Stopping(yield* Durable)
  const failures = new Failures()
  const durable = failures.of(stopping.durable)
  const decoded = yield* Effect.exit(AgentJson.decode(agent.input, input))
  if (Exit.isFailure(decoded)) return failed("Its input does not fit.")
  const context = RunContext.make(durable, yield* RunEvents, failures, {
    agent: agent.name,
    threadId,
    input: decoded.value
  })
  const program = agent.program(context as never) as Effect.Effect<unknown, unknown>
  const provided = DurableModel.provide(program, durable, context).pipe(
    Effect.provideService(CurrentRun, context),
    // For code that takes it from the program's context: what fails there is noted too.
    Effect.provideService(Durable, durable)
  )
  const exit = yield* stopping.run(provided)
  if (Exit.isSuccess(exit)) {
    const output = yield* Effect.exit(AgentJson.encode(agent.output, exit.value))
    if (Exit.isFailure(output)) return failed("Its output does not fit.")
    return output.value === undefined ? ({ status: "DONE" } satisfies RunEnding) : given(output.value)
  }
  const problem = Cause.squash(exit.cause)
  if (problem instanceof Stopped) return { status: "CANCELLED", problem: problem.reason } satisfies RunEnding
  if (Cause.hasInterruptsOnly(exit.cause)) return { status: "CANCELLED", problem: "interrupted" } satisfies RunEnding
  const failedBy = whyFailed(failures, problem, Cause.hasDies(exit.cause))
  const from = failedBy === undefined ? {} : { failedBy }
  if (Cause.hasDies(exit.cause)) {
    yield* Effect.logError("An agent has a bug", Cause.pretty(exit.cause)).pipe(
      Effect.annotateLogs({ agent: agent.name, run: durable.key })
    )
    return { ...failed(bug), ...from }
  }
  return { ...failed(wordsFor(problem)), ...from }
})

/** What the run has failed by, where that can be told. */
const whyFailed = (failures: Failures, problem: unknown, isBug: boolean): (typeof FailedBy.Type)["failedBy"] => {
  const failure = AiError.isAiError(problem) ? ModelFailure.fromAi(problem) : problem
  const back = failures.countedBack(failure)
  return back ?? (isBug ? "bug" : ModelFailure.isOfModel(failure) ? "model" : undefined)
}

const wordsFor = (problem: unknown): string => {
  if (AiError.isAiError(problem)) return ModelFailure.fromAi(problem).message
  return problem instanceof Error && problem.message !== "" ? problem.message : Storable.textOf(problem)
}

/** What people are told of a bug. */
const bug = "Something unexpected happened; the log of the application says what."

/** The most that people are told of a failure, in UTF-16 code units. */
const maxProblem = 2000

const failed = (problem: string): RunEnding => ({ status: "FAILED", problem: Storable.clean(problem, maxProblem) })

/** Done with what the agent gave, where that can be kept. */
const given = (output: Schema.Json): RunEnding => {
  const [fault] = Storable.faultsIn(output)
  if (fault !== undefined) return failed(`Its output ${[fault.path, fault.message].join(" ").trim()}.`)
  return JSON.stringify(output).length > Content.maxData
    ? failed(`Its output exceeds ${Content.maxData} characters as JSON.`)
    : { status: "DONE", output }
}
