/** Channels of the kind `log`: one line of the application's log for each message. */
import * as Effect from "effect/Effect"
import * as ChannelAdapter from "./ChannelAdapter.ts"
import { kind } from "./ChannelLogKind.ts"

/** The longest text that a line holds, in UTF-16 code units. */
const maxText = 1000

/** The adapter. */
export const adapter = Effect.succeed(
  ChannelAdapter.make(kind, ({ text = false }, _secrets, { content, ...message }) =>
    Effect.logInfo(text ? JSON.stringify(content).slice(0, maxText) : "A message was posted").pipe(
      Effect.annotateLogs({ ...message })
    )
  )
)
