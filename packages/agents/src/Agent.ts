/** An agent: an ordinary Effect program with a name, run durably for a thread. It does not know what runs it. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AgentContext, CurrentRun } from "./AgentContext.ts"
import { AgentName } from "./AgentName.ts"
import type { Durable } from "@tenon/core/Durable"

/** What an agent takes and gives when another agent runs it as a child. */
export interface Spec<I, A> {
  readonly input?: Schema.Codec<I, unknown>
  readonly output?: Schema.Codec<A, unknown>
}

/** An agent. `R` is what the host has to provide. */
export interface Agent<in I, out A, out E, out R> {
  readonly _tag: "Agent"
  readonly name: string
  /** None for an agent that takes nothing but its thread. */
  readonly input: Schema.Codec<unknown, unknown> | undefined
  /** None for an agent that gives nothing but its messages. */
  readonly output: Schema.Codec<unknown, unknown> | undefined
  readonly program: (context: AgentContext<I>) => Effect.Effect<A, E, R>
}

/** Any agent. */
export type Any = Agent<never, unknown, unknown, unknown>

/** What an agent needs from the host: all that the run itself does not give. */
export type Services<T> = T extends Agent<never, unknown, unknown, infer R> ? Exclude<R, Durable | CurrentRun> : never

const isName = Schema.is(AgentName)

/** Declares an agent. Its name is unique in an application: 1 to 90 characters, none of them a control character. */
export function make<A, E, R>(
  name: string,
  program: (context: AgentContext) => Effect.Effect<A, E, R>
): Agent<undefined, void, E, R>
/** Declares an agent that other agents can run as a child, with what it takes and gives. */
export function make<E, R, I = undefined, A = void>(
  name: string,
  spec: Spec<I, A>,
  program: (context: AgentContext<I>) => Effect.Effect<A, E, R>
): Agent<I, A, E, R>
export function make(name: string, ...rest: ReadonlyArray<unknown>): unknown {
  if (!isName(name)) throw new RangeError(`${JSON.stringify(name)} is no name of an agent; take 1 to 90 characters`)
  const [spec, program] = (rest.length === 1 ? [{}, rest[0]] : rest) as [Spec<unknown, unknown>, Any["program"]]
  return {
    _tag: "Agent",
    name,
    input: spec.input,
    output: spec.output,
    program
  }
}
