import * as ChannelSecrecy from "../support/channelSecrecy.ts"
import * as Testing from "@tenon/testing/Testing"
import { channelCrashes } from "../support/channelCrashes.ts"
import { channels } from "../support/channelSuite.ts"

channels("in memory", Testing.layer)
channelCrashes("in memory", Testing.layer)
ChannelSecrecy.logsAndTraces("in memory", Testing.layer)
