import * as Testing from "@tenon/testing/Testing"
import { channels } from "../support/channelSuite.ts"

channels("over PostgreSQL and Restate", Testing.layerRestate)
