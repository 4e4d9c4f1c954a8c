/**
 * `AgentContext` over `Durable`. Keys of what a run makes follow from its own key, so a repeated run makes the same.
 */
import type { Durable } from "@tenon/core/Durable"
import { NewId } from "@tenon/core/NewId"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as StepKey from "@tenon/core/StepKey"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { AgentContext } from "./AgentContext.ts"
import * as AgentMemory from "./AgentMemory.ts"
import * as Artifact from "./Artifact.ts"
import * as Ask from "./Ask.ts"
import * as Child from "./Child.ts"
import type { Failures } from "./Failures.ts"
import type { Run } from "./RunSetting.ts"
import { say } from "./Say.ts"
import * as Streamed from "./Streamed.ts"
import { Thread } from "./Thread.ts"

/** What a run is about. */
export interface About {
  readonly agent: string
  readonly threadId: string
  readonly input: unknown
}

const idempotencyKey = Effect.flatMap(StepKey.idempotencyKey, (key) =>
  key === undefined
    ? Effect.die(new Error("ctx.idempotencyKey is a step's own: ask for it inside of the body of a step"))
    : Effect.succeed(key)
)

/** The context of one attempt of a run. */
export const make = (
  durable: Durable["Service"],
  events: RunEvents["Service"],
  failures: Failures,
  { agent, input, threadId }: About
): AgentContext<unknown> => {
  const made = new Map<string, number>()
  const nextKey = (kind: string) => {
    const count = (made.get(kind) ?? 0) + 1
    made.set(kind, count)
    return `${durable.key}.${kind}${count}`
  }
  const run: Run = { agent, durable, events, failures, threadId, nextKey }
  return {
    run: durable.key,
    thread: threadId,
    actor: durable.actor,
    input,
    step: durable.step,
    stream: (name, body, options) => Streamed.stream(run, name, body, options),
    idempotencyKey,
    history: Effect.orDie(durable.call(Thread.actions.history, threadId, { last: 100 })),
    writeMessage: (content) => say(run, content),
    ask: (prompt, answer, options) => Ask.ask(run, prompt, answer, options?.expires),
    sleep: durable.sleep,
    now: Effect.map(Clock.currentTimeMillis, DateTime.makeUnsafe),
    random: Random.next,
    newId: Effect.gen(function* () {
      return (yield* NewId)(yield* Clock.currentTimeMillis)
    }),
    call: durable.call,
    send: durable.send,
    keepArtifact: (name, made) => Artifact.keep(run, name, made),
    remember: (name, value) => AgentMemory.remember(run, name, value),
    recall: (name) => AgentMemory.recall(run, name),
    child: (agent, value) => Child.run(run, agent, value)
  }
}
