/** What strangers and other tenants may try on the routes of agents: each is a typed problem, and nothing changes. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as Content from "@tenon/agents/Content"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { eventually, registry } from "../support/agentDomain.ts"
import * as EventReader from "../support/EventReader.ts"
import { type Answer, Api, type Call, layerOver, token } from "../support/HttpDomain.ts"
import { server } from "../support/ScratchDatabase.ts"

const asking = Agent.make("asking", (ctx) =>
  Effect.flatMap(ctx.ask("Well?", Schema.Struct({ go: Schema.Boolean, note: Schema.optionalKey(Schema.String) })), () =>
    ctx.writeMessage("went on")
  )
)
const brief = Agent.make("brief", (ctx) =>
  ctx.ask("Quick?", Schema.String, { expires: "20 millis" }).pipe(Effect.ignore, Effect.andThen(ctx.sleep("1 hour")))
)
const echo = Agent.make("echo", (ctx) => ctx.writeMessage("echo"))

const workflows = Workflow.layer(Agents.implement(asking, brief, echo))
const world = layerOver(Testing.layerPostgres(registry, { workflows, server }))

const api = "/api/v1"

/** A call that goes through. */
const done = Effect.fnUntraced(function* (method: string, path: string, call: Call = {}) {
  const answer = yield* (yield* Api).call(method, api + path, call)
  assert.isBelow(answer.status, 300, answer.text)
  return answer.json
})

/** A problem as everybody is told it, with nothing of the inside. */
const refused = (answer: Answer, status: number, tag: string, what: string) => {
  assert.strictEqual(answer.status, status, `${what}: ${answer.text.slice(0, 500)}`)
  assert.strictEqual(answer.headers.get("content-type"), "application/problem+json", what)
  assert.strictEqual(answer.json.tag, tag, `${what}: ${answer.text.slice(0, 500)}`)
  assert.isBelow(answer.text.length, 5_000, what)
  assert.notMatch(answer.text, /node_modules|\.ts:\d|SqlFailure|SQLSTATE/, what)
}

/** Everything of tenant A that an attack might change. */
const everything = Effect.gen(function* () {
  const rows: { [path: string]: unknown } = {}
  for (const path of ["threads", "messages", "agent-runs", "questions", "participants", "artifacts", "agent-memory"])
    rows[path] = yield* done("GET", `/${path}?limit=500`)
  return rows
})

/** The same once runs that went on are over, or wait. */
const settled = Effect.suspend(() => {
  let last = ""
  return eventually(Effect.delay(everything, "100 millis"), (rows) => {
    const before = last
    last = JSON.stringify(rows)
    return last === before
  })
})

/** Tenant A's thread that an agent answers in, with a run that a message started. */
const begin = Effect.fnUntraced(function* (agent: string) {
  const thread: string = (yield* done("POST", "/threads", { body: { title: "talk", agent } })).id
  const person: string = (yield* done("POST", "/participants", { body: { kind: "HUMAN", name: "Ada" } })).id
  const message = (content: unknown, key = "1") => ({ idempotencyKey: key, participantId: person, content })
  yield* done("POST", `/threads/${thread}/add-message`, { body: message(Content.text("hello")) })
  const [run] = (yield* done("GET", `/agent-runs?threadId=${thread}`)).items
  return { thread, person, message, run: String(run.id) }
})

const becomes = (path: string, status: string) =>
  eventually(done("GET", path), ({ items }) => items[0]?.status === status).pipe(Effect.map(({ items }) => items[0]))

const asked = Effect.gen(function* () {
  const talk = yield* begin("asking")
  const question = yield* becomes(`/questions?threadId=${talk.thread}`, "OPEN")
  return { ...talk, question: String(question.id) }
})

