/** The workflows behind channels, by name; `Channels.implement` has their programs. */
import * as Workflow from "@tenon/core/Workflow"
import * as Schema from "effect/Schema"

/** Delivers what waits for one binding, one message after the other. Its key is a new one each time. */
export const DeliverMessages = Workflow.make("DeliverMessages", {
  input: { bindingId: Schema.String, channelId: Schema.String }
})

/** Sets every binding of a channel going again. */
export const WakeChannel = Workflow.make("WakeChannel", { input: { channelId: Schema.String } })
