/** The thread's resources and its workflow, collected. */
import * as Registry from "@tenon/core/Registry"
import { Widget } from "../widget/Widget.ts"
import { AgentRun, ChannelBinding, ChannelDelivery, Message, Participant, Thread } from "./Thread.ts"

export const registry = Registry.make({
  resources: [Widget, Thread, Participant, Message, ChannelBinding, ChannelDelivery],
  workflows: [AgentRun]
})
