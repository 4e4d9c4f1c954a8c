/** The examples as one application: widgets and payments, a forum's threads, and threads in which agents answer. */
import * as Agents from "@tenon/agents/Agents"
import * as Registry from "@tenon/core/Registry"
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

export const workflows = Agents.layer(
  Weather.weather,
  refund,
  Research.research,
  Research.researcher,
  Assistant.assistant,
  reply
).pipe(Layer.provide([Weather.layerFixed, Research.layerFixed, Assistant.layerModel]))
