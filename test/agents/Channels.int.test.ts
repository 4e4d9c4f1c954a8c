import * as Testing from "@tenon/testing/Testing"
import { channels } from "../support/channelSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

channels("over PostgreSQL", (registry, options) => Testing.layerPostgres(registry, { ...options, server }))
