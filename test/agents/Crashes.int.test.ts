import * as Testing from "@tenon/testing/Testing"
import { agentCrashes } from "../support/agentCrashes.ts"
import { server } from "../support/ScratchDatabase.ts"

/** Between a commit and its journal, in a step, a question, a child, a durable action and at the end. */
const telling = /^executed (forecast|look up costs|Thread\.(ask|startChild|noteAnswer|endRun)|Payment\.refund) \(1\)/

agentCrashes(
  "over PostgreSQL",
  (registry, options) => Testing.layerPostgres(registry, { ...options, server }),
  // With TENON_FAULTS=1 at every point, which takes more than a minute.
  (place) => process.env["TENON_FAULTS"] === "1" || telling.test(place)
)
