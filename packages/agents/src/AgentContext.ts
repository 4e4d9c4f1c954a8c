/** What the program of an agent can do besides what Effect gives it: all of it survives a crash. */
import type * as Action from "@tenon/core/Action"
import type { Actor } from "@tenon/core/Actor"
import type * as Durable from "@tenon/core/Durable"
import type * as Failure from "@tenon/core/Failure"
import type * as Resource from "@tenon/core/Resource"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Agent } from "./Agent.ts"
import type { AskExpired, ChildFailed } from "./AgentFailure.ts"
import type * as Artifact from "./Artifact.ts"
import type * as Content from "./Content.ts"
import type { Message } from "./Message.ts"
import type { Emit } from "./Streamed.ts"

/** How long a question stands; without `expires`, or with one that never comes, as long as the run. */
export interface AskOptions {
  readonly expires?: Duration.Input
}

/** The run at hand. `Input` is what it was started with. */
export interface AgentContext<out Input = undefined> {
  /** The key of the run. */
  readonly run: string
  /** The key of the thread. */
  readonly thread: string
  /** On whose behalf it runs. */
  readonly actor: Actor
  readonly input: Input
  /** Does something once and keeps what came of it, a typed failure included; see `Durable.step`. */
  readonly step: Durable.Durable["Service"]["step"]
  /**
   * A step whose words are seen as they come, by whoever watches the run's events. They are shown and not kept: give
   * the whole as the step's value, or as a message. When a crash has cut the body off, its words are taken back and
   * come anew.
   */
  readonly stream: <A, E, R>(
    name: string,
    body: (emit: Emit) => Effect.Effect<A, E, R>,
    options?: Durable.StepOptions<A, E>
  ) => Effect.Effect<A, E, R>
  /**
   * Inside of a step's body: what identifies that step for good, for an API that must not do a thing twice. The same at
   * every attempt, and another for each other step and run, a retry or fork of this one included.
   */
  readonly idempotencyKey: Effect.Effect<string>
  /** The last messages of the thread as they are now, the oldest first; 100 unless told otherwise. */
  readonly history: Effect.Effect<ReadonlyArray<Resource.Row<typeof Message>>>
  /** Posts to the thread as the agent. */
  readonly writeMessage: (content: string | Content.Posted) => Effect.Effect<Resource.Row<typeof Message>>
  /**
   * Asks a person and waits for an answer that fits the schema. The run is put aside meanwhile and costs nothing. Who
   * answered is kept in the question's row.
   */
  readonly ask: <A, I>(prompt: string, answer: Schema.Codec<A, I>, options?: AskOptions) => Effect.Effect<A, AskExpired>
  readonly sleep: (duration: Duration.Input) => Effect.Effect<void>
  /** The run's time, the same in every replay. */
  readonly now: Effect.Effect<DateTime.Utc>
  /** A number from 0 up to 1, the same in every replay. */
  readonly random: Effect.Effect<number>
  /** A new id, the same in every replay. */
  readonly newId: Effect.Effect<string>
  /** Calls an action under the run's actor, once, and waits for its answer. */
  readonly call: <T extends Action.Any>(
    action: T,
    key: string,
    input: Action.InputOf<T>,
    options?: Durable.CallOptions
  ) => Effect.Effect<Action.OutputOf<T>, Action.FailureOf<T> | Failure.Failure>
  /** Calls an action, once, and goes on. */
  readonly send: <T extends Action.Any>(action: T, key: string, input: Action.InputOf<T>) => Effect.Effect<void>
  /** Keeps something that the run has made, by name: a report, a table, a file of up to a million characters. */
  readonly keepArtifact: (name: string, made: Artifact.Made) => Effect.Effect<void>
  /** Keeps a value for later runs of this agent, in any thread of the tenant. */
  readonly remember: (name: string, value: Schema.Json) => Effect.Effect<void>
  /** What a run of this agent has kept under the name. */
  readonly recall: (name: string) => Effect.Effect<Schema.Json | undefined>
  /** Runs another agent in the same thread and waits for its result. Interrupting this stops it. */
  readonly child: <I, A, E, R>(agent: Agent<I, A, E, R>, input: I) => Effect.Effect<A, ChildFailed>
}

/** The run at hand, for code that the program calls. */
export class CurrentRun extends Context.Service<CurrentRun, AgentContext<unknown>>()("@tenon/agents/CurrentRun") {}
