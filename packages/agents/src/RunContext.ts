/** `AgentContext` over `Durable`. Keys of what a run makes follow from its own key, so a repeated run makes the same. */
import type { Durable } from "@tenon/core/Durable"
import { NewId } from "@tenon/core/NewId"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { AgentContext } from "./AgentContext.ts"
import { RunOver } from "./AgentFailure.ts"
import * as Ask from "./Ask.ts"
import * as Child from "./Child.ts"
import * as Content from "./Content.ts"
import { Thread } from "./Thread.ts"

/** What a run is about. */
export interface About {
  readonly agent: string
  readonly threadId: string
  readonly input: unknown
}

/** What the parts of a context share. */
export interface Run {
  readonly durable: Durable["Service"]
  readonly threadId: string
  /** A key for the next thing of a kind that the run makes. */
  readonly nextKey: (kind: string) => string
}

/** The context of one attempt of a run. */
export const make = (durable: Durable["Service"], { input, threadId }: About): AgentContext<unknown> => {
  const made = new Map<string, number>()
  const nextKey = (kind: string) => {
    const count = (made.get(kind) ?? 0) + 1
    made.set(kind, count)
    return `${durable.key}.${kind}${count}`
  }
  const run: Run = { durable, threadId, nextKey }
  return {
    run: durable.key,
    thread: threadId,
    actor: durable.actor,
    input,
    step: durable.step,
    history: Effect.orDie(durable.call(Thread.actions.history, threadId, { last: 100 })),
    writeMessage: (content) =>
      Effect.suspend(() =>
        settled(
          durable.call(Thread.actions.say, threadId, {
            runId: durable.key,
            key: nextKey("message"),
            content: typeof content === "string" ? Content.text(content) : content
          })
        )
      ),
    ask: (prompt, answer, options) => Ask.ask(run, prompt, answer, options?.expires),
    sleep: durable.sleep,
    now: Effect.map(Clock.currentTimeMillis, DateTime.makeUnsafe),
    random: Random.next,
    newId: Effect.gen(function* () {
      return (yield* NewId)(yield* Clock.currentTimeMillis)
    }),
    call: durable.call,
    send: durable.send,
    child: (agent, value) => Child.run(run, agent, value)
  }
}

/** A run that was ended from outside stops where it notices; anything else that the thread refuses is a bug. */
export const settled = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A> =>
  Effect.catch(effect, (failure) => (failure instanceof RunOver ? Effect.interrupt : Effect.die(failure)))

/** The instant a duration from now. */
export const after = (duration: Duration.Input) =>
  Effect.map(Clock.currentTimeMillis, (now) => DateTime.makeUnsafe(now + Duration.toMillis(duration)))
