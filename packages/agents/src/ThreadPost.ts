/** How a message comes into a thread, and to the channels that are bound to it: parts of the thread's own actions. */
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import type * as Resource from "@tenon/core/Resource"
import { ChannelBinding, deliverTo, passes } from "./ChannelBinding.ts"
import { ChannelDelivery } from "./ChannelDelivery.ts"
import { Message } from "./Message.ts"
import { ofAgent, Participant } from "./Participant.ts"

/** The message of a thread with an idempotency key, where there is one. */
export const withKey = (threadId: string, idempotencyKey: string) =>
  Load.many(Message, { threadId, idempotencyKey }, { limit: 1 })
export const channelsOf = (threadId: string) => Load.many(ChannelBinding, { threadId })

/** Whoever posts with a key that begins so could post in the place of a run. */
export const reserved = "tenon/"

/** Idempotency keys of what the framework posts. */
export const keys = {
  said: ({ key, runId }: { readonly runId: string; readonly key: string }) => `${reserved}said/${runId}/${key}`,
  question: (questionId: string) => `${reserved}question/${questionId}`,
  answer: (questionId: string) => `${reserved}answer/${questionId}`,
  failure: (runId: string) => `${reserved}failure/${runId}`,
  edit: (newRunId: string) => `${reserved}edit/${newRunId}`
}

/** What a message that belongs to a run says of the message that the run answers. */
export const answersOf = ({ messageId }: { readonly messageId?: string }) =>
  messageId === undefined ? {} : { answers: messageId }

/** Saves a message and, for every channel that it goes to, a delivery that waits. */
export const post = (
  draft: Resource.Draft<typeof Message>,
  from: Resource.Row<typeof Participant>["kind"],
  channels: ReadonlyArray<Resource.Row<typeof ChannelBinding>>
): Outcome.Outcome<Resource.Row<typeof Message>> =>
  Outcome.save(Message, draft).pipe(
    Outcome.forEach(
      channels.filter(({ filter }) => passes(filter, draft.content.type, from)),
      (binding) => deliverTo(binding, draft.idempotencyKey)
    )
  )

/** The same as an agent, which becomes a participant of the tenant with its first words. */
export const postAs = (
  agent: string,
  draft: Omit<Resource.Draft<typeof Message>, "participantId">,
  channels: ReadonlyArray<Resource.Row<typeof ChannelBinding>>
) =>
  Outcome.save(Participant, ofAgent(agent)).pipe(
    Outcome.andThen(post({ ...draft, participantId: ofAgent(agent).id }, "AGENT", channels))
  )

export const touchedByPost = [Message, Participant, ChannelDelivery, ChannelBinding.actions.wake]
