/** The load of a fault run, a record of every answer, and its comparison with the rows. */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as ApiClient from "@tenon/testing/ApiClient"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

/** What was asked for and answered with success, by the name that stands for it in the rows. */
export interface Ledger {
  readonly threadId: string
  readonly participantId: string
  readonly accepted: Set<string>
  /** Asked for at least once, answered or not. */
  readonly attempted: Set<string>
  closing: boolean
}

interface Where {
  readonly url: string
  readonly key: string
}

/** A request was refused where it should have been accepted or retried. */
class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

const workers = 8
const channels = 2

/** Makes the thread that all messages go to. */
export const open = Effect.fn("Ledger.open")(function* (where: Where) {
  const client = ApiClient.make(where.url, where.key)
  const made = (path: string, body: unknown) =>
    Effect.flatMap(client.send("POST", path, { body }), ({ body: answer, status }) =>
      Predicate.hasProperty(answer, "id") && status === 201
        ? Effect.succeed(String(answer.id))
        : Effect.fail(new Refused({ message: `POST ${path}: ${status} ${JSON.stringify(answer)}` }))
    )
  const threadId = yield* made("/api/v1/threads", { title: "fault" })
  const participantId = yield* made("/api/v1/participants", { kind: "AGENT", name: "load" })
  for (let channel = 0; channel < channels; channel++) {
    const channelId = yield* made("/api/v1/channels", { kind: "log", config: {} })
    yield* made("/api/v1/channel-bindings", { threadId, channelId })
  }
  const ledger: Ledger = { threadId, participantId, accepted: new Set(), attempted: new Set(), closing: false }
  return ledger
})

/**
 * Makes widgets, switches each off, and posts messages, until the ledger closes; what gets no answer is asked again.
 */
export const load = (ledger: Ledger, where: Where) =>
  Effect.all(
    Array.from({ length: workers }, (_, worker) => work(ledger, where, worker)),
    { concurrency: "unbounded", discard: true }
  )

const work = Effect.fnUntraced(function* (ledger: Ledger, where: Where, worker: number) {
  for (let turn = 0; !ledger.closing; turn++) {
    const name = `w${worker}-${turn}`
    const widget = yield* insist(ledger, where, `widget ${name}`, "POST", "/api/v1/widgets", { name }, 201)
    const id = Predicate.hasProperty(widget.body, "id") ? String(widget.body.id) : ""
    yield* insist(ledger, where, `off ${name}`, "POST", `/api/v1/widgets/${id}/deactivate`, undefined, 200)
    const message = { idempotencyKey: name, participantId: ledger.participantId, content: { type: "text", text: name } }
    const path = `/api/v1/threads/${ledger.threadId}/add-message`
    yield* insist(ledger, where, `message ${name}`, "POST", path, message, 200)
  }
})

/** Asks with one idempotency key until it is accepted. A refusal for good is a fault of the framework. */
const insist = (
  ledger: Ledger,
  where: Where,
  name: string,
  method: string,
  path: string,
  body: unknown,
  wanted: number
) =>
  Effect.suspend(() => {
    ledger.attempted.add(name)
    return ApiClient.make(where.url, where.key).send(method, path, {
      body,
      headers: { "idempotency-key": name.replace(" ", ":") }
    })
  }).pipe(
    Effect.timeout("20 seconds"),
    Effect.flatMap((answer) => {
      if (answer.status === wanted) return Effect.succeed(answer)
      const refusal = new Refused({ message: `${name}: ${answer.status} ${JSON.stringify(answer.body)}` })
      return answer.status >= 500 ? Effect.fail(refusal) : Effect.die(refusal)
    }),
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.tap(() => Effect.sync(() => ledger.accepted.add(name)))
  )

/** Everything in which the rows and the ledger disagree; empty where all is well. */
export const audit = Effect.fn("Ledger.audit")(function* (ledger: Ledger, client: ApiClient.ApiClient) {
  const widgets = yield* all(client, "/api/v1/widgets?")
  const messages = yield* all(client, `/api/v1/messages?threadId=${ledger.threadId}&sort=position&`)
  const deliveries = yield* all(client, `/api/v1/channel-deliveries?threadId=${ledger.threadId}&`)
  const problems: Array<string> = []
  const names = widgets.map((row) => `widget ${String(row["name"])}`)
  const off = widgets.filter((row) => row["status"] === "INACTIVE").map((row) => `off ${String(row["name"])}`)
  const posted = messages.map((row) => `message ${String(row["idempotencyKey"])}`)
  const present = [...names, ...off, ...posted]
  for (const name of ledger.accepted) if (!present.includes(name)) problems.push(`${name} was accepted and is lost`)
  for (const name of present) if (!ledger.attempted.has(name)) problems.push(`${name} was never asked for`)
  const twice = present.filter((name, index) => present.indexOf(name) !== index)
  for (const name of twice) problems.push(`${name} was done twice`)
  messages.forEach((row, index) => {
    if (row["position"] !== index + 1) problems.push(`position ${index + 1} holds ${String(row["position"])}`)
  })
  const heard = new Map<string, Set<string>>()
  for (const row of deliveries) {
    const channel = String(row["channelId"])
    if (row["status"] !== "DELIVERED") continue
    heard.set(channel, (heard.get(channel) ?? new Set()).add(String(row["messageKey"])))
  }
  if (heard.size !== channels) problems.push(`${heard.size} of ${channels} channels heard of messages`)
  for (const [channel, keys] of heard) {
    if (keys.size !== messages.length) problems.push(`${channel} heard ${keys.size} of ${messages.length} messages`)
  }
  if (deliveries.length !== channels * messages.length)
    problems.push(`${deliveries.length} deliveries for ${messages.length} messages`)
  return problems.slice(0, 10)
})

const all = Effect.fnUntraced(function* (client: ApiClient.ApiClient, path: string) {
  const rows: Array<{ readonly [field: string]: unknown }> = []
  let after: string | undefined
  do {
    const answer = yield* client.send("GET", `${path}limit=500${after === undefined ? "" : `&after=${after}`}`)
    if (!Predicate.hasProperty(answer.body, "items") || !Array.isArray(answer.body.items)) {
      return yield* new Refused({ message: `GET ${path}: ${answer.status} ${JSON.stringify(answer.body)}` })
    }
    rows.push(...answer.body.items)
    after =
      Predicate.hasProperty(answer.body, "next") && Predicate.isString(answer.body.next) ? answer.body.next : undefined
  } while (after !== undefined)
  return rows
})

/** Cuts every connection to the database but its own. */
export const terminateConnections = (postgres: EmbeddedPostgres.EmbeddedPostgres) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'`
  }).pipe(Effect.provide(PgClient.layer({ url: postgres.url, maxConnections: 1 })), Effect.scoped)
