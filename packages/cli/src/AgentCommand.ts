/** `tenon agent`: talk to agents, and look after their runs, over the application's API. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as ApiRequest from "./ApiRequest.ts"
import * as Output from "./Output.ts"
import { print } from "./Root.ts"
import { record, replay } from "./RunRecord.ts"

const runPath = (run: string) => `/api/v1/agent-runs/${encodeURIComponent(run)}`
const text = (value: unknown): string =>
  value === undefined || value === null ? "" : Predicate.isString(value) ? value : JSON.stringify(value)

const printRows = (rows: ReadonlyArray<ApiRequest.Fields>, fields: ReadonlyArray<string>) =>
  print(
    rows,
    Output.table(
      fields.map((field) => field.toUpperCase()),
      rows.map((row) => fields.map((field) => text(row[field])))
    )
  )

const run = Argument.String("run").pipe(Argument.withDescription("The key of a run"))
const thread = Flag.String("thread").pipe(Flag.withDescription("The key of a thread"), Flag.optional)
const inThread = (of: Option.Option<string>) =>
  Option.match(of, { onNone: () => "", onSome: (key) => `&threadId=${encodeURIComponent(key)}` })

const post = Command.make(
  "post",
  {
    words: Argument.String("text").pipe(Argument.withDescription("What to say")),
    thread,
    agent: Flag.String("agent").pipe(Flag.withDescription("Who answers in a new thread"), Flag.optional),
    as: Flag.String("as").pipe(Flag.withDescription("The name of the person who speaks"), Flag.withDefault("operator"))
  },
  Effect.fn(function* ({ agent, as, thread, words }) {
    const of = Option.match(agent, { onNone: () => ({}), onSome: (name) => ({ agent: name }) })
    const threadId = Option.isSome(thread)
      ? thread.value
      : text((yield* ApiRequest.row("POST", "/api/v1/threads", { title: words.slice(0, 80), ...of }))["id"])
    const person = yield* ApiRequest.row("POST", "/api/v1/participants", { kind: "HUMAN", name: as })
    const message = yield* ApiRequest.row("POST", `/api/v1/threads/${encodeURIComponent(threadId)}/add-message`, {
      idempotencyKey: crypto.randomUUID(),
      participantId: text(person["id"]),
      content: { type: "text", text: words }
    })
    // What agents there are, only the server knows: one that is not there fails to answer, as others may.
    yield* print(
      message,
      `thread ${threadId}, message ${text(message["position"])}\nWhat comes of it: tenon agent messages ${threadId}`
    )
  })
).pipe(
  Command.withDescription("Post a message, in a new thread unless one is named"),
  Command.withExamples([{ command: 'tenon agent post --agent weather "Graz"', description: "Ask the agent weather" }])
)

const wordsOf = (content: unknown): string => {
  if (!Predicate.isObject(content)) return text(content)
  const { answer, message, prompt, questionId, text: words, type } = content as ApiRequest.Fields
  switch (type) {
    case "text":
      return text(words)
    case "question":
      return `? ${text(prompt)}  (question ${text(questionId)})`
    case "answer":
      return `> ${text(answer)}`
    case "failure":
      return `! ${text(message)}`
    default:
      return text(content)
  }
}

const messages = Command.make(
  "messages",
  { thread: Argument.String("thread").pipe(Argument.withDescription("The key of a thread")) },
  Effect.fn(function* ({ thread }) {
    const path = `/api/v1/messages?sort=-position&limit=500&threadId=${encodeURIComponent(thread)}`
    const found = (yield* ApiRequest.rows(path)).toReversed()
    // A thread that is not there has no messages; the API says so of the thread itself.
    if (found.length === 0) yield* ApiRequest.row("GET", `/api/v1/threads/${encodeURIComponent(thread)}`)
    const lines = found.map((each) => [text(each["position"]), text(each["participantId"]), wordsOf(each["content"])])
    yield* print(found, Output.table(["#", "WHO", "WHAT"], lines))
  })
).pipe(Command.withDescription("Show the last 500 messages of a thread"))

const questions = Command.make(
  "questions",
  { thread },
  Effect.fn(function* ({ thread }) {
    const found = yield* ApiRequest.rows(`/api/v1/questions?status=OPEN&limit=500${inThread(thread)}`)
    yield* printRows(found, ["id", "threadId", "prompt", "expiresAt"])
  })
).pipe(Command.withDescription("List the questions that wait for a person"))

const answer = Command.make(
  "answer",
  {
    question: Argument.String("question").pipe(Argument.withDescription("The key of a question")),
    answer: Argument.String("answer").pipe(
      Argument.withDescription("The answer, as JSON that fits the question's schema"),
      Argument.withSchema(Schema.fromJsonString(Schema.Json))
    )
  },
  Effect.fn(function* ({ answer, question }) {
    yield* ApiRequest.send("POST", `/api/v1/questions/${encodeURIComponent(question)}/answer`, { answer })
    yield* print({ answered: question }, "answered")
  })
).pipe(
  Command.withDescription("Answer a question; the run that asked goes on"),
  Command.withExamples([
    { command: `tenon agent answer 01a1.question1 '{"send":true}'`, description: "Agree to what an agent asked" }
  ])
)

const runs = Command.make(
  "runs",
  {
    thread,
    status: Flag.Literals("status", ["QUEUED", "RUNNING", "WAITING", "DONE", "FAILED", "CANCELLED"]).pipe(
      Flag.withDescription("Only those that stand so"),
      Flag.optional
    ),
    limit: Flag.Int("limit").pipe(Flag.withDescription("How many, at most"), Flag.withDefault(50))
  },
  Effect.fn(function* ({ limit, status, thread }) {
    const standing = Option.match(status, { onNone: () => "", onSome: (each) => `&status=${each}` })
    const found = yield* ApiRequest.rows(`/api/v1/agent-runs?sort=-id&limit=${limit}${inThread(thread)}${standing}`)
    yield* printRows(found, ["id", "agent", "status", "threadId", "createdAt", "problem"])
  })
).pipe(Command.withDescription("List runs, the latest first"))

const show = Command.make(
  "show",
  { run },
  Effect.fn(function* ({ run }) {
    const found = yield* ApiRequest.row("GET", runPath(run))
    const lines = Object.entries(found).map(([field, value]) => [field, text(value)])
    yield* print(found, Output.table(["FIELD", "VALUE"], lines))
  })
).pipe(Command.withDescription("Show how a run stands"))

const steps = Command.make(
  "steps",
  { run },
  Effect.fn(function* ({ run }) {
    const found = yield* ApiRequest.rows(`${runPath(run)}/operations`)
    const took = (from: unknown, to: unknown) => `${Math.max(0, Date.parse(text(to)) - Date.parse(text(from)))} ms`
    const lines = found.map(({ endedAt, failed, kind, name, startedAt }, place) => [
      String(place + 1),
      text(kind),
      text(name),
      text(startedAt),
      took(startedAt, endedAt),
      failed === true ? "failed" : ""
    ])
    yield* print(found, Output.table(["#", "KIND", "NAME", "BEGAN", "TOOK", ""], lines))
  })
).pipe(
  Command.withDescription("List what a run has done so far, with its timings; `fork` takes over the first so many")
)

const act = (name: string, description: string, done: string) =>
  Command.make(
    name,
    { run },
    Effect.fn(function* ({ run }) {
      const answered = yield* ApiRequest.row("POST", `${runPath(run)}/${name}`, {})
      const next = text(answered["runId"])
      yield* print({ run, ...answered }, next === "" ? done : `${done} ${next}`)
    })
  ).pipe(Command.withDescription(description))

const fork = Command.make(
  "fork",
  {
    run,
    operations: Flag.Int("operations").pipe(Flag.withDescription("How many of its first operations are taken over"))
  },
  Effect.fn(function* ({ operations, run }) {
    const answered = yield* ApiRequest.row("POST", `${runPath(run)}/fork`, { operations })
    yield* print(answered, `goes on as ${text(answered["runId"])}`)
  })
).pipe(
  Command.withDescription("Run one that is over again from one of its operations, in a run of its own"),
  Command.withExamples([{ command: "tenon agent fork 01a1 --operations 3", description: "Take over the first three" }])
)

const edit = Command.make(
  "edit",
  { run, words: Argument.String("text").pipe(Argument.withDescription("What to say in the place of it")) },
  Effect.fn(function* ({ run, words }) {
    const content = { type: "text", text: words }
    const answered = yield* ApiRequest.row("POST", `${runPath(run)}/edit`, { content })
    yield* print(answered, `answered by ${text(answered["runId"])}`)
  })
).pipe(
  Command.withDescription("Say something else than the message that a run has answered, and have that answered"),
  Command.withExamples([{ command: 'tenon agent edit 01a1 "Linz"', description: "Ask of Linz instead" }])
)

export const agent = Command.make("agent").pipe(
  Command.withDescription("Talk to agents, and look after their runs"),
  Command.withSubcommands([
    post,
    messages,
    questions,
    answer,
    runs,
    show,
    act("cancel", "Stop a run; what it is doing is interrupted", "asked to stop"),
    act("resume", "Start a run again where its runtime has lost it", "asked to go on"),
    act("retry", "Run one that failed or was cancelled again, taking over what succeeded", "goes on as"),
    fork,
    edit,
    steps,
    record,
    replay
  ])
)
