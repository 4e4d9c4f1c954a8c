import * as Testing from "@tenon/testing/Testing"
import { hostileAgents } from "../support/hostileAgentSuite.ts"

hostileAgents("in memory", Testing.layer)
