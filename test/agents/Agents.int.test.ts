import * as Testing from "@tenon/testing/Testing"
import { agents } from "../support/agentSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

agents("over PostgreSQL", (registry, options) => Testing.layerPostgres(registry, { ...options, server }))
