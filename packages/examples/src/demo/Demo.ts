/**
 * The main job, headless, over HTTP, on servers of its own: what the README promises, checked one by one. The
 * application's process is killed in the middle.
 */
import * as ApiClient from "@tenon/testing/ApiClient"
import * as Cluster from "@tenon/testing/Cluster"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"

/** One thing that was tried. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

/** Runs the demo; `progress` hears of each check as it is made. */
export const run = Effect.fn("Demo.run")(function* (
  command: ReadonlyArray<string>,
  progress: (message: string) => void
) {
  const checks: Array<Check> = []
  const check = (name: string, ok: boolean, detail: string) => {
    checks.push({ name, ok, detail })
    progress(`${ok ? "ok  " : "FAIL"} ${name}: ${detail}`)
  }
  progress("starting PostgreSQL and Restate …")
  const { application } = yield* Cluster.make({ command })
  progress("starting the application …")
  const { keys, url } = yield* application.start
  const ours = ApiClient.make(url, keys["acme"]?.["admin"] ?? "")
  const theirs = ApiClient.make(url, keys["globex"]?.["admin"] ?? "")
  yield* widgets(ours, check)
  const thread = yield* messages(ours, check)
  yield* forum(ours, check)
  yield* otherTenant(ours, theirs, thread, check)
  const asked = yield* agentAsks(ours, check)
  const restarted = yield* crash(application, url, keys["acme"]?.["admin"] ?? "", check)
  yield* agentGoesOn(restarted, asked, check)
  return checks
}, Effect.scoped)

type CheckFunction = (name: string, ok: boolean, detail: string) => void

const fieldOf = (answer: ApiClient.Answer, field: string): unknown =>
  Predicate.hasProperty(answer.body, field) ? answer.body[field] : undefined

type Row = { readonly [field: string]: unknown }

const itemsOf = (answer: ApiClient.Answer): ReadonlyArray<Row> => {
  const items = fieldOf(answer, "items")
  return Array.isArray(items) ? items : []
}

const widgets = Effect.fnUntraced(function* (client: ApiClient.ApiClient, check: CheckFunction) {
  const created = yield* client.send("POST", "/api/v1/widgets", { body: { name: "bolt" } })
  const id = String(fieldOf(created, "id"))
  check("create", created.status === 201 && fieldOf(created, "status") === "ACTIVE", `${created.status} ${id}`)
  const off = yield* client.send("POST", `/api/v1/widgets/${id}/deactivate`)
  check("deactivate", off.status === 200 && fieldOf(off, "status") === "INACTIVE", `${off.status}`)
  const again = yield* client.send("POST", `/api/v1/widgets/${id}/deactivate`)
  check(
    "deactivate again is refused with the declared failure",
    again.status === 409 && fieldOf(again, "tag") === "AlreadyInactive",
    `${again.status} ${String(fieldOf(again, "tag"))}: ${String(fieldOf(again, "detail"))}`
  )
  const view = yield* client.send("GET", `/api/v1/widgets/${id}`)
  check("get shows the view", fieldOf(view, "label") === "bolt", JSON.stringify(view.body))
})

const messageCount = 20

const messages = Effect.fnUntraced(function* (client: ApiClient.ApiClient, check: CheckFunction) {
  const thread = String(fieldOf(yield* client.send("POST", "/api/v1/threads", { body: { title: "demo" } }), "id"))
  const human = String(
    fieldOf(yield* client.send("POST", "/api/v1/participants", { body: { kind: "HUMAN", name: "Ada" } }), "id")
  )
  for (const _ of ["one", "another"]) {
    const channel = yield* client.send("POST", "/api/v1/channels", { body: { kind: "log", config: {} } })
    const channelId = String(fieldOf(channel, "id"))
    yield* client.send("POST", "/api/v1/channel-bindings", { body: { threadId: thread, channelId } })
  }
  const post = (index: number) =>
    client.send("POST", `/api/v1/threads/${thread}/add-message`, {
      body: { idempotencyKey: `m${index}`, participantId: human, content: { type: "text", text: `message ${index}` } }
    })
  // Each message is sent twice, as an impatient client would.
  const posts = Array.from({ length: messageCount * 2 }, (_, index) => post(index % messageCount))
  const answers = yield* Effect.all(posts, { concurrency: 10 })
  check(
    "messages are posted concurrently",
    answers.every((each) => each.status === 200),
    `${answers.length} posts of ${messageCount} messages`
  )
  const page = yield* client.send("GET", `/api/v1/messages?threadId=${thread}&sort=position&limit=100`)
  const positions = itemsOf(page).map((each) => each["position"])
  const wanted = Array.from({ length: messageCount }, (_, index) => index + 1)
  check("positions are gapless", JSON.stringify(positions) === JSON.stringify(wanted), positions.join(" "))
  const delivered = yield* settled(client, messageCount)
  check("both channels hear of each message once", delivered.ok, delivered.detail)
  return thread
})

