/** All examples in one registry, with the programs of their workflows. */
import * as Registry from "@tenon/core/Registry"
import * as Workflow from "@tenon/core/Workflow"
import { runAgent } from "../thread/AgentRun.ts"
import { AgentRun, ChannelBinding, ChannelDelivery, Message, Participant, Thread } from "../thread/Thread.ts"
import { Widget } from "../widget/Widget.ts"

export const registry = Registry.make({
  resources: [Widget, Thread, Participant, Message, ChannelBinding, ChannelDelivery],
  workflows: [AgentRun]
})

export const workflows = Workflow.layer(Workflow.implement(AgentRun, runAgent))