suite(world, { timeout: 60_000, excludeTestServices: true })("attacks on agents over HTTP", (it) => {
  it.effect("an unknown agent is told in the thread, and one with a strange name too", () =>
    Effect.gen(function* () {
      for (const agent of ["nobody", "__proto__", "constructor", "'; drop table threads; --", "x".repeat(90)]) {
        const { thread } = yield* begin(agent)
        const { problem } = yield* becomes(`/agent-runs?threadId=${thread}`, "FAILED")
        assert.match(problem, /^There is no agent named "/)
      }
      const { call } = yield* Api
      for (const agent of ["", "x".repeat(91), "a\u0001b", 1, null, {}])
        refused(
          yield* call("POST", `${api}/threads`, { body: { title: "talk", agent } }),
          400,
          "InvalidInput",
          JSON.stringify(agent)
        )
    })
  )

  it.effect("an answer that is wrong, late or a second one is refused with the reason", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { question, run } = yield* asked
      const path = `${api}/questions/${question}/answer`
      const wrong: ReadonlyArray<unknown> = [null, "yes", 1, [], {}, { go: "yes" }, { go: true, note: 1 }, { go: null }]
      for (const answer of wrong)
        refused(yield* call("POST", path, { body: { answer } }), 422, "AnswerInvalid", JSON.stringify(answer))
      for (const body of [{}, { answer: { go: true }, more: 1 }, [], "x", null])
        refused(yield* call("POST", path, { body }), 400, "InvalidInput", JSON.stringify(body))
      const first = yield* call("POST", path, { body: { answer: { go: true } } })
      assert.isBelow(first.status, 300)
      refused(yield* call("POST", path, { body: { answer: { go: false } } }), 409, "AlreadyAnswered", "again")
      yield* becomes(`/agent-runs?id=${run}`, "DONE")
      const late = yield* begin("brief")
      const expired = yield* becomes(`/questions?threadId=${late.thread}`, "EXPIRED")
      const answer = yield* call("POST", `${api}/questions/${expired.id}/answer`, { body: { answer: "me" } })
      refused(answer, 410, "QuestionClosed", "expired")
      yield* done("POST", `/agent-runs/${late.run}/cancel`)
    })
  )

  it.effect("another tenant finds nothing, and changes nothing", () =>
    Effect.gen(function* () {
      const { call, other } = yield* Api
      const { message, question, run, thread } = yield* asked
      const before = yield* settled
      const foreign: ReadonlyArray<readonly [string, string, unknown?]> = [
        ["GET", `/threads/${thread}`],
        ["GET", `/threads/${thread}/history?last=10`],
        ["GET", `/threads/${thread}/messages`],
        ["POST", `/threads/${thread}/add-message`, message(Content.text("from B"), "b")],
        ["GET", `/questions/${question}`],
        ["POST", `/questions/${question}/answer`, { answer: { go: true } }],
        ["GET", `/agent-runs/${run}`],
        ["GET", `/agent-runs/${run}/operations`],
        ["GET", `/agent-runs/${run}/events`],
        ["POST", `/agent-runs/${run}/cancel`],
        ["POST", `/agent-runs/${run}/resume`],
        ["POST", `/agent-runs/${run}/retry`],
        ["POST", `/agent-runs/${run}/fork`, { operations: 1 }]
      ]
      for (const [method, path, body] of foreign) {
        const given = { token: other, ...(body === undefined ? {} : { body }) }
        refused(yield* call(method, api + path, given), 404, "NotFound", path)
        refused(yield* call(method, api + path, { ...given, token: "" }), 401, "Unauthenticated", path)
      }
      for (const path of ["threads", "messages", "agent-runs", "questions", "participants"]) {
        const listed = yield* call("GET", `${api}/${path}`, { token: other })
        assert.deepStrictEqual(listed.json.items, [], path)
      }
      // A thread of B's own with A's participant, and A's ids among its filters.
      const own = yield* call("POST", `${api}/threads`, { token: other, body: { title: "B", agent: "echo" } })
      const borrowed = { token: other, body: message(Content.text("as Ada")) }
      refused(
        yield* call("POST", `${api}/threads/${own.json.id}/add-message`, borrowed),
        404,
        "NotFound",
        "participant"
      )
      for (const path of [`messages?threadId=${thread}`, `questions?runId=${run}`, `agent-runs?threadId=${thread}`])
        assert.deepStrictEqual((yield* call("GET", `${api}/${path}`, { token: other })).json.items, [], path)
      assert.deepStrictEqual(yield* everything, before)
      yield* done("POST", `/agent-runs/${run}/cancel`)
    })
  )

  it.effect("a message with the key of another is refused, whatever differs, and the first stands", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { message, person, thread } = yield* begin("echo")
      const path = `${api}/threads/${thread}/add-message`
      const again = yield* call("POST", path, { body: message(Content.text("hello")) })
      assert.strictEqual(again.status, 200)
      const bob = (yield* done("POST", "/participants", { body: { kind: "HUMAN", name: "Bob" } })).id
      const others = [
        message(Content.text("other")),
        message(Content.data("hello")),
        { ...message(Content.text("hello")), participantId: bob }
      ]
      for (const body of others)
        refused(yield* call("POST", path, { body }), 409, "MessageKeyReused", JSON.stringify(body))
      assert.isString(person)
      const { items } = yield* done("GET", `/messages?threadId=${thread}&idempotencyKey=1`)
      assert.deepStrictEqual(
        items.map(({ content }: { readonly content: unknown }) => content),
        [Content.text("hello")]
      )
    })
  )

  it.effect("an answer, a title and a name that are too large are refused", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { question, run } = yield* asked
      const before = yield* settled
      const long = "x".repeat(501)
      const large = { answer: { go: true, note: "x".repeat(Content.maxData) } }
      refused(yield* call("POST", `${api}/questions/${question}/answer`, { body: large }), 400, "InvalidInput", "large")
      const huge = { answer: { go: true, note: "x".repeat(10_000_000) } }
      refused(yield* call("POST", `${api}/questions/${question}/answer`, { body: huge }), 413, "BodyTooLarge", "huge")
      refused(yield* call("POST", `${api}/threads`, { body: { title: long } }), 400, "InvalidInput", "title")
      refused(
        yield* call("POST", `${api}/participants`, { body: { kind: "HUMAN", name: long } }),
        400,
        "InvalidInput",
        "name"
      )
      assert.deepStrictEqual(yield* everything, before)
      yield* done("POST", `/agent-runs/${run}/cancel`)
    })
  )

  it.effect("what is too large or no message is refused before it is looked at", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { message, person, thread } = yield* begin("echo")
      const path = `${api}/threads/${thread}/add-message`
      const text = (body: unknown) => ({ raw: JSON.stringify(body) })
      const attacks: ReadonlyArray<readonly [string, Call, number, string]> = [
        [
          "a character too many",
          { body: message(Content.text("x".repeat(Content.maxText + 1)), "a") },
          400,
          "InvalidInput"
        ],
        [
          "data that is too large",
          { body: message(Content.data("x".repeat(Content.maxData)), "b") },
          400,
          "InvalidInput"
        ],
        ["10 MB", text(message(Content.text("x".repeat(10_000_000)), "c")), 413, "BodyTooLarge"],
        ["half a message", { raw: '{"idempotencyKey":"d","content":{' }, 400, "MalformedBody"],
        ["no JSON", { raw: "hello" }, 400, "MalformedBody"],
        ["nothing", { raw: "" }, 400, "InvalidInput"],
        [
          "a kind that only agents write",
          { body: message({ type: "failure", run: "x", message: "no" }, "e") },
          400,
          "InvalidInput"
        ],
        [
          "a question",
          { body: message({ type: "question", questionId: "q", prompt: "p", schema: {} }, "f") },
          400,
          "InvalidInput"
        ],
        ["no content", { body: message(undefined, "g") }, 400, "InvalidInput"],
        ["a number for words", { body: message({ type: "text", text: 1 }, "h") }, 400, "InvalidInput"],
        ["an empty key", { body: message(Content.text("x"), "") }, 400, "InvalidInput"],
        ["a long key", { body: message(Content.text("x"), "k".repeat(301)) }, 400, "InvalidInput"],
        ["a NUL", { body: message(Content.text("a\u0000b"), "i") }, 400, "InvalidInput"],
        [
          "half a character",
          { raw: JSON.stringify(message(Content.text("x"), "j")).replace('"x"', '"\\ud800"') },
          400,
          "InvalidInput"
        ],
        [
          "deep data",
          {
            raw: `{"idempotencyKey":"k","participantId":"${person}","content":{"type":"data","data":${"[".repeat(5000)}${"]".repeat(5000)}}}`
          },
          400,
          "InvalidInput"
        ],
        ["nobody's words", { body: { ...message(Content.text("x"), "l"), participantId: "none" } }, 404, "NotFound"],
        [
          "an agent's words",
          { body: { ...message(Content.text("x"), "m"), participantId: "agent:echo" } },
          403,
          "NotYourName"
        ]
      ]
      yield* becomes(`/agent-runs?threadId=${thread}`, "DONE")
      const before = yield* settled
      for (const [what, given, status, tag] of attacks) refused(yield* call("POST", path, given), status, tag, what)
      assert.deepStrictEqual(yield* everything, before)
    })
  )

  it.effect("who has an id too long to be shown is told so, and the question stays open", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { question, run } = yield* asked
      const as = (length: number) =>
        Effect.promise(() => token("tenant-a", ["admin"], (jwt) => jwt.setSubject("s".repeat(length))))
      const path = `${api}/questions/${question}/answer`
      const body = { answer: { go: true } }
      refused(yield* call("POST", path, { body, token: yield* as(194) }), 403, "NoParticipant", "194")
      assert.isBelow((yield* call("POST", path, { body, token: yield* as(193) })).status, 300)
      yield* becomes(`/agent-runs?id=${run}`, "DONE")
    })
  )

  const injections = [
    "'; drop table threads; --",
    `" or 1=1 --`,
    "$1; select pg_sleep(5)",
    "<script>alert(1)</script>",
    "{{7*7}} ${7*7} #{7*7}",
    "../../../etc/passwd",
    "%00%0a%27",
    "a\r\nx-evil: 1",
    "\u202eevil\u200b",
    "__proto__",
    '{"$ne":null}',
    "🜁".repeat(40)
  ]

  it.effect("texts that mean something elsewhere mean nothing here, in every field that takes a text", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      for (const text of injections) {
        // A name of an agent has no line breaks.
        const agent = text.replaceAll(/[\r\n]/g, "")
        const thread = yield* done("POST", "/threads", { body: { title: text, agent } })
        assert.deepStrictEqual([thread.title, thread.agent], [text, agent])
        const person = yield* done("POST", "/participants", { body: { kind: "HUMAN", name: text } })
        assert.strictEqual(person.name, text)
        const body = { idempotencyKey: text, participantId: person.id, content: Content.text(text) }
        const message = yield* done("POST", `/threads/${thread.id}/add-message`, { body })
        assert.deepStrictEqual([message.idempotencyKey, message.content], [text, Content.text(text)])
        const as = { ...body, participantId: text }
        refused(
          yield* call("POST", `${api}/threads/${thread.id}/add-message`, { body: { ...as, idempotencyKey: "2" } }),
          404,
          "NotFound",
          text
        )
        const segment = encodeURIComponent(text)
        for (const path of [`threads/${segment}`, `agent-runs/${segment}`, `questions/${segment}`]) {
          const { status } = yield* call("GET", `${api}/${path}`)
          assert.include([400, 404], status, path)
        }
        for (const path of [
          `messages?threadId=${segment}`,
          `questions?status=${segment}`,
          `agent-runs?sort=${segment}`,
          `messages?${segment}=1`
        ]) {
          const { status } = yield* call("GET", `${api}/${path}`)
          assert.include([200, 400], status, path)
        }
      }
      const { question, run } = yield* asked
      yield* done("POST", `/questions/${question}/answer`, {
        body: { answer: { go: true, note: injections.join("\n") } }
      })
      yield* becomes(`/agent-runs?id=${run}`, "DONE")
    })
  )

  it.effect("cursors, limits and events that lead nowhere are refused, or begin anew", () =>
    Effect.gen(function* () {
      const { admin, call, url } = yield* Api
      const { run, thread } = yield* asked
      const rubbish = [
        "x",
        "",
        "e30",
        "%00",
        "-1",
        "null",
        "eyJrZXkiOiJ4In0",
        "x".repeat(5_000),
        "'; drop table threads"
      ]
      for (const each of rubbish)
        for (const path of ["messages", "agent-runs", "questions", "threads"])
          refused(
            yield* call(
              "GET",
              `${api}/${path}?limit=1&after=${each.startsWith("%") ? each : encodeURIComponent(each)}`
            ),
            400,
            "InvalidInput",
            `${path} ${each}`
          )
      for (const limit of ["0", "-1", "1e9", "x", "501", "99999999999999999999"])
        refused(yield* call("GET", `${api}/messages?limit=${limit}`), 400, "InvalidInput", limit)
      for (const last of ["0", "-1", "1e9", "x", "1001"])
        refused(yield* call("GET", `${api}/threads/${thread}/history?last=${last}`), 400, "InvalidInput", last)
      for (const lastEventId of ["x", "-1", "1e9", "9".repeat(400), "0x1", "'; drop table threads", "1.5"]) {
        const { seen, status } = yield* Effect.promise(() =>
          EventReader.read(`${url}${api}/agent-runs/${run}/events`, {
            token: admin,
            lastEventId,
            enough: (seen) => seen.some(({ event }) => event === "status")
          })
        )
        assert.strictEqual(status, 200, lastEventId)
        assert.strictEqual(seen[0]?.event, "reset", lastEventId)
      }
      yield* done("POST", `/agent-runs/${run}/cancel`)
    })
  )

  const words = { type: "text", text: "something else" }

  it.effect("runs that are not there, or do not stand so, are not cancelled, resumed, retried, forked or edited", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { run, thread } = yield* asked
      const before = yield* settled
      for (const path of ["cancel", "resume", "retry", "fork", "edit"])
        for (const key of ["none", "01a1", "__proto__", "..%2F..", "x".repeat(300)]) {
          const body = path === "fork" ? { operations: 1 } : path === "edit" ? { content: words } : {}
          const { status, text } = yield* call("POST", `${api}/agent-runs/${key}/${path}`, { body })
          assert.include([400, 404], status, `${path} ${key}: ${text.slice(0, 300)}`)
        }
      for (const content of [undefined, null, "x", { type: "question" }, { type: "text", text: "x".repeat(100_001) }])
        refused(
          yield* call("POST", `${api}/agent-runs/${run}/edit`, { body: { content } as never }),
          400,
          "InvalidInput",
          "edit"
        )
      refused(
        yield* call("POST", `${api}/agent-runs/${run}/edit`, { body: { content: words } }),
        409,
        "RunGoesOn",
        "edit"
      )
      for (const operations of [-1, "x", 1.5, null, 1e300, [], true])
        refused(
          yield* call("POST", `${api}/agent-runs/${run}/fork`, { body: { operations } }),
          400,
          "InvalidInput",
          String(operations)
        )
      refused(
        yield* call("POST", `${api}/agent-runs/${run}/fork`, { body: { operations: 1e9 } }),
        409,
        "RunGoesOn",
        "fork"
      )
      refused(yield* call("POST", `${api}/agent-runs/${run}/retry`, { body: {} }), 409, "RunGoesOn", "retry")
      assert.deepStrictEqual(yield* everything, before)
      yield* done("POST", `/agent-runs/${run}/cancel`)
      yield* becomes(`/agent-runs?threadId=${thread}`, "CANCELLED")
      refused(yield* call("POST", `${api}/agent-runs/${run}/cancel`), 409, "RunOver", "cancel")
      refused(yield* call("POST", `${api}/agent-runs/${run}/resume`), 409, "RunOver", "resume")
      const { runId } = yield* done("POST", `/agent-runs/${run}/fork`, { body: { operations: 1e9 } })
      yield* becomes(`/agent-runs?id=${runId}`, "WAITING")
      yield* done("POST", `/agent-runs/${runId}/cancel`)
      yield* becomes(`/agent-runs?id=${runId}`, "CANCELLED")
      const edited = yield* done("POST", `/agent-runs/${runId}/edit`, { body: { content: words } })
      yield* becomes(`/agent-runs?id=${edited.runId}`, "WAITING")
      yield* done("POST", `/agent-runs/${edited.runId}/cancel`)
    })
  )

  it.effect("what only runs call has no route", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { question, run, thread } = yield* asked
      const before = yield* settled
      const hidden: ReadonlyArray<readonly [string, unknown]> = [
        [`threads/${thread}/say`, { runId: run, key: "x", content: Content.text("I am the agent") }],
        [`threads/${thread}/ask`, { runId: run, questionId: "q", prompt: "p", schema: {} }],
        [`threads/${thread}/end-run`, { runId: run, status: "DONE" }],
        [`threads/${thread}/stop-run`, { runId: run, reason: "x" }],
        [`threads/${thread}/revive-run`, { runId: run }],
        [`threads/${thread}/rerun`, { runId: run, newRunId: "x" }],
        [`threads/${thread}/start-child`, { runId: run, childId: "c", agent: "echo" }],
        [`threads/${thread}/note-answer`, { questionId: question, runId: run, answeredBy: "x", answer: 1 }],
        [`questions/${question}/close`, {}]
      ]
      for (const [path, body] of hidden) {
        const { json, status } = yield* call("POST", `${api}/${path}`, { body })
        assert.include([403, 404, 405], status, path)
        assert.isString(json.tag, path)
      }
      assert.deepStrictEqual(yield* everything, before)
      yield* done("POST", `/agent-runs/${run}/cancel`)
    })
  )
})