/** Whether two channels heard of `count` messages each, of every one once; told twice of one is as wrong as never. */
export const heardOnce = (deliveries: ReadonlyArray<Row>, count: number) => {
  const channels = [...Map.groupBy(deliveries, (row) => row["channelId"]).values()]
  const wanted = JSON.stringify(Array.from({ length: count }, (_, index) => index + 1))
  const heard = channels.map((rows) =>
    rows
      .filter((row) => row["status"] === "DELIVERED")
      .map((row) => Number(row["position"]))
      .toSorted((a, b) => a - b)
  )
  return {
    ok: heard.length === 2 && heard.every((positions) => JSON.stringify(positions) === wanted),
    detail: heard.map((positions) => `${positions.length} delivered`).join(", ")
  }
}

/** Fan-out happens after the answer, so it is waited for. */
const settled = (client: ApiClient.ApiClient, count: number) =>
  client.send("GET", "/api/v1/channel-deliveries?limit=500").pipe(
    Effect.map((page) => heardOnce(itemsOf(page), count)),
    Effect.repeat({ schedule: Schedule.spaced("200 millis"), times: 150, until: ({ ok }) => ok })
  )

const forumCount = 20

/** What is sent after a message has the position that it was given, to one durable object per channel. */
const forum = Effect.fnUntraced(function* (client: ApiClient.ApiClient, check: CheckFunction) {
  const made = (path: string, body: { readonly [field: string]: string }) =>
    Effect.map(client.send("POST", `/api/v1/${path}`, { body }), (answer) => String(fieldOf(answer, "id")))
  const threadId = yield* made("forum-threads", { title: "demo" })
  const machine = yield* made("forum-participants", { kind: "AGENT", name: "ticker" })
  const ada = yield* made("forum-participants", { kind: "HUMAN", name: "Ada" })
  const channels = ["forum-log", "forum-mail"]
  for (const channelId of channels) yield* made("forum-bindings", { threadId, channelId })
  const post = (participantId: string, idempotencyKey: string) =>
    client.send("POST", `/api/v1/forum-threads/${threadId}/add-message`, {
      body: { idempotencyKey, participantId, content: { type: "text", text: idempotencyKey } }
    })
  yield* Effect.all(
    Array.from({ length: forumCount }, (_, index) => post(machine, `m${index}`)),
    { concurrency: 10 }
  )
  const told = Effect.forEach(channels, (id) => client.send("GET", `/api/v1/forum-deliveries?id=${id}`)).pipe(
    Effect.map((pages) =>
      pages.flatMap(itemsOf).map(({ delivered, lastPosition }) => `${String(delivered)} up to ${String(lastPosition)}`)
    )
  )
  const wanted = (count: number) => channels.map(() => `${count} up to ${count}`).join()
  const heard = yield* until(told, (seen) => seen.join() === wanted(forumCount))
  check("what is sent after a message knows its position", heard.join() === wanted(forumCount), heard.join(", "))
  yield* post(ada, "hello")
  const answered = yield* until(told, (seen) => seen.join() === wanted(forumCount + 2))
  check(
    "a person's message starts a run, which answers",
    answered.join() === wanted(forumCount + 2),
    answered.join(", ")
  )
})

interface Asked {
  readonly thread: string
  readonly question: string
}

/** Looks until it holds, for half a minute at most. */
const until = <A, E>(look: Effect.Effect<A, E>, holds: (seen: A) => boolean) =>
  Effect.repeat(look, { schedule: Schedule.spaced("200 millis"), times: 150, until: holds })

const agentAsks = Effect.fnUntraced(function* (client: ApiClient.ApiClient, check: CheckFunction) {
  const opened = yield* client.send("POST", "/api/v1/threads", { body: { title: "storm", agent: "weather" } })
  const thread = String(fieldOf(opened, "id"))
  const ada = yield* client.send("POST", "/api/v1/participants", { body: { kind: "HUMAN", name: "Ada" } })
  yield* client.send("POST", `/api/v1/threads/${thread}/add-message`, {
    body: { idempotencyKey: "1", participantId: fieldOf(ada, "id"), content: { type: "text", text: "Graz" } }
  })
  const open = client.send("GET", `/api/v1/questions?threadId=${thread}&status=OPEN`)
  const [question] = itemsOf(yield* until(open, (page) => itemsOf(page).length > 0))
  check("an agent looks things up and asks a person", question !== undefined, String(question?.["prompt"]))
  const asked: Asked = { thread, question: String(question?.["id"]) }
  const wrong = yield* client.send("POST", `/api/v1/questions/${asked.question}/answer`, {
    body: { answer: { send: "maybe" } }
  })
  check("an answer that does not fit is refused", wrong.status === 422, String(fieldOf(wrong, "detail")))
  return asked
})

