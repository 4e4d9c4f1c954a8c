import * as Testing from "@tenon/testing/Testing"
import { examples } from "../support/exampleSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

examples("over PostgreSQL", (registry, options) => Testing.layerPostgres(registry, { ...options, server }))
