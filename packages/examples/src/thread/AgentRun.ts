/** What an agent run does when a person writes: it takes note, in a step of its own. Durable agents come with `agents`. */
import { Durable } from "@tenon/core/Durable"
import * as Effect from "effect/Effect"

export const runAgent = Effect.fn("AgentRun")(function* ({ threadId }: { readonly threadId: string }) {
  const durable = yield* Durable
  yield* durable.step("take note", Effect.logDebug("A person wrote", { threadId, run: durable.key }))
})
