import * as Testing from "@tenon/testing/Testing"
import { eventStreams } from "../support/eventStreamSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

eventStreams("over PostgreSQL", (registry, options) => Testing.layerPostgres(registry, { ...options, server }))
