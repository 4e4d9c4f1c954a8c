import * as Testing from "@tenon/testing/Testing"
import { agents } from "../support/agentSuite.ts"

agents("over PostgreSQL and Restate", Testing.layerRestate)
