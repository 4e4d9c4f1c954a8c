import * as Testing from "@tenon/testing/Testing"
import { channels } from "../support/channelSuite.ts"

channels("in memory", Testing.layer)
