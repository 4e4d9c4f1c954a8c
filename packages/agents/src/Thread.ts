/** A thread of messages between people and an agent, with at most one active run. */
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AgentName } from "./AgentName.ts"
import { MessageKeyReused, NotYourName, QueueFull, RunOver, ThreadBusy, TooDeep } from "./AgentFailure.ts"
import {
  AgentRun,
  halt,
  isOver,
  requestedBy,
  Rerun,
  revive,
  reviveRun,
  RunAgent,
  FailedBy,
  RunEnding,
  signalStop,
  start,
  stopRun
} from "./AgentRun.ts"
import { ChannelBinding } from "./ChannelBinding.ts"
import { ChannelDelivery } from "./ChannelDelivery.ts"
import { Content, Posted } from "./Content.ts"
import { asEdited } from "./Edit.ts"
import { Message } from "./Message.ts"
import { callsOf, giveBack, ModelBudget } from "./ModelBudget.ts"
import type { ModelUsage } from "./ModelUsage.ts"
import { mayPostAs, ofPerson, Participant } from "./Participant.ts"
import { Question, QuestionStatus } from "./Question.ts"
import { admit, maxWaiting, QueuePolicy } from "./RunQueue.ts"
import { answersOf, channelsOf, keys, post, postAs, reserved, touchedByPost, withKey } from "./ThreadPost.ts"

type Run = Resource.Row<typeof AgentRun>
type NewRun = Omit<Run, "turn" | "createdAt" | "updatedAt">

/** As long as an index takes beside the thread's id, and none of the framework's own. */
const MessageKey = Schema.NonEmptyString.check(
  Schema.isMaxLength(300),
  Schema.makeFilter((key) => !key.startsWith(reserved), {
    message: `Keys that begin with ${reserved} are the framework's own; give it another`
  })
)

const Title = Schema.NonEmptyString.check(Schema.isMaxLength(500))

/** The most messages that a program reads at once. */
const maxHistory = 1000

/** How many of a run's children, and of its answers, it is told again of at most when it is revived. */
const maxTold = 1000

/**
 * How many runs of agents may be above one another, each waiting for the next: an agent that runs itself comes to an
 * end. A child beyond that is not started, and its parent is told by `ChildFailed`. Keys of runs grow with their depth,
 * so this is also about as much as there is room for.
 */
const maxDepth = 16

/** For the run's own program, which calls without a door. */
const internal = Policy.nobody

const waitingIn = (threadId: string) => Load.many(AgentRun, { threadId, status: "QUEUED" }, { limit: maxWaiting + 1 })

const refuseOver = (run: Run) => Result.fail(new RunOver({ run: run.id, status: run.status }))

/** Tells the run that waits for this one, if any, how it ended. */
const tellParent = ({ output, parent, problem, status }: Run) => {
  const ending = { status, ...(problem === undefined ? {} : { problem }), ...(output === undefined ? {} : { output }) }
  return Outcome.forEach(parent === undefined ? [] : [parent], ({ child, run }) =>
    Outcome.signal(RunAgent, { key: run, signal: "child", id: child, payload: ending })
  )
}

/** What an asking run is told of its question. */
const standing = ({ expiresAt, id, status }: Pick<Resource.Row<typeof Question>, "id" | "status" | "expiresAt">) => ({
  questionId: id,
  status,
  ...(expiresAt === undefined ? {} : { expiresAt })
})

const openOf = (threadId: string, runId: string) =>
  Load.many(Question, { threadId, runId, status: "OPEN" }, { limit: 100 })

/** Nobody waits for the answers to an ended run's questions. */
const closeAll = (open: ReadonlyArray<Resource.Row<typeof Question>>) =>
  Outcome.forEach(open, ({ id }) => Outcome.send(Question.actions.close, id, {}))

const childrenOf = (threadId: string, runId: string) =>
  Load.many(AgentRun, { threadId, parentRun: runId }, { limit: maxTold, last: "turn" })

/** Nobody waits for what an ended run's children come to: it may have had no time to stop them. */
const stopAll = (children: ReadonlyArray<Run>) =>
  Outcome.forEach(
    children.filter(({ status }) => !isOver(status)),
    (child) => halt(child, "its parent has ended")
  )

