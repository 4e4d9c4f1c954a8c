/**
 * Runs of agents: a row that says what became of each, and the workflow that does it. The row is the truth about a
 * run's life; the runtime's journal is the truth about its steps.
 *
 * Only actions of the thread write these rows, one at a time, so two of them never disagree about which run is active.
 */
import * as Action from "@tenon/core/Action"
import { Actor, type Principal } from "@tenon/core/Actor"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Workflow from "@tenon/core/Workflow"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { NothingToEdit, NotYourName, RunDone, RunGoesOn, RunOver } from "./AgentFailure.ts"
import { Posted } from "./Content.ts"
import { Message } from "./Message.ts"
import { mayPostAs } from "./Participant.ts"

/** `WAITING` is for a person; `QUEUED` is for the thread's active run to end. */
export const RunStatus = Schema.Literals(["QUEUED", "RUNNING", "WAITING", "DONE", "FAILED", "CANCELLED"])
export type RunStatus = typeof RunStatus.Type

/** Whether nothing more happens in a run with this status. */
export const isOver = (status: RunStatus): boolean => status === "DONE" || status === "FAILED" || status === "CANCELLED"

/** Another run whose first operations this one takes over; without a number, all before the one that it failed by. */
export const Fork = Schema.Struct({ run: Schema.String, operations: Schema.optionalKey(Schema.Int) })

/** The run that waits for this one's result; `depth` is how many runs are above this one. */
export const Parent = Schema.Struct({
  run: Schema.String,
  child: Schema.String,
  depth: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))
})

/** What an actor is besides its id and tenant. */
export const RequestedAs = Schema.Struct({ kind: Actor.fields.kind, roles: Actor.fields.roles })

/** How a run ended, as its thread and a parent that waits for it are told. */
export const RunEnding = Schema.Struct({
  status: Schema.Literals(["DONE", "FAILED", "CANCELLED"]),
  problem: Schema.optionalKey(Schema.String),
  output: Schema.optionalKey(Schema.Json)
})
export type RunEnding = typeof RunEnding.Type

/**
 * Which of the failures that a run was handed it has ended by, counted from the last; or what its model said last, or a
 * bug of its program; absent where it is none of these, as where the program has made another failure of one.
 */
export const FailedBy = Schema.Struct({
  failedBy: Schema.optionalKey(Schema.Union([Schema.Int, Schema.Literals(["model", "bug"])]))
})

const what = {
  threadId: Schema.String,
  agent: Schema.String,
  input: Schema.optionalKey(Schema.Json),
  parent: Schema.optionalKey(Parent)
}

/** The program of an agent, run for a thread. Its key is the run's. */
export const RunAgent = Workflow.make("RunAgent", {
  input: what,
  signals: {
    /** Ends the run at once: what it is doing is interrupted. */
    stop: Schema.Struct({ reason: Schema.String }),
    /** The answer to a question, told apart by the question's key. */
    answer: Schema.Json,
    /** What a child run came to, told apart by the child's key. */
    child: Schema.Json
  }
})

/** How long a run may take to stop by itself before it counts as cancelled, and is left where it stands. */
export const grace = "10 seconds"

/** Ends a run that has not ended by itself. */
export const stopRun = Action.ref("Thread", "stopRun", { input: { runId: Schema.String, reason: Schema.String } })
/** Starts a run again where its runtime has lost it, with its children and all that it was told. */
export const reviveRun = Action.ref("Thread", "reviveRun", { input: { runId: Schema.String } })
/** What is said in the place of the message that a run answers, and by whom. */
export const Edited = Schema.Struct({ participantId: Schema.String, content: Posted })

/** A run that is done again: with its first operations, or for an edited message and from its beginning. */
export const Rerun = {
  runId: Schema.String,
  newRunId: Schema.String,
  operations: Schema.optionalKey(Schema.Int),
  edited: Schema.optionalKey(Edited)
}
const rerun = Action.ref("Thread", "rerun", { input: Rerun })

