/** The run that what a person writes in a thread starts: a host thanks for it, once, whatever crashes meanwhile. */
import { Durable } from "@tenon/core/Durable"
import * as Workflow from "@tenon/core/Workflow"
import * as Effect from "effect/Effect"
import { AgentRun, Participant, Thread } from "./Thread.ts"

export const reply = Workflow.implement(
  AgentRun,
  Effect.fnUntraced(function* ({ threadId }) {
    const durable = yield* Durable
    const { key } = durable
    const host = yield* durable.call(Participant.actions.create, key, { kind: "AGENT", name: "host" })
    const thanks = { idempotencyKey: key, participantId: host.id, content: "Thank you." }
    yield* durable.call(Thread.actions.addMessage, threadId, thanks)
  })
)
