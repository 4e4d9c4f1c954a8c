/**
 * The programs behind the workflows of `Agents.workflows`, with all that they need besides the agents' own services.
 */
import * as Repository from "@tenon/core/Repository"
import type { RowStore } from "@tenon/core/RowStore"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Workflow from "@tenon/core/Workflow"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Agent from "./Agent.ts"
import { implement } from "./AgentProgram.ts"
import * as ChannelAdapter from "./ChannelAdapter.ts"
import * as ChannelLog from "./ChannelLog.ts"
import * as ChannelWebhook from "./ChannelWebhook.ts"
import * as Channels from "./Channels.ts"

/** The program of a workflow of the host's own, as `Workflow.implement` makes it. */
type Other = Effect.Effect<Workflow.Implementation, never, unknown>

type Program = Agent.Any | Other

/** What a program needs from the host. */
type Services<P> = P extends Agent.Any
  ? Agent.Services<P>
  : P extends Effect.Effect<Workflow.Implementation, never, infer R>
    ? R
    : never

/** The agents of an application and the programs of its own workflows; channels deliver by the adapters given. */
export const layerWith = <P extends ReadonlyArray<Program>, E, R>(
  adapters: Layer.Layer<ChannelAdapter.ChannelAdapters, E, R>,
  ...programs: P
): Layer.Layer<
  Workflow.Workflows,
  E,
  R | Exclude<Services<P[number]>, ChannelAdapter.ChannelAdapters | Repository.Repository> | RunEvents | RowStore
> => {
  const others = programs.filter((each): each is Other => !isAgent(each))
  // Taken apart, the programs no longer say what they need.
  const given = [implement(...programs.filter(isAgent)), ...others] as ReadonlyArray<
    Effect.Effect<Workflow.Implementation, never, Services<P[number]> | RunEvents>
  >
  return Workflow.layer(...Channels.implement, ...given).pipe(Layer.provide([adapters, Repository.layer]))
}

const isAgent = (program: Program): program is Agent.Any => Predicate.isTagged(program, "Agent")

/** The agents of an application and the programs of its own workflows; channels are `log` and `webhook`. */
export const layer = <P extends ReadonlyArray<Program>>(...programs: P) => layerWith(standard, ...programs)

const standard = ChannelAdapter.layer(ChannelLog.adapter, ChannelWebhook.adapter())
