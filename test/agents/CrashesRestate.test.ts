import * as Testing from "@tenon/testing/Testing"
import { agentCrashes } from "../support/agentCrashes.ts"

agentCrashes("over PostgreSQL and Restate", Testing.layerRestate)
