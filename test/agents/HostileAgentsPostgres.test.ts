import * as Testing from "@tenon/testing/Testing"
import { hostileAgents } from "../support/hostileAgentSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

hostileAgents("over PostgreSQL", (registry, options) => Testing.layerPostgres(registry, { ...options, server }))
