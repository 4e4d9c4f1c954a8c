import * as Testing from "@tenon/testing/Testing"
import { models } from "../support/modelSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

models("over PostgreSQL", (registry, options) => Testing.layerPostgres(registry, { ...options, server }))
