/** All that an application with channels adds to its registry besides `Agents.resources`, and what runs them. */
import { deliverMessages, wakeChannel } from "./ChannelProgram.ts"

/** The programs of the workflows behind channels. Put them into `Workflow.layer`. */
export const implement = [deliverMessages, wakeChannel] as const
