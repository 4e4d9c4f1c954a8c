import * as Testing from "@tenon/testing/Testing"
import { aroundModels, modelCrashes } from "../support/modelCrashes.ts"
import { server } from "../support/ScratchDatabase.ts"

modelCrashes(
  "over PostgreSQL",
  (registry, options) => Testing.layerPostgres(registry, { ...options, server }),
  aroundModels
)
