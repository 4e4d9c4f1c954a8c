/** The kind of channel that writes to the application's log. */
import * as Schema from "effect/Schema"
import * as ChannelKind from "./ChannelKind.ts"

/** `text` says whether the log holds what was said; it does not unless told so. */
export const kind = ChannelKind.make("log", Schema.Struct({ text: Schema.optionalKey(Schema.Boolean) }))
