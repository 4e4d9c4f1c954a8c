import * as Testing from "@tenon/testing/Testing"
import { eventStreams } from "../support/eventStreamSuite.ts"

eventStreams("in memory", Testing.layer)
