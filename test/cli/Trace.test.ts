import * as ApiKeys from "@tenon/core/ApiKeys"
import { Durable } from "@tenon/core/Durable"
import { Unavailable } from "@tenon/core/Failure"
import * as Registry from "@tenon/core/Registry"
import * as Workflow from "@tenon/core/Workflow"
import * as Server from "@tenon/cli/Server"
import * as TenonConfig from "@tenon/cli/TenonConfig"
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as FreePort from "@tenon/embedded/FreePort"
import { AgentRun, ChannelBinding, ChannelDelivery, Message, Participant, Thread } from "@tenon/examples/thread/Thread"
import { Widget } from "@tenon/examples/widget/Widget"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import { assert, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as OtlpCollector from "../support/OtlpCollector.ts"

const registry = Registry.make({
  resources: [Widget, Thread, Participant, Message, ChannelBinding, ChannelDelivery],
  workflows: [AgentRun]
})

/** Real servers, shared by the applications of this file. */
class Servers extends Context.Service<Servers, { readonly environment: { readonly [name: string]: string } }>()(
  "test/Servers"
) {}

const servers = Layer.effect(
  Servers,
  Effect.gen(function* () {
    const [postgres, restate] = yield* Effect.all([EmbeddedPostgres.start({ fsync: false }), EmbeddedRestate.start()], {
      concurrency: "unbounded"
    })
    yield* Migrations.ensure({ registry }).pipe(Effect.provide(AdminSql.layer({ url: postgres.url })))
    return {
      environment: {
        DATABASE_URL: Redacted.value(postgres.url),
        RESTATE_INGRESS_URL: restate.ingressUrl,
        RESTATE_ADMIN_URL: restate.adminUrl,
        RESTATE_IDENTITY_KEY: restate.identityKey,
        TENON_CONTEXT_KEY: "test:a-secret-of-more-than-32-characters",
        PORT: "0",
        ACCESS_LOG: "false"
      }
    }
  })
)

/** How often the second step of a run was begun. */
let begun = 0

/** A program with a span of its own around a step, one that fails at first, and a send. */
const workflows = Workflow.layer(
  Workflow.implement(
    AgentRun,
    Effect.fnUntraced(function* ({ threadId }) {
      const durable = yield* Durable
      yield* durable.step("read", Effect.succeed(1)).pipe(Effect.withSpan("thinking"))
      yield* durable.step(
        "write",
        Effect.suspend(() => (++begun === 1 ? Effect.fail(new Unavailable({ what: "The model" })) : Effect.succeed(2)))
      )
      yield* durable.send(ChannelDelivery.actions.deliver, "log-of-runs", { threadId, position: 1, content: "private" })
    })
  )
)

/** The whole application as `tenon dev` composes it, exporting to an address; and a caller of it. */
const application = Effect.fnUntraced(function* (endpoint: string, runtime: "restate" | "postgres" = "restate") {
  const { environment } = yield* Servers
  const env = {
    ...environment,
    RUNTIME: runtime,
    RESTATE_ENDPOINT_PORT: String(yield* FreePort.one),
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_BSP_SCHEDULE_DELAY: "50"
  }
  const config = TenonConfig.define({ directory: ".", registry, workflows })
  const context = yield* Layer.build(
    Server.layer(config).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
  )
  const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  const { secret } = yield* ApiKeys.create({ tenantId: "acme", name: "test", roles: ["admin"] }).pipe(
    Effect.provideContext(context)
  )
  const key = Redacted.value(secret)
  const call = (
    method: string,
    path: string,
    body?: unknown,
    headers: { readonly [name: string]: string } = {}
  ): Effect.Effect<{ readonly status: number; readonly body: any }> =>
    Effect.promise(async () => {
      const answer = await fetch(url + path, {
        method,
        headers: { "x-api-key": key, "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      return { status: answer.status, body: await answer.json() }
    })
  return { call, key, url }
})

const traceId = "0af7651916cd43dd8448eb211c80319c"
const traceOnPostgres = "1bf7651916cd43dd8448eb211c80319d"
const traceparent = `00-${traceId}-b7ad6b7169203331-01`

it.layer(servers, { timeout: 90_000, excludeTestServices: true })("traces", (it) => {
  it.effect(
    "one, from the caller's span through door, Restate, action and SQL to what follows, each step once and no secret",
    () =>
      Effect.gen(function* () {
        begun = 0
        const collector = yield* OtlpCollector.make()
        const { call, key } = yield* application(collector.url)
        const post = (path: string, body: unknown, headers = {}) => call("POST", `/api/v1/${path}`, body, headers)
        const thread = yield* post("forum-threads", { title: "the title" })
        const ada = yield* post("forum-participants", { kind: "HUMAN", name: "Ada Lovelace" })
        yield* post("forum-bindings", { threadId: thread.body.id, channelId: "log" })
        const message = { idempotencyKey: "key-of-message", participantId: ada.body.id, content: "a private matter" }
        const posted = yield* post(`forum-threads/${thread.body.id}/add-message`, message, {
          traceparent,
          "idempotency-key": "key-of-request"
        })
        assert.strictEqual(posted.status, 200)
        yield* call("GET", "/api/v1/widgets?filter=private-filter&private-bare", undefined)
        yield* post("widgets", { name: 1, "private-field": "private-value" })

        const mine = () => collector.spans.filter((span) => span.traceId === traceId)
        yield* Effect.suspend(() => Effect.succeed(mine().map(({ name }) => name))).pipe(
          Effect.delay(50),
          Effect.repeat({
            until: (names) =>
              names.includes("run ForumRun") &&
              names.filter((name) => name === "handle ForumDelivery.deliver").length === 2,
            times: 200
          })
        )
        const one = (name: string): OtlpCollector.Span => {
          const found = mine().filter((span) => span.name === name)
          assert.strictEqual(found.length, 1, `${name}: ${mine().map((span) => span.name)}`)
          return found[0] as OtlpCollector.Span
        }
        const under = (child: OtlpCollector.Span, parent: OtlpCollector.Span, within: boolean) => {
          assert.strictEqual(child.parentSpanId, parent.spanId, `${child.name} under ${parent.name}`)
          assert.isTrue(child.end >= child.start && child.start > 0n, child.name)
          if (within) assert.isTrue(child.start >= parent.start && child.end <= parent.end, child.name)
        }

        const route = "/api/v1/forum-threads/{id}/add-message"
        const door = one(`POST ${route}`)
        assert.strictEqual(door.parentSpanId, "b7ad6b7169203331")
        assert.deepInclude(door.attributes, {
          "http.request.method": "POST",
          "http.route": route,
          "http.response.status_code": 200,
          "url.path": `/api/v1/forum-threads/${thread.body.id}/add-message`
        })
        const asked = one("call ForumThread.addMessage")
        const handled = one("handle ForumThread.addMessage")
        const acted = one("ForumThread.addMessage")
        const [transaction] = mine().filter((span) => span.parentSpanId === acted.spanId)
        assert.isDefined(transaction)
        under(asked, door, true)
        under(handled, asked, true)
        under(acted, handled, true)
        under(transaction, acted, true)
        assert.deepInclude(transaction.attributes, { "db.system.name": "postgresql", "db.namespace": "postgres" })
        assert.match(String(transaction.attributes["db.query.summary"]), /SELECT forum_threads.*INSERT forum_messages/)
        assert.strictEqual(transaction.kind, 3)

        const run = one("run ForumRun")
        under(run, handled, false)
        under(one("thinking"), run, true)
        under(one("step read"), one("thinking"), false)
        const writes = mine().filter(({ name }) => name === "step write")
        assert.deepStrictEqual(
          writes.map(({ status }) => status),
          [2, 1]
        )
        for (const write of writes) under(write, run, false)
        assert.isTrue(begun === 2 && run.end - run.start > 50_000_000n, `${run.end - run.start}`)
        const delivered = mine().filter(({ name }) => name === "handle ForumDelivery.deliver")
        assert.sameMembers(
          delivered.map(({ parentSpanId }) => parentSpanId),
          [handled.spanId, run.spanId]
        )

        // Every span hangs below the caller's, and none came twice.
        const ids = new Set(mine().map(({ spanId }) => spanId))
        assert.strictEqual(ids.size, mine().length)
        for (const span of mine()) assert.isTrue(span === door || ids.has(span.parentSpanId ?? ""), span.name)

        for (const secret of [
          key,
          "private",
          "the title",
          "Lovelace",
          "key-of-message",
          "key-of-request",
          "a-secret-of-more"
        ]) {
          assert.notInclude(collector.received(), secret)
        }
        const refused = collector.spans.filter(
          ({ name, attributes }) => attributes["http.response.status_code"] === 400 && name.endsWith("widgets")
        )
        assert.strictEqual(refused.length, 2)
      }),
    60_000
  )

  it.effect(
    "one on PostgreSQL alone, too: from the caller's span to each step of a run and what it sends",
    () =>
      Effect.gen(function* () {
        begun = 0
        const collector = yield* OtlpCollector.make()
        const { call } = yield* application(collector.url, "postgres")
        const post = (path: string, body: unknown, headers = {}) => call("POST", `/api/v1/${path}`, body, headers)
        const thread = yield* post("forum-threads", { title: "the title" })
        const ada = yield* post("forum-participants", { kind: "HUMAN", name: "Ada Lovelace" })
        const message = { idempotencyKey: "on-postgres", participantId: ada.body.id, content: "a private matter" }
        const own = { traceparent: `00-${traceOnPostgres}-b7ad6b7169203331-01` }
        yield* post(`forum-threads/${thread.body.id}/add-message`, message, own)

        const mine = () => collector.spans.filter((span) => span.traceId === traceOnPostgres)
        const named = (name: string) => mine().filter((span) => span.name === name)
        yield* Effect.sync(() => named("run ForumRun").length + named("ForumDelivery.deliver").length).pipe(
          Effect.delay(50),
          Effect.repeat({ until: (count) => count === 2, times: 200 })
        )
        const one = (name: string): OtlpCollector.Span => {
          assert.strictEqual(named(name).length, 1, `${name}: ${mine().map((span) => span.name)}`)
          return named(name)[0] as OtlpCollector.Span
        }
        const parents = (names: ReadonlyArray<string>) =>
          names.map((name) => mine().find(({ spanId }) => spanId === one(name).parentSpanId)?.name)
        assert.deepStrictEqual(parents(["run ForumRun", "thinking", "step read", "ForumDelivery.deliver"]), [
          "ForumThread.addMessage",
          "run ForumRun",
          "thinking",
          "run ForumRun"
        ])
        // The first one failed, and was tried again.
        assert.deepStrictEqual(
          named("step write").map(({ parentSpanId, status }) => [parentSpanId, status]),
          [2, 1].map((status) => [one("run ForumRun").spanId, status])
        )
        const ids = new Set(mine().map(({ spanId }) => spanId))
        assert.strictEqual(ids.size, mine().length)
        for (const span of mine()) {
          assert.isTrue(span.name.startsWith("POST ") || ids.has(span.parentSpanId ?? ""), span.name)
        }
        assert.notInclude(collector.received(), "private")
      }),
    60_000
  )

  it.effect(
    "harm nothing where the collector is not there, or never answers",
    () =>
      Effect.gen(function* () {
        const silent = yield* OtlpCollector.make({ answer: false })
        for (const endpoint of ["http://127.0.0.1:1", silent.url]) {
          const { call, url } = yield* application(endpoint)
          for (let round = 0; round < 20; round++) {
            assert.strictEqual((yield* call("POST", "/api/v1/widgets", { name: "bolt" })).status, 201)
            yield* Effect.sleep(10)
          }
          const lines = [
            /^tenon_db_connections\{state="idle"\} [1-9]/m,
            /^tenon_db_pending_requests 0$/m,
            /^tenon_db_connection_wait_seconds_count [1-9]/m,
            /^tenon_outbox_pending 0$/m
          ]
          // How the pool stands is noted about once a second.
          const metrics = yield* Effect.promise(() => fetch(`${url}/metrics`).then((answer) => answer.text())).pipe(
            Effect.delay(100),
            Effect.repeat({ until: (text) => lines.every((line) => line.test(text)), times: 50 })
          )
          for (const line of lines) assert.match(metrics, line)
        }
      }).pipe(Effect.scoped),
    60_000
  )
})
