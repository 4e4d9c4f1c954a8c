/** The thread's resources and its workflow, collected. */
import * as Registry from "@tenon/core/Registry"
import { Widget } from "../widget/Widget.ts"
import { AgentRun, ChannelBinding, ChannelDelivery, Message, Participant, Thread } from "./Thread.ts"

export const resources = [Thread, Participant, Message, ChannelBinding, ChannelDelivery] as const

export const workflows = [AgentRun] as const

/** With the widget, for tests that need no agents. */
export const registry = Registry.make({ resources: [Widget, ...resources], workflows })
