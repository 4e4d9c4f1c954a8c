/** The examples as one application: widgets and payments, a forum's threads, and threads in which agents answer. */
import * as Agents from "@tenon/agents/Agents"
import * as ChannelAdapter from "@tenon/agents/ChannelAdapter"
import * as ChannelLog from "@tenon/agents/ChannelLog"
import * as Channels from "@tenon/agents/Channels"
import * as ChannelWebhook from "@tenon/agents/ChannelWebhook"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Workflow from "@tenon/core/Workflow"
import * as Layer from "effect/Layer"
import * as Assistant from "../agents/Assistant.ts"
import { Payment, refund } from "../agents/Refund.ts"
import * as Research from "../agents/Research.ts"
import * as Weather from "../agents/Weather.ts"
import * as Forum from "../thread/Registry.ts"
import { reply } from "../thread/Reply.ts"
import { Widget } from "../widget/Widget.ts"

export const registry = Registry.make({
  resources: [Widget, Payment, ...Forum.resources, ...Agents.resources],
  workflows: [...Forum.workflows, ...Agents.workflows]
})

const agents = Agents.implement(Weather.weather, refund, Research.research, Research.researcher, Assistant.assistant)

const adapters = ChannelAdapter.layer(ChannelLog.adapter, ChannelWebhook.adapter())

export const workflows = Workflow.layer(agents, ...Channels.implement, reply).pipe(
  Layer.provide([Weather.layerFixed, Research.layerFixed, Assistant.layerModel, adapters, Repository.layer])
)
