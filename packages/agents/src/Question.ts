/** What a run asks a person. The row decides which answer counts; the run waits for the signal that follows from it. */
import * as Action from "@tenon/core/Action"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AlreadyAnswered, AnswerInvalid, NoParticipant, QuestionClosed } from "./AgentFailure.ts"
import { AgentRun, isOver, revive, RunAgent } from "./AgentRun.ts"
import { Json } from "./Content.ts"
import * as JsonAnswer from "./JsonAnswer.ts"
import { ofPerson } from "./Participant.ts"

const noteAnswer = Action.ref("Thread", "noteAnswer", {
  input: { questionId: Schema.String, runId: Schema.String, answeredBy: Schema.String, answer: Schema.Json }
})

const isKey = Schema.is(Field.Identifier)

const goOn = Action.ref("Thread", "goOn", { input: { runId: Schema.String } })

export const QuestionStatus = Schema.Literals(["OPEN", "ANSWERED", "EXPIRED"])

export const Question = Resource.make("Question", {
  fields: {
    id: Field.Id,
    threadId: Schema.String,
    runId: Schema.String,
    prompt: Schema.String,
    /** The JSON Schema (2020-12) of the answer. */
    schema: Schema.Json,
    status: QuestionStatus.pipe(Field.withDefault("OPEN")),
    expiresAt: Schema.optionalKey(Schema.DateTimeUtc),
    answer: Schema.optionalKey(Schema.Json),
    answeredBy: Schema.optionalKey(Schema.String),
    answeredAt: Schema.optionalKey(Schema.DateTimeUtc),
    createdAt: Field.CreatedAt
  },
  indexes: [["threadId", "status"]],
  relations: {
    thread: Relation.belongsTo("Thread", "threadId", { onRemove: "cascade" }),
    run: Relation.belongsTo(AgentRun, "runId", { onRemove: "cascade" })
  },
  initial: { status: ["OPEN"] },
  transitions: { status: { OPEN: ["ANSWERED", "EXPIRED"] } },
  actions: (on) => ({
    answer: on.action(
      {
        description: "Answers the question; the run that asked goes on with it. The first answer that fits counts.",
        input: { answer: Json },
        errors: [AlreadyAnswered, QuestionClosed, AnswerInvalid, NoParticipant],
        load: ({ self }) => ({ run: Load.one(AgentRun, self.runId) }),
        touches: () => [RunAgent, noteAnswer]
      },
      ({ input: { answer }, loaded: { run }, self }, context) => {
        const question = self.id
        if (self.status === "ANSWERED")
          return Result.fail(new AlreadyAnswered({ question, answeredBy: self.answeredBy ?? "someone" }))
        const late = self.expiresAt !== undefined && DateTime.isLessThan(self.expiresAt, context.now)
        if (self.status === "EXPIRED" || late || isOver(run.status))
          return Result.fail(new QuestionClosed({ question }))
        const reasons = JsonAnswer.faults(self.schema, answer)
        if (reasons.length > 0) return Result.fail(new AnswerInvalid({ question, reasons }))
        const answeredBy = context.actor.id
        if (!isKey(ofPerson(answeredBy).id)) return Result.fail(new NoParticipant({ actor: answeredBy }))
        return on.save({ ...self, status: "ANSWERED", answer, answeredBy, answeredAt: context.now }).pipe(
          // Where the runtime has lost the run, this starts it again; it finds the answer in this row.
          revive(run),
          Outcome.send(noteAnswer, self.threadId, { questionId: question, runId: self.runId, answeredBy, answer }),
          Outcome.as(undefined)
        )
      }
    ),
    /** Settles what an asking run waited for: the row as it stands, closed if nobody has answered. */
    close: on.action(
      {
        policy: Policy.nobody,
        output: Schema.Struct({
          questionId: Schema.String,
          answered: Schema.optionalKey(Schema.Struct({ answer: Schema.Json, answeredBy: Schema.String }))
        }),
        touches: () => [goOn]
      },
      ({ self }) => {
        const { answer = null, answeredBy = "someone", id: questionId } = self
        if (self.status === "ANSWERED") return Outcome.succeed({ questionId, answered: { answer, answeredBy } })
        if (self.status === "EXPIRED") return Outcome.succeed({ questionId })
        return on
          .save({ ...self, status: "EXPIRED" })
          .pipe(Outcome.send(goOn, self.threadId, { runId: self.runId }), Outcome.as({ questionId }))
      }
    )
  })
})
