/** The workflow behind every run: it runs the agent's program, waits for a stop meanwhile, and says how it ended. */
import { Durable } from "@tenon/core/Durable"
import { type RunEventData, RunEvents } from "@tenon/core/RunEvents"
import * as Workflow from "@tenon/core/Workflow"
import * as AiError from "effect/ai/AiError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Agent from "./Agent.ts"
import * as AgentJson from "./AgentJson.ts"
import { CurrentRun } from "./AgentContext.ts"
import { RunAgent } from "./AgentRun.ts"
import * as DurableModel from "./DurableModel.ts"
import * as ModelFailure from "./ModelFailure.ts"
import * as RunContext from "./RunContext.ts"
import { forkable } from "./RunFork.ts"
import { Thread } from "./Thread.ts"

/** How a run ended, as the thread and a waiting parent are told. */
interface Ending {
  readonly status: "DONE" | "FAILED" | "CANCELLED"
  readonly problem?: string
  readonly output?: Schema.Json
}

class Stopped {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const decodeStop = Schema.decodeUnknownSync(Schema.Struct({ reason: Schema.String }))

/** The program of `RunAgent`, for the agents of an application. Put it into `Workflow.layer`. */
export const implement = <A extends ReadonlyArray<Agent.Any>>(
  ...agents: A
): Effect.Effect<Workflow.Implementation, never, Agent.Services<A[number]> | RunEvents> => {
  const byName = new Map(agents.map((agent) => [agent.name, agent]))
  const program = (input: Workflow.InputOf<typeof RunAgent>) => run(byName, input)
  return Workflow.implement(RunAgent, program, { forkable }) as Effect.Effect<
    Workflow.Implementation,
    never,
    Agent.Services<A[number]> | RunEvents
  >
}

const run = Effect.fnUntraced(function* (
  agents: ReadonlyMap<string, Agent.Any>,
  { agent: name, input, parent, threadId }: Workflow.InputOf<typeof RunAgent>
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
  const ending: Ending =
    agent === undefined
      ? { status: "FAILED", problem: `There is no agent named ${JSON.stringify(name)}.` }
      : yield* attempt(agent, threadId, input)
  // A thread that was removed meanwhile has nothing to be told.
  yield* Effect.ignore(durable.call(Thread.actions.endRun, threadId, { runId: durable.key, ...ending }))
  yield* tell(ending.status, true, ending.problem === undefined ? {} : { problem: ending.problem })
  if (parent !== undefined) yield* durable.notify(RunAgent, parent.run, "child", { ...ending }, parent.child)
})

const attempt = Effect.fnUntraced(function* (agent: Agent.Any, threadId: string, input: Schema.Json | undefined) {
  const durable = yield* Durable
  const decoded = yield* Effect.exit(AgentJson.decode(agent.input, input))
  if (Exit.isFailure(decoded)) return failed("Its input does not fit.")
  const context = RunContext.make(durable, yield* RunEvents, { agent: agent.name, threadId, input: decoded.value })
  const stopped = Effect.flatMap(durable.signal("stop"), (payload) =>
    Effect.fail(new Stopped(decodeStop(payload).reason))
  )
  const program = agent.program(context as never) as Effect.Effect<unknown, unknown>
  const provided = Effect.provideService(DurableModel.provide(program, durable, context), CurrentRun, context)
  const exit = yield* Effect.exit(Effect.raceFirst(provided, stopped))
  if (Exit.isSuccess(exit)) {
    const output = yield* Effect.exit(AgentJson.encode(agent.output, exit.value))
    if (Exit.isFailure(output)) return failed("Its output does not fit.")
    return { status: "DONE", ...(output.value === undefined ? {} : { output: output.value }) } satisfies Ending
  }
  const problem = Cause.squash(exit.cause)
  if (problem instanceof Stopped) return { status: "CANCELLED", problem: problem.reason } satisfies Ending
  if (Cause.hasInterruptsOnly(exit.cause)) return { status: "CANCELLED", problem: "interrupted" } satisfies Ending
  if (Cause.hasDies(exit.cause)) {
    yield* Effect.logError("An agent has a bug", Cause.pretty(exit.cause)).pipe(
      Effect.annotateLogs({ agent: agent.name, run: durable.key })
    )
    return failed("Something unexpected happened; the log of the application says what.")
  }
  return failed(wordsFor(problem))
})

const wordsFor = (problem: unknown): string => {
  if (AiError.isAiError(problem)) return ModelFailure.fromAi(problem).message
  return problem instanceof Error ? problem.message : String(problem)
}

const failed = (problem: string): Ending => ({ status: "FAILED", problem })
