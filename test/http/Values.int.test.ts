import * as Testing from "@tenon/testing/Testing"
import { server } from "../support/ScratchDatabase.ts"
import { registry, values } from "../support/valuesSuite.ts"

values("over PostgreSQL", Testing.layerPostgres(registry, { server }))
