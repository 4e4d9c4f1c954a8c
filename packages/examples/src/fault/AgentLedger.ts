/** What was asked of agents and answered to them during a fault run, and its comparison with the rows. */
import * as ApiClient from "@tenon/testing/ApiClient"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

/** Where the application is now. */
export interface Where {
  url: string
  readonly key: string
}

/** A row as the API shows it. */
export interface Row {
  readonly [field: string]: unknown
}

/** A thread under load, with every message that was accepted in it. */
export interface Talk {
  readonly id: string
  readonly policy: "enqueue" | "interrupt"
  readonly accepted: Array<string>
}

/** What the process that was killed was doing with a run. */
export interface Struck {
  readonly doing: string
  readonly run: string
  /** The time of this machine, which the application shares. */
  readonly at: number
}

/** All that a fault run knows by itself. */
export interface AgentLedger {
  readonly talks: ReadonlyArray<Talk>
  readonly participantId: string
  /** The answer that was accepted, by question. */
  readonly answered: Map<string, string>
  /** Threads in which a process was killed at a place of one's choice, and what it was doing. */
  readonly aimed: Array<Talk>
  readonly struck: Array<Struck>
  /** Threads whose questions wait meanwhile. */
  readonly spared: Set<string>
  closing: boolean
}

/** A request was refused where it should have been accepted or retried. */
class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

const send = (where: Where, method: string, path: string, body?: unknown, headers?: { [name: string]: string }) =>
  Effect.suspend(() =>
    ApiClient.make(where.url, where.key).send(method, path, {
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers })
    })
  ).pipe(
    Effect.timeout("20 seconds"),
    Effect.filterOrFail(
      ({ status }) => status < 500 && status !== 429,
      ({ body, status }) => new Refused({ message: `${method} ${path}: ${status} ${JSON.stringify(body)}` })
    ),
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.orDie
  )

const made = (where: Where, path: string, body: unknown) =>
  Effect.flatMap(send(where, "POST", path, body), ({ body: row, status }) =>
    status === 201 && Predicate.hasProperty(row, "id")
      ? Effect.succeed(String(row.id))
      : Effect.die(new Refused({ message: `POST ${path}: ${status} ${JSON.stringify(row)}` }))
  )

/** Makes a thread in which an agent answers. */
export const openThread = (where: Where, agent: string, policy: Talk["policy"]) =>
  Effect.map(made(where, "/api/v1/threads", { title: "fault", agent, policy }), (id): Talk => ({
    id,
    policy,
    accepted: []
  }))

/** Makes the threads, every other one with a policy that interrupts. */
export const open = Effect.fn("AgentLedger.open")(function* (where: Where, threads: number) {
  const participantId = yield* made(where, "/api/v1/participants", { kind: "HUMAN", name: "load" })
  const talks = yield* Effect.forEach(
    Array.from({ length: threads }, (_, index) => (index % 2 === 0 ? "enqueue" : "interrupt")),
    (policy) => openThread(where, "worker", policy),
    { concurrency: 8 }
  )
  const ledger: AgentLedger = {
    talks,
    participantId,
    answered: new Map(),
    aimed: [],
    struck: [],
    spared: new Set(),
    closing: false
  }
  return ledger
})

/** Posts to all threads and answers what is asked, until the ledger closes. */
export const load = Effect.fn("AgentLedger.load")(function* (ledger: AgentLedger, where: Where, pause: number) {
  const posting = Effect.forEach(ledger.talks, (talk) => post(ledger, talk, where, pause), { concurrency: "unbounded" })
  yield* Effect.raceFirst(posting, Effect.forever(answerAll(ledger, where)))
})

const post = Effect.fnUntraced(function* (ledger: AgentLedger, talk: Talk, where: Where, pause: number) {
  yield* Effect.sleep(Math.random() * pause)
  for (let turn = 0; !ledger.closing; turn++) {
    yield* postTo(ledger, talk, where, `m${turn}`)
    yield* Effect.sleep(pause * (0.5 + Math.random()))
  }
})

/** Posts a message, whose text is its idempotency key too. */
export const postTo = Effect.fnUntraced(function* (ledger: AgentLedger, talk: Talk, where: Where, text: string) {
  const message = { idempotencyKey: text, participantId: ledger.participantId, content: { type: "text", text } }
  const { body, status } = yield* send(where, "POST", `/api/v1/threads/${talk.id}/add-message`, message)
  if (status !== 200) return yield* Effect.die(new Refused({ message: `${text}: ${status} ${JSON.stringify(body)}` }))
  talk.accepted.push(text)
})

/** Answers every open question once; one that was closed meanwhile is let be. */
export const answerAll = Effect.fnUntraced(function* (ledger: AgentLedger, where: Where) {
  const open = yield* all(where, "/api/v1/questions?status=OPEN&")
  yield* Effect.forEach(
    open.filter(({ threadId }) => !ledger.spared.has(String(threadId))),
    ({ id }) => {
      const question = String(id)
      const answer = `to ${question}`
      return Effect.map(send(where, "POST", `/api/v1/questions/${question}/answer`, { answer }), ({ status }) => {
        if (status < 300) ledger.answered.set(question, answer)
      })
    },
    { concurrency: 8 }
  )
  yield* Effect.sleep("250 millis")
})

/** All rows under a path. */
export const all = Effect.fnUntraced(function* (where: Where, path: string) {
  const rows: Array<Row> = []
  let after: string | undefined
  do {
    const answer = yield* send(where, "GET", `${path}limit=500${after === undefined ? "" : `&after=${after}`}`)
    if (!Predicate.hasProperty(answer.body, "items") || !Array.isArray(answer.body.items))
      return yield* Effect.die(new Refused({ message: `GET ${path}: ${answer.status} ${JSON.stringify(answer.body)}` }))
    rows.push(...(answer.body.items as ReadonlyArray<Row>))
    const { body } = answer
    after = Predicate.hasProperty(body, "next") && Predicate.isString(body.next) ? body.next : undefined
  } while (after !== undefined)
  return rows
})
