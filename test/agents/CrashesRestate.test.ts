import * as Testing from "@tenon/testing/Testing"
import { agentCrashes, tellingPlaces } from "../support/agentCrashes.ts"

agentCrashes("over PostgreSQL and Restate", Testing.layerRestate, tellingPlaces("executed", "journaled"))
