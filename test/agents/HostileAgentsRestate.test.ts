import * as Testing from "@tenon/testing/Testing"
import { hostileAgents } from "../support/hostileAgentSuite.ts"

hostileAgents("over PostgreSQL and Restate", Testing.layerRestate)
