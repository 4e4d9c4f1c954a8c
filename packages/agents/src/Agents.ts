/** All that an application with agents adds to its registry. */
import { AgentRun, RunAgent } from "./AgentRun.ts"
import { ChannelBinding, ChannelDelivery } from "./Channel.ts"
import { Message } from "./Message.ts"
import { ModelBudget } from "./ModelBudget.ts"
import { ModelUsage } from "./ModelUsage.ts"
import { Participant } from "./Participant.ts"
import { Question } from "./Question.ts"
import { Thread } from "./Thread.ts"

export { implement } from "./AgentProgram.ts"

/** Threads and what belongs to them. */
export const resources = [
  Thread,
  Participant,
  Message,
  AgentRun,
  Question,
  ChannelBinding,
  ChannelDelivery,
  ModelUsage,
  ModelBudget
] as const

/** The workflow that runs agents. */
export const workflows = [RunAgent] as const
