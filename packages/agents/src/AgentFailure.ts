/** What threads, runs and questions may refuse. */
import * as Schema from "effect/Schema"

/** A message of the thread has this idempotency key already, with another author or content. */
export class MessageKeyReused extends Schema.TaggedError<MessageKeyReused>()(
  "MessageKeyReused",
  { idempotencyKey: Schema.String },
  { httpStatus: 409, description: "Another message of the thread has this idempotency key." }
) {
  override get message() {
    return `Another message of this thread has the idempotency key ${JSON.stringify(this.idempotencyKey)}; give this one its own.`
  }
}

/** Agents speak for themselves, and so do people who were given a participant of their own by answering. */
export class NotYourName extends Schema.TaggedError<NotYourName>()(
  "NotYourName",
  { participantId: Schema.String },
  { httpStatus: 403, description: "Only the agent or person itself posts as this participant." }
) {
  override get message() {
    return `Nobody else posts as ${JSON.stringify(this.participantId)}; create a participant and post as that.`
  }
}

/** The thread's policy takes no message while a run is active. */
export class ThreadBusy extends Schema.TaggedError<ThreadBusy>()(
  "ThreadBusy",
  { run: Schema.String },
  { httpStatus: 409, retryable: true, description: "A run is active, and the thread takes no message meanwhile." }
) {
  override get message() {
    return `The run ${this.run} is active, and this thread takes no message meanwhile. Wait for it to end or cancel it.`
  }
}

/** Too many runs wait in the thread. */
export class QueueFull extends Schema.TaggedError<QueueFull>()(
  "QueueFull",
  { limit: Schema.Int },
  { httpStatus: 429, retryable: true, description: "Too many runs wait in the thread." }
) {
  override get message() {
    return `${this.limit} runs wait in this thread already. Wait for some to end or cancel them.`
  }
}

/** The run has ended, so this can no longer be done to it. */
export class RunOver extends Schema.TaggedError<RunOver>()(
  "RunOver",
  { run: Schema.String, status: Schema.String },
  { httpStatus: 409, description: "The run has ended." }
) {
  override get message() {
    return `The run ${this.run} is over: ${this.status}.`
  }
}

/** The run goes on, and only one that is over is run again. */
export class RunGoesOn extends Schema.TaggedError<RunGoesOn>()(
  "RunGoesOn",
  { run: Schema.String, status: Schema.String },
  { httpStatus: 409, description: "The run goes on; cancel it first." }
) {
  override get message() {
    return `The run ${this.run} goes on: ${this.status}. Cancel it first, or wait for its end.`
  }
}

/** The run did all that it had to do, so nothing of it is left to try again. */
export class RunDone extends Schema.TaggedError<RunDone>()(
  "RunDone",
  { run: Schema.String },
  { httpStatus: 409, description: "The run has done its work; fork it from one of its operations instead." }
) {
  override get message() {
    return `The run ${this.run} has done its work. Fork it from one of its operations to run that again.`
  }
}

/** The run answers no message that could be edited: another agent asked for it. */
export class NothingToEdit extends Schema.TaggedError<NothingToEdit>()(
  "NothingToEdit",
  { run: Schema.String },
  { httpStatus: 409, description: "The run answers no message." }
) {
  override get message() {
    return `The run ${this.run} answers no message that could be edited. Edit the one that its parent answers.`
  }
}

/** An agent runs others, which run others, and so on: further down than they may. */
export class TooDeep extends Schema.TaggedError<TooDeep>()(
  "TooDeep",
  { depth: Schema.Int, limit: Schema.Int },
  { httpStatus: 409, description: "Agents run one another too deep." }
) {
  override get message() {
    return `Agents run one another ${this.limit} deep at most, and this would be ${this.depth} deep.`
  }
}

/** Somebody has answered the question before; the first answer counts. */
export class AlreadyAnswered extends Schema.TaggedError<AlreadyAnswered>()(
  "AlreadyAnswered",
  { question: Schema.String, answeredBy: Schema.String },
  { httpStatus: 409, description: "The question has been answered." }
) {
  override get message() {
    return `The question ${this.question} was answered by ${this.answeredBy}; the first answer counts.`
  }
}

/** The question's time has passed, or the run that asked it has ended. */
export class QuestionClosed extends Schema.TaggedError<QuestionClosed>()(
  "QuestionClosed",
  { question: Schema.String },
  { httpStatus: 410, description: "The question takes no answer any more." }
) {
  override get message() {
    return `The question ${this.question} takes no answer any more.`
  }
}

/** The answer does not fit the question's schema; `reasons` lists every fault. */
export class AnswerInvalid extends Schema.TaggedError<AnswerInvalid>()(
  "AnswerInvalid",
  { question: Schema.String, reasons: Schema.Array(Schema.String) },
  { httpStatus: 422, description: "The answer does not fit the question's schema; every fault is listed." }
) {
  override get message() {
    return `The answer does not fit. ${this.reasons.join("; ")}`
  }
}

/** An answer is shown under a name made from who gives it, and this id is too long for that. */
export class NoParticipant extends Schema.TaggedError<NoParticipant>()(
  "NoParticipant",
  { actor: Schema.String },
  { httpStatus: 403, description: "The caller's id is too long to be shown in a thread." }
) {
  override get message() {
    return `The id ${JSON.stringify(this.actor)} is too long to be shown in a thread; answer under one of 193 characters at most.`
  }
}

/** Nobody answered in time. */
export class AskExpired extends Schema.TaggedError<AskExpired>()("AskExpired", { question: Schema.String }) {
  override get message() {
    return `Nobody answered the question ${this.question} in time.`
  }
}

/** A child run failed or was cancelled. */
export class ChildFailed extends Schema.TaggedError<ChildFailed>()("ChildFailed", {
  run: Schema.String,
  agent: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `The agent ${this.agent} did not finish: ${this.problem}`
  }
}