const agentGoesOn = Effect.fnUntraced(function* (
  client: ApiClient.ApiClient,
  { question, thread }: Asked,
  check: CheckFunction
) {
  yield* client.send("POST", `/api/v1/questions/${question}/answer`, { body: { answer: { send: true } } })
  const runs = client.send("GET", `/api/v1/agent-runs?threadId=${thread}`)
  const [run] = itemsOf(yield* until(runs, (page) => itemsOf(page).every((run) => run["status"] === "DONE")))
  const steps = client.send("GET", `/api/v1/agent-runs/${String(run?.["id"])}/operations`)
  const named = (page: ApiClient.Answer) =>
    itemsOf(page)
      .filter((each) => each["kind"] === "step")
      .map((each) => String(each["name"]))
  const done = named(yield* until(steps, (page) => named(page).length >= 2))
  check("what the agent's run has done can be read", done.toSorted().join() === "alerts,forecast", done.join(", "))
  const page = yield* client.send("GET", `/api/v1/messages?threadId=${thread}&sort=position`)
  const said = itemsOf(page).map(({ content }) =>
    Predicate.hasProperty(content, "type") && Predicate.hasProperty(content, "text")
      ? String(content.text)
      : Predicate.hasProperty(content, "type")
        ? String(content.type)
        : ""
  )
  const wanted = ["Graz", "A storm is coming to Graz.", "question", "answer", "Sent: Storm warning for Graz"]
  check(
    "the agent goes on with the answer after the process was killed",
    JSON.stringify(said) === JSON.stringify(wanted),
    said.join(" / ")
  )
})

const otherTenant = Effect.fnUntraced(function* (
  ours: ApiClient.ApiClient,
  theirs: ApiClient.ApiClient,
  thread: string,
  check: CheckFunction
) {
  const seen = yield* ours.send("GET", `/api/v1/threads/${thread}`)
  const hidden = yield* theirs.send("GET", `/api/v1/threads/${thread}`)
  check("another tenant cannot read a row", seen.status === 200 && hidden.status === 404, `${hidden.status}`)
  const listed = yield* theirs.send("GET", "/api/v1/messages")
  check(
    "another tenant lists none",
    listed.status === 200 && itemsOf(listed).length === 0,
    `${itemsOf(listed).length} rows`
  )
  const written = yield* theirs.send("POST", `/api/v1/threads/${thread}/add-message`, {
    body: { idempotencyKey: "x", participantId: "x", content: { type: "text", text: "x" } }
  })
  check("another tenant cannot write to it", written.status === 404, `${written.status}`)
})

const crash = Effect.fnUntraced(function* (
  application: Cluster.Application,
  url: string,
  key: string,
  check: CheckFunction
) {
  const names = Array.from({ length: 30 }, (_, index) => `crash-${index}`)
  const client = ApiClient.make(url, key)
  const creating = (current: ApiClient.ApiClient, name: string) =>
    current.send("POST", "/api/v1/widgets", { body: { name }, headers: { "idempotency-key": name } })
  const first = yield* Effect.forkChild(
    Effect.forEach(names, (name) => Effect.exit(creating(client, name)), { concurrency: 10 })
  )
  yield* Effect.sleep("30 millis")
  yield* application.kill
  const { url: newUrl } = yield* application.start
  yield* Fiber.await(first)
  const restarted = ApiClient.make(newUrl, key)
  const answers = yield* Effect.forEach(names, (name) => creating(restarted, name), { concurrency: 10 })
  const page = yield* restarted.send("GET", "/api/v1/widgets?limit=500")
  const made = itemsOf(page)
    .map((each) => String(each["name"]))
    .filter((name) => name.startsWith("crash-"))
  const once =
    answers.every((each) => each.status === 201) && made.length === names.length && new Set(made).size === made.length
  check(
    "a killed process loses nothing and repeats nothing",
    once,
    `${made.length} widgets of ${names.length} after kill -9 and restart`
  )
  return restarted
})
