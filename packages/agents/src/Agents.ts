/** All that an application with agents adds to its registry. */
import { AgentMemory } from "./AgentMemory.ts"
import { AgentRun, RunAgent } from "./AgentRun.ts"
import { Artifact } from "./Artifact.ts"
import { Channel, ChannelSecret } from "./Channel.ts"
import { ChannelBinding } from "./ChannelBinding.ts"
import { ChannelDelivery } from "./ChannelDelivery.ts"
import { DeliverMessages, WakeChannel } from "./ChannelWorkflow.ts"
import { Message } from "./Message.ts"
import { ModelBudget } from "./ModelBudget.ts"
import { ModelUsage } from "./ModelUsage.ts"
import { Participant } from "./Participant.ts"
import { Question } from "./Question.ts"
import { Thread } from "./Thread.ts"

export { implement } from "./AgentProgram.ts"
export { layer, layerWith } from "./AgentsLayer.ts"

/**
 * Threads and what belongs to them. A host with kinds of channels of its own gives what `Channel.make` makes of them.
 */
export const resourcesWith = (channel: typeof Channel) =>
  [
    Thread,
    Participant,
    Message,
    AgentRun,
    Question,
    Artifact,
    AgentMemory,
    channel,
    ChannelSecret,
    ChannelBinding,
    ChannelDelivery,
    ModelUsage,
    ModelBudget
  ] as const

/** Threads and what belongs to them. */
export const resources = resourcesWith(Channel)

/** The workflows that run agents and deliver to channels. */
export const workflows = [RunAgent, DeliverMessages, WakeChannel] as const
