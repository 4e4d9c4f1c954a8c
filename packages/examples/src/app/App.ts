/** The examples as one application: widgets and payments, and threads in which agents answer. */
import * as Agents from "@tenon/agents/Agents"
import * as Registry from "@tenon/core/Registry"
import * as Workflow from "@tenon/core/Workflow"
import * as Layer from "effect/Layer"
import { Payment, refund } from "../agents/Refund.ts"
import * as Research from "../agents/Research.ts"
import * as Weather from "../agents/Weather.ts"
import { Widget } from "../widget/Widget.ts"

export const registry = Registry.make({
  resources: [Widget, Payment, ...Agents.resources],
  workflows: Agents.workflows
})

const agents = Agents.implement(Weather.weather, refund, Research.research, Research.researcher)

export const workflows = Workflow.layer(agents).pipe(Layer.provide([Weather.layerFixed, Research.layerFixed]))
