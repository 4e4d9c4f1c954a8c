import * as Testing from "@tenon/testing/Testing"
import { agents } from "../support/agentSuite.ts"

agents("in memory", Testing.layer)
