/** Runs an agent for another one: a run of its own, whose result comes back as a signal. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Agent } from "./Agent.ts"
import * as AgentJson from "./AgentJson.ts"
import { ChildFailed } from "./AgentFailure.ts"
import { RunAgent, RunEnding } from "./AgentRun.ts"
import { type Run, settled } from "./RunSetting.ts"
import { Thread } from "./Thread.ts"

const decodeEnding = Schema.decodeUnknownExit(RunEnding)

/** Starts the child and waits for it. The child is stopped where this is interrupted. */
export const run = <I, A, E, R>(
  { durable, failures, nextKey, threadId }: Run,
  agent: Agent<I, A, E, R>,
  input: I
): Effect.Effect<A, ChildFailed> =>
  Effect.gen(function* () {
    const childId = nextKey("child")
    const encoded = yield* AgentJson.encode(agent.input, input)
    const asked = {
      runId: durable.key,
      childId,
      agent: agent.name,
      ...(encoded === undefined ? {} : { input: encoded })
    }
    const failed = (problem: string) => new ChildFailed({ run: childId, agent: agent.name, problem })
    const started = durable.call(Thread.actions.startChild, threadId, asked).pipe(
      Effect.catchTag("TooDeep", ({ message }) => Effect.succeed(failed(message))),
      settled
    )
    const stop = durable.notify(RunAgent, childId, "stop", { reason: "its parent was stopped" })
    // Interrupted while it starts the child or waits for it, it stops the child.
    const ended = yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(started, (refused) =>
        refused instanceof ChildFailed
          ? Effect.fail(refused)
          : Effect.onInterrupt(restore(durable.signal("child", childId)), () => stop)
      )
    )
    const ending = decodeEnding(ended)
    if (Exit.isFailure(ending)) return yield* failures.noting(failed("It ended in a way that cannot be read."))
    const { output, problem, status } = ending.value
    if (status !== "DONE") return yield* failures.noting(failed(problem ?? status))
    return yield* Effect.orDie(AgentJson.decode(agent.output, output)) as Effect.Effect<A>
  })
