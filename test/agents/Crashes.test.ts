import * as Testing from "@tenon/testing/Testing"
import { agentCrashes } from "../support/agentCrashes.ts"

agentCrashes("in memory", Testing.layer)