/** The id of the run that was asked for. */
const NewRun = Schema.Struct({ runId: Schema.String })

export const AgentRun = Resource.make("AgentRun", {
  fields: {
    id: Field.Id,
    ...what,
    /** The run of `parent`, by which its children are found. */
    parentRun: Schema.optionalKey(Schema.String),
    status: RunStatus,
    /** Its place among the thread's runs: those that wait begin in this order. */
    turn: Field.Position("threadId"),
    fork: Schema.optionalKey(Fork),
    /** The message that it answers, for itself or for its parent. */
    messageId: Schema.optionalKey(Schema.String),
    /** Who asked for it. */
    requestedBy: Schema.String,
    /** As what they asked: a run that is lost goes on as theirs. */
    requestedAs: Schema.optionalKey(RequestedAs).pipe(Field.sensitive),
    /** Why it failed or was cancelled. */
    problem: Schema.optionalKey(Schema.String),
    output: Schema.optionalKey(Schema.Json),
    createdAt: Field.CreatedAt,
    updatedAt: Field.UpdatedAt
  },
  indexes: [["threadId", "status"], ["status", "updatedAt"], ["parentRun"]],
  relations: { thread: Relation.belongsTo("Thread", "threadId", { onRemove: "cascade" }) },
  watch: { workflow: RunAgent, field: "status", until: RunStatus.literals.filter(isOver) },
  // One is cancelled as soon as it is asked for where too many wait already.
  initial: { status: ["QUEUED", "RUNNING", "CANCELLED"] },
  transitions: {
    status: {
      QUEUED: ["RUNNING", "CANCELLED"],
      RUNNING: ["WAITING", "DONE", "FAILED", "CANCELLED"],
      WAITING: ["RUNNING", "DONE", "FAILED", "CANCELLED"]
    }
  },
  actions: (on) => ({
    cancel: on.action(
      {
        description: "Stops the run: what it is doing is interrupted, and the thread goes on to what waits.",
        errors: [RunOver],
        touches: () => [RunAgent, stopRun]
      },
      ({ self }) => {
        if (isOver(self.status)) return Result.fail(new RunOver({ run: self.id, status: self.status }))
        const reason = "cancelled"
        if (self.status === "QUEUED")
          return Outcome.nothing.pipe(Outcome.send(stopRun, self.threadId, { runId: self.id, reason }))
        return Outcome.nothing.pipe(halt(self, reason))
      }
    ),
    resume: on.action(
      {
        description: "Starts the run again where its runtime has lost it; a run that is alive takes no notice.",
        errors: [RunOver],
        touches: () => [reviveRun]
      },
      ({ self }) =>
        isOver(self.status)
          ? Result.fail(new RunOver({ run: self.id, status: self.status }))
          : self.status === "QUEUED"
            ? Outcome.nothing
            : Outcome.nothing.pipe(Outcome.send(reviveRun, self.threadId, { runId: self.id }))
    ),
    retry: on.action(
      {
        description:
          "Runs a run that failed or was cancelled again, in a run of its own that takes over what it did before the operation that it failed by.",
        output: NewRun,
        errors: [RunGoesOn, RunDone],
        touches: () => [rerun]
      },
      ({ self }, context) =>
        self.status === "DONE" ? Result.fail(new RunDone({ run: self.id })) : again(self, context.newId(), {})
    ),
    fork: on.action(
      {
        description:
          "Runs a run that is over again, however it ended, in a run of its own that takes over the first operations of " +
          "this one.",
        input: { operations: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) },
        output: NewRun,
        errors: [RunGoesOn],
        touches: () => [rerun]
      },
      ({ input, self }, context) => again(self, context.newId(), input)
    ),
    edit: on.action(
      {
        description:
          "Posts the message that a run has answered anew, with other content, and has that answered by a run of its own. " +
          "Agents read neither the first message any more nor what the run said of it.",
        input: { content: Posted },
        output: NewRun,
        errors: [RunGoesOn, NothingToEdit, NotYourName],
        load: ({ self }) => ({ messages: Load.many(Message, { id: self.messageId ?? "" }, { limit: 1 }) }),
        touches: () => [rerun]
      },
      ({ input: { content }, loaded: { messages }, self }, context) => {
        const [message] = messages
        if (message === undefined || self.parent !== undefined) return Result.fail(new NothingToEdit({ run: self.id }))
        const { participantId } = message
        if (!mayPostAs(participantId, context.actor.id)) return Result.fail(new NotYourName({ participantId }))
        return again(self, context.newId(), { edited: { participantId, content } })
      }
    )
  })
})

