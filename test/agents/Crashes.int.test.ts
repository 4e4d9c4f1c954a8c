import * as Testing from "@tenon/testing/Testing"
import { agentCrashes, tellingPlaces } from "../support/agentCrashes.ts"
import { server } from "../support/ScratchDatabase.ts"

agentCrashes(
  "over PostgreSQL",
  (registry, options) => Testing.layerPostgres(registry, { ...options, server }),
  tellingPlaces("executed")
)
