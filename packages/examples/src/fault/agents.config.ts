/** The application whose agents the fault scenarios break. */
import * as TenonConfig from "@tenon/cli/TenonConfig"
import { registry, workflows } from "./FaultAgents.ts"

export default TenonConfig.define({ directory: import.meta.dirname, title: "Agents to break", registry, workflows })
