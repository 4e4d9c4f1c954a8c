/** The example agents in one registry, and a conversation with them. */
import * as Agents from "@tenon/agents/Agents"
import { AgentRun } from "@tenon/agents/AgentRun"
import * as Content from "@tenon/agents/Content"
import { Message } from "@tenon/agents/Message"
import { Participant } from "@tenon/agents/Participant"
import { Question } from "@tenon/agents/Question"
import type { QueuePolicy } from "@tenon/agents/RunQueue"
import { Thread } from "@tenon/agents/Thread"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import type * as Resource from "@tenon/core/Resource"
import * as Tenon from "@tenon/core/Tenon"
import { Payment } from "@tenon/examples/agents/Refund"
import * as Testing from "@tenon/testing/Testing"
import * as Effect from "effect/Effect"

export const registry = Registry.make({
  resources: [...Agents.resources, Payment],
  workflows: [...Agents.workflows]
})

/** As `Testing.eventually`, on machines that have much else to do. */
export const eventually = <A, E, R>(look: Effect.Effect<A, E, R>, holds: (seen: A) => boolean) =>
  Testing.eventually(look, holds, { within: "1 minute" })

const rowsIn = <R extends Resource.Typed>(resource: R, threadId: string, sort: string) =>
  Effect.gen(function* () {
    const repository = yield* Repository.Repository
    const filters = [{ field: "threadId", operator: "eq" as const, value: threadId }]
    return (yield* repository.list(resource, { filters, sort, limit: "500" })).items
  })

const worded = (content: Content.Content): string =>
  content.type === "text" ? content.text : content.type === "failure" ? `! ${content.message}` : content.type

/** A new thread that an agent answers in, a person who posts to it, and what there is to see of it. */
export const conversation = Effect.fnUntraced(function* (agent: string, policy: QueuePolicy = "enqueue") {
  const thread = yield* Tenon.invoke(Thread.actions.create, { title: "talk", agent, policy })
  const ada = yield* Tenon.invoke(Participant.actions.create, { kind: "HUMAN", name: "Ada" })
  return {
    thread,
    post: (key: string, text = key) =>
      Tenon.invoke(Thread.actions.addMessage, thread.id, {
        idempotencyKey: key,
        participantId: ada.id,
        content: Content.text(text)
      }),
    runs: rowsIn(AgentRun, thread.id, "turn"),
    said: Effect.map(rowsIn(Message, thread.id, "position"), (rows) => rows.map(({ content }) => worded(content))),
    messages: rowsIn(Message, thread.id, "position"),
    questions: rowsIn(Question, thread.id, "id"),
    question: Effect.map(
      eventually(rowsIn(Question, thread.id, "id"), (rows) => rows.some(({ status }) => status === "OPEN")),
      (rows) => rows.find(({ status }) => status === "OPEN") as Resource.Row<typeof Question>
    )
  }
})
