/** What a run posts to its thread as the agent, and tells those who watch it. */
import type * as Resource from "@tenon/core/Resource"
import * as Effect from "effect/Effect"
import * as Content from "./Content.ts"
import type { Message } from "./Message.ts"
import { type Run, settled } from "./RunSetting.ts"
import { Thread } from "./Thread.ts"

/** Posts words or data. */
export const say = (
  { durable, events, nextKey, threadId }: Run,
  content: string | Content.Posted
): Effect.Effect<Resource.Row<typeof Message>> =>
  Effect.suspend(() => {
    const key = nextKey("message")
    const words = typeof content === "string" ? Content.text(content) : content
    return Effect.tap(
      settled(durable.call(Thread.actions.say, threadId, { runId: durable.key, key, content: words })),
      ({ id, position }) =>
        events.publish(durable.actor, durable.key, { type: "message", data: { messageId: id, position }, key })
    )
  })