/** What there is to know of a run that is to start. */
interface Startable extends Schema.Struct.Type<typeof what> {
  readonly id: string
  readonly requestedBy: string
  readonly requestedAs?: typeof RequestedAs.Type
  readonly fork?: typeof Fork.Type
}

/** What is kept of who asks for a run. */
export const requestedBy = ({ id, kind, roles }: Actor) => ({ requestedBy: id, requestedAs: { kind, roles } })

/** Asks a run to stop. */
export const signalStop = (key: string, reason: string) =>
  Outcome.signal(RunAgent, { key, signal: "stop", payload: { reason } })

/** Stops a run: by a signal, and for good where it has not stopped by itself in time. */
export const halt =
  ({ id, threadId }: { readonly id: string; readonly threadId: string }, reason: string) =>
  <A>(outcome: Outcome.Outcome<A>) =>
    outcome.pipe(signalStop(id, reason), Outcome.send(stopRun, threadId, { runId: id, reason }, { delay: grace }))

/** On whose behalf a run is done, whoever it is that sets it going: it does nothing under the rights of another. */
export const principalOf = ({
  requestedAs,
  requestedBy
}: Pick<Startable, "requestedBy" | "requestedAs">): Principal => ({
  id: requestedBy,
  // What they asked as was not kept at first: such a run has the rights of nobody.
  ...(requestedAs ?? { kind: "user", roles: [] })
})

/** Starts a run's workflow, as whoever asked for the run. */
export const start = (run: Startable) => {
  const { fork } = run
  const other = fork === undefined ? undefined : { key: fork.run, ...withOperations(fork.operations) }
  return Outcome.startWorkflow(RunAgent, {
    key: run.id,
    input: inputOf(run),
    as: principalOf(run),
    ...(other === undefined ? {} : { fork: other })
  })
}

/**
 * Starts it again where its runtime has lost it, with all that is recorded of it. A workflow is started once per key,
 * so a run that is alive stays as it is.
 */
export const revive = (run: Startable) =>
  Outcome.startWorkflow(RunAgent, { key: run.id, input: inputOf(run), as: principalOf(run), fork: { key: run.id } })

/** What its workflow is started with. */
export const inputOf = ({ agent, input, parent, threadId }: Startable): Workflow.InputOf<typeof RunAgent> => ({
  threadId,
  agent,
  ...(input === undefined ? {} : { input }),
  ...(parent === undefined ? {} : { parent })
})

const withOperations = (operations: number | undefined) => (operations === undefined ? {} : { operations })

/** Runs it again where it is over. What a run that goes on has done so far is not settled yet: it may still fail. */
const again = (
  { id, status, threadId }: { readonly id: string; readonly threadId: string; readonly status: RunStatus },
  newRunId: string,
  how: { readonly operations?: number; readonly edited?: typeof Edited.Type }
) =>
  isOver(status)
    ? Result.succeed(
        Outcome.succeed({ runId: newRunId }).pipe(Outcome.send(rerun, threadId, { runId: id, newRunId, ...how }))
      )
    : Result.fail(new RunGoesOn({ run: id, status }))
