import * as RunEventsMemory from "@tenon/core/RunEventsMemory"
import { runEvents } from "../support/runEventSuite.ts"

runEvents("in memory", RunEventsMemory.layer)
