import * as Testing from "@tenon/testing/Testing"
import { hostile, registry } from "../support/hostileSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

hostile("over PostgreSQL", Testing.layerPostgres(registry, { server }))