export const Thread = Resource.make("Thread", {
  durable: true,
  fields: {
    id: Field.Id,
    title: Title,
    /** The agent that answers people here; nobody does where there is none. */
    agent: Schema.optionalKey(AgentName),
    /** What a new message does while a run is active. */
    policy: QueuePolicy.pipe(Field.withDefault("enqueue")),
    activeRun: Schema.optionalKey(Schema.String),
    createdAt: Field.CreatedAt
  },
  relations: { messages: Relation.hasMany(Message, "threadId"), runs: Relation.hasMany(AgentRun, "threadId") },
  actions: (on) => {
    /** What the end of a run concerns. */
    interface Around {
      readonly waiting: ReadonlyArray<Run>
      readonly open: ReadonlyArray<Resource.Row<typeof Question>>
      readonly children: ReadonlyArray<Run>
      readonly calls: ReadonlyArray<Resource.Row<typeof ModelUsage>>
    }

    interface Self {
      readonly id: string
      readonly title: string
      readonly policy: QueuePolicy
      readonly createdAt: Run["createdAt"]
      readonly agent?: string
      readonly activeRun?: string
    }

    /** Makes a run the active one and starts it. */
    const activate = (self: Self, run: Run | NewRun) =>
      on
        .save({ ...self, activeRun: run.id })
        .pipe(Outcome.also(Outcome.save(AgentRun, { ...run, status: "RUNNING" })), start(run))

    /** Saves how a run stands at its end, tells who waits for it, and starts the run that has waited longest. */
    const end = (self: Self, run: Run, { calls, children, open, waiting }: Around) => {
      const ended = Outcome.save(AgentRun, run).pipe(
        tellParent(run),
        closeAll(open),
        stopAll(children),
        giveBack(calls)
      )
      if (self.activeRun !== run.id) return ended
      const [next] = waiting.filter(({ id }) => id !== run.id).toSorted((a, b) => a.turn - b.turn)
      if (next !== undefined) return ended.pipe(Outcome.also(activate(self, next)))
      const { activeRun: _, ...idle } = self
      return ended.pipe(Outcome.also(on.save(idle)))
    }

    return {
      create: on.create({
        input: {
          title: Title,
          agent: Schema.optionalKey(AgentName),
          policy: Schema.optionalKey(QueuePolicy)
        }
      }),

      addMessage: on.action(
        {
          description: "Posts a message. Where a person writes and the thread has an agent, it asks for a run.",
          input: { idempotencyKey: MessageKey, participantId: Schema.String, content: Posted },
          errors: [MessageKeyReused, NotYourName, ThreadBusy, QueueFull],
          load: ({ self, input }) => ({
            participant: Load.one(Participant, input.participantId),
            earlier: withKey(self.id, input.idempotencyKey),
            active: Load.many(AgentRun, { id: self.activeRun ?? "" }, { limit: 1 }),
            waiting: Load.count(AgentRun, { threadId: self.id, status: "QUEUED" }),
            channels: channelsOf(self.id)
          }),
          output: Message.schema,
          touches: [Message, ChannelDelivery, ChannelBinding.actions.wake, AgentRun, RunAgent, stopRun]
        },
        ({ input, loaded, self }, context) => {
          const [earlier] = loaded.earlier
          if (earlier !== undefined) {
            const same = earlier.participantId === input.participantId && Equal.equals(earlier.content, input.content)
            return same ? Outcome.succeed(earlier) : Result.fail(new MessageKeyReused(input))
          }
          if (!mayPostAs(input.participantId, context.actor.id)) return Result.fail(new NotYourName(input))
          const messageId = context.newId()
          const { kind } = loaded.participant
          const posted = post({ id: messageId, threadId: self.id, ...input }, kind, loaded.channels)
          if (self.agent === undefined || kind !== "HUMAN") return posted
          const admitted = admit(self.policy, self.activeRun, loaded.waiting)
          if (Result.isFailure(admitted)) return Result.fail(admitted.failure)
          const run: NewRun = {
            id: context.newId(),
            threadId: self.id,
            agent: self.agent,
            status: "QUEUED",
            messageId,
            ...requestedBy(context.actor)
          }
          const { interrupt, run: when } = admitted.success
          if (when === "now") return posted.pipe(Outcome.also(activate(self, run)))
          const told = posted.pipe(
            // For a run that its runtime has lost; one that is alive takes no notice.
            Outcome.forEach(loaded.active, (run) => revive(run)),
            Outcome.forEach(interrupt ? loaded.active : [], (active) => halt(active, "interrupted by a message"))
          )
          return when === "later" ? told.pipe(Outcome.also(Outcome.save(AgentRun, run))) : told
        }
      ),

      messages: on.stream(
        { output: Message.schema, from: ({ self }) => Load.many(Message, { threadId: self.id }) },
        ({ row }) => row
      ),

      history: on.read(
        {
          description:
            "The last messages, the oldest first, without those that were edited since and what was said of them.",
          input: {
            last: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxHistory })).pipe(Field.withDefault(100))
          },
          load: ({ self, input }) => ({
            messages: Load.many(Message, { threadId: self.id }, { limit: input.last, last: "position" })
          }),
          output: Schema.Array(Message.schema)
        },
        ({ loaded }) => asEdited(loaded.messages)
      ),

      /** Posts what a run says. */
      say: on.action(
        {
          policy: internal,
          input: { runId: Schema.String, key: Schema.String, content: Content },
          errors: [RunOver],
          load: ({ self, input }) => ({
            run: Load.one(AgentRun, input.runId),
            earlier: withKey(self.id, keys.said(input)),
            channels: channelsOf(self.id)
          }),
          output: Message.schema,
          touches: touchedByPost
        },
        ({ input, loaded: { channels, earlier, run }, self }) => {
          if (isOver(run.status)) return refuseOver(run)
          // A run that its runtime has lost says again what it said.
          const [said] = earlier
          if (said !== undefined) return Outcome.succeed(said)
          const { content } = input
          const words = { threadId: self.id, idempotencyKey: keys.said(input), content, ...answersOf(run) }
          return postAs(run.agent, words, channels)
        }
      ),

      /** Puts a run's question to the thread; once, so an answer that came before is found again. */
      ask: on.action(
        {
          policy: internal,
          input: {
            runId: Schema.String,
            questionId: Schema.String,
            prompt: Schema.String,
            schema: Schema.Json,
            expiresAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
          },
          errors: [RunOver],
          load: ({ self, input }) => ({
            run: Load.one(AgentRun, input.runId),
            question: Load.optional(Question, input.questionId),
            channels: channelsOf(self.id)
          }),
          output: Schema.Struct({
            questionId: Schema.String,
            status: QuestionStatus,
            expiresAt: Question.schema.fields.expiresAt
          }),
          touches: [...touchedByPost, AgentRun, Question]
        },
        ({ input, loaded: { channels, question, run }, self }) => {
          if (question !== undefined) return Outcome.succeed(standing(question))
          if (isOver(run.status)) return refuseOver(run)
          const { questionId, runId, ...asked } = input
          return Outcome.save(Question, { id: questionId, threadId: self.id, runId, ...asked }).pipe(
            Outcome.also(Outcome.save(AgentRun, { ...run, status: "WAITING" })),
            Outcome.also(
              postAs(
                run.agent,
                {
                  threadId: self.id,
                  idempotencyKey: keys.question(questionId),
                  content: { type: "question", questionId, ...asked },
                  ...answersOf(run)
                },
                channels
              )
            ),
            Outcome.as(standing({ ...asked, id: questionId, status: "OPEN" as const }))
          )
        }
      ),

      /** Shows an answer in the thread, and then tells the run that asked. */
      noteAnswer: on.action(
        {
          policy: internal,
          input: { questionId: Schema.String, runId: Schema.String, answeredBy: Schema.String, answer: Schema.Json },
          load: ({ self, input }) => ({
            run: Load.one(AgentRun, input.runId),
            earlier: withKey(self.id, keys.answer(input.questionId)),
            channels: channelsOf(self.id)
          }),
          touches: [...touchedByPost, RunAgent]
        },
        ({ input: { answer, answeredBy, questionId, runId }, loaded: { channels, earlier, run }, self }) => {
          const tell = Outcome.signal(RunAgent, { key: runId, signal: "answer", id: questionId, payload: answer })
          // The question has it sent here, and a run that learns of the answer first shows it by itself.
          if (earlier.length > 0) return Outcome.nothing.pipe(tell)
          const person = ofPerson(answeredBy)
          return Outcome.save(Participant, person).pipe(
            Outcome.also(
              post(
                {
                  threadId: self.id,
                  participantId: person.id,
                  idempotencyKey: keys.answer(questionId),
                  content: { type: "answer", questionId, answer },
                  ...answersOf(run)
                },
                "HUMAN",
                channels
              )
            ),
            tell,
            Outcome.as(undefined)
          )
        }
      ),

      /** Notes that a run goes on after a question. */
      goOn: on.action(
        {
          policy: internal,
          input: { runId: Schema.String },
          load: ({ self, input }) => ({ run: Load.one(AgentRun, input.runId), open: openOf(self.id, input.runId) }),
          touches: [AgentRun]
        },
        ({ loaded: { open, run } }) =>
          run.status === "WAITING" && open.length === 0
            ? Outcome.save(AgentRun, { ...run, status: "RUNNING" }).pipe(Outcome.as(undefined))
            : Outcome.nothing
      ),

      /** Starts a run for another one, which waits for its result. */
      startChild: on.action(
        {
          policy: internal,
          input: {
            runId: Schema.String,
            childId: Schema.String,
            agent: Schema.String,
            input: Schema.optionalKey(Schema.Json)
          },
          errors: [RunOver, TooDeep],
          load: ({ input }) => ({
            run: Load.one(AgentRun, input.runId),
            child: Load.optional(AgentRun, input.childId)
          }),
          output: Schema.Struct({ childId: Schema.String }),
          touches: [AgentRun, RunAgent]
        },
        ({ input: { agent, childId, input, runId }, loaded: { child, run }, self }) => {
          if (isOver(run.status)) return refuseOver(run)
          if (child !== undefined) {
            return Outcome.succeed({ childId }).pipe(isOver(child.status) ? tellParent(child) : revive(child))
          }
          const depth = 1 + (run.parent?.depth ?? 0)
          if (depth > maxDepth) return Result.fail(new TooDeep({ depth, limit: maxDepth }))
          const started: NewRun = {
            id: childId,
            threadId: self.id,
            agent,
            ...(input === undefined ? {} : { input }),
            parent: { run: runId, child: childId, depth },
            parentRun: runId,
            status: "RUNNING",
            ...(run.messageId === undefined ? {} : { messageId: run.messageId }),
            requestedBy: run.requestedBy,
            ...(run.requestedAs === undefined ? {} : { requestedAs: run.requestedAs })
          }
          return Outcome.save(AgentRun, started).pipe(start(started), Outcome.as({ childId }))
        }
      ),

      /**
       * Starts a run again where its runtime has lost it. What it waits for may have come meanwhile, with nobody there
       * to hear of it: so it is told again, and its children are started again too. One that is alive takes no notice.
       */
      reviveRun: on.action(
        {
          policy: internal,
          input: { runId: Schema.String },
          load: ({ self, input }) => ({
            run: Load.one(AgentRun, input.runId),
            answered: Load.many(
              Question,
              { threadId: self.id, runId: input.runId, status: "ANSWERED" },
              { limit: maxTold, last: "createdAt" }
            ),
            children: childrenOf(self.id, input.runId)
          }),
          touches: () => [RunAgent, reviveRun]
        },
        ({ input: { runId }, loaded: { answered, children, run }, self }) => {
          if (isOver(run.status) || run.status === "QUEUED") return Outcome.nothing
          return Outcome.nothing.pipe(
            revive(run),
            Outcome.forEach(answered, ({ answer, id }) =>
              Outcome.signal(RunAgent, { key: runId, signal: "answer", id, payload: answer ?? null })
            ),
            Outcome.forEach(children, (child) =>
              isOver(child.status) ? tellParent(child) : Outcome.send(reviveRun, self.id, { runId: child.id })
            )
          )
        }
      ),

      /** Notes how a run ended, says so in the thread where it failed, and starts the next. */
      endRun: on.action(
        {
          policy: internal,
          input: { runId: Schema.String, ...FailedBy.fields, ...RunEnding.fields },
          load: ({ self, input }) => ({
            run: Load.one(AgentRun, input.runId),
            waiting: waitingIn(self.id),
            open: openOf(self.id, input.runId),
            children: childrenOf(self.id, input.runId),
            calls: callsOf(input.runId),
            channels: channelsOf(self.id)
          }),
          output: FailedBy,
          touches: () => [
            ...touchedByPost,
            AgentRun,
            RunAgent,
            Question.actions.close,
            ModelBudget.actions.settle,
            stopRun
          ]
        },
        ({ input: { failedBy, runId, ...outcome }, loaded: { channels, run, ...around }, self }) => {
          const from = failedBy === undefined ? {} : { failedBy }
          if (isOver(run.status)) return Outcome.succeed(from)
          const { problem = "unknown", status } = outcome
          const content = { type: "failure" as const, run: runId, message: problem }
          const failure = postAs(
            run.agent,
            { threadId: self.id, idempotencyKey: keys.failure(runId), content, ...answersOf(run) },
            channels
          )
          return end(self, { ...run, ...outcome }, around).pipe(
            Outcome.when(status === "FAILED", Outcome.also(failure)),
            Outcome.as(from)
          )
        }
      ),

      /** Ends a run that waits its turn, or has not stopped by itself in time. */
      stopRun: on.action(
        {
          policy: internal,
          input: { runId: Schema.String, reason: Schema.String },
          load: ({ self, input }) => ({
            run: Load.one(AgentRun, input.runId),
            waiting: waitingIn(self.id),
            open: openOf(self.id, input.runId),
            children: childrenOf(self.id, input.runId),
            calls: callsOf(input.runId)
          }),
          touches: () => [AgentRun, RunAgent, Question.actions.close, ModelBudget.actions.settle, stopRun]
        },
        ({ input: { reason }, loaded: { run, ...around }, self }) =>
          isOver(run.status)
            ? Outcome.nothing
            : end(self, { ...run, status: "CANCELLED", problem: reason }, around).pipe(
                Outcome.when(run.status !== "QUEUED", signalStop(run.id, reason)),
                Outcome.as(undefined)
              )
      ),

      /** Runs something again, in a run of its own, when its turn comes. */
      rerun: on.action(
        {
          policy: internal,
          input: Rerun,
          load: ({ self, input }) => ({
            run: Load.one(AgentRun, input.runId),
            waiting: waitingIn(self.id),
            channels: channelsOf(self.id)
          }),
          touches: () => [...touchedByPost, AgentRun, RunAgent]
        },
        ({ input: { edited, newRunId, operations, runId }, loaded: { channels, run, waiting }, self }, context) => {
          const { agent, input } = run
          const messageId = edited === undefined ? run.messageId : context.newId()
          const again: NewRun = {
            id: newRunId,
            threadId: self.id,
            agent,
            ...(input === undefined ? {} : { input }),
            ...(messageId === undefined ? {} : { messageId }),
            status: "QUEUED",
            ...(edited === undefined
              ? { fork: { run: runId, ...(operations === undefined ? {} : { operations }) } }
              : {}),
            ...requestedBy(context.actor)
          }
          const problem = `${maxWaiting} runs wait in this thread already.`
          const begun =
            self.activeRun === undefined
              ? activate(self, again)
              : waiting.length < maxWaiting
                ? Outcome.save(AgentRun, again)
                : Outcome.save(AgentRun, { ...again, status: "CANCELLED", problem })
          if (edited === undefined || messageId === undefined) return begun.pipe(Outcome.as(undefined))
          const message = {
            id: messageId,
            threadId: self.id,
            idempotencyKey: keys.edit(newRunId),
            replaces: { message: run.messageId ?? "", run: runId },
            ...edited
          }
          return post(message, "HUMAN", channels).pipe(Outcome.also(begun), Outcome.as(undefined))
        }
      )
    }
  }
})
