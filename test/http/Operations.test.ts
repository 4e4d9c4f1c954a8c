import { assert, it } from "@effect/vitest"
import { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import type { Route } from "@tenon/http/Routes"
import * as Reply from "@tenon/http/Reply"
import * as Routes from "@tenon/http/Routes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { connect } from "node:net"
import { Api, layer } from "../support/HttpDomain.ts"

const withoutTestServices = { excludeTestServices: true }
const path = "/api/v1/widgets"

it.layer(layer({ cors: { origins: ["https://app.test"] } }), withoutTestServices)("operations", (it) => {
  it.effect("health says whether the process lives and is ready", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const checks = yield* ReadinessChecks
      const scope = yield* Scope.make()
      let up = true
      yield* checks
        .add(
          "database",
          Effect.suspend(() => (up ? Effect.void : Effect.fail("password=hunter2")))
        )
        .pipe(Scope.provide(scope))
      assert.strictEqual((yield* call("GET", "/health/live", { token: "" })).status, 200)
      const ready = yield* call("GET", "/health/ready", { token: "" })
      assert.deepStrictEqual(ready.json, { status: "ready", checks: [{ name: "database", ready: true }] })
      up = false
      yield* Effect.sleep("1100 millis")
      const notReady = yield* call("GET", "/health/ready", { token: "" })
      assert.strictEqual(notReady.status, 503)
      assert.notInclude(notReady.text, "hunter2")
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.effect("metrics count requests and outcomes", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const made = yield* call("POST", path, { body: { name: "counted" } })
      yield* call("POST", `${path}/${made.json.id}/deactivate`)
      yield* call("POST", `${path}/${made.json.id}/deactivate`)
      yield* call("GET", "/no/such/path?token=secret")
      const { headers, text } = yield* call("GET", "/metrics", { token: "" })
      assert.match(headers.get("content-type") ?? "", /^text\/plain/)
      assert.match(
        text,
        /tenon_http_requests_total\{[^}]*method="POST"[^}]*route="\/api\/v1\/widgets\/\{id\}\/deactivate"[^}]*status="409"[^}]*\} 1/
      )
      assert.match(text, /tenon_http_requests_total\{[^}]*route="unmatched"[^}]*status="404"/)
      assert.match(text, /tenon_http_request_duration_seconds_bucket\{[^}]*le="0.005"/)
      assert.match(text, /tenon_actions_total\{[^}]*action="Widget.deactivate"[^}]*outcome="AlreadyInactive"[^}]*\} 1/)
      assert.match(text, /tenon_actions_total\{[^}]*action="Widget.create"[^}]*outcome="ok"/)
      assert.notInclude(text, made.json.id)
      assert.notInclude(text, "secret")
    })
  )

  it.effect("a caller who hangs up counts as that, and not as a failure of the server", () =>
    Effect.gen(function* () {
      const { admin, call, port } = yield* Api
      const half = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{`
      yield* Effect.promise(
        () =>
          new Promise<void>((done) => {
            const socket = connect(port, "127.0.0.1", () => socket.write(half, () => setTimeout(hangUp, 100)))
            const hangUp = () => socket.destroy()
            socket.on("close", () => done())
          })
      )
      const counted = Effect.map(call("GET", "/metrics", { token: "" }), ({ text }) => text)
      const text = yield* Effect.repeat(Effect.delay(counted, "20 millis"), {
        until: (text) => /status="(499|503)"/.test(text),
        times: 100
      })
      assert.match(text, /tenon_http_requests_total\{[^}]*route="\/api\/v1\/widgets"[^}]*status="499"[^}]*\} 1/)
      assert.notMatch(text, /status="503"[^}]*route="\/api\/v1|route="\/api\/v1[^}]*status="503"/)
    })
  )

  it.effect("the root says where to go", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const data = yield* call("GET", "/", { token: "" })
      assert.strictEqual(data.status, 200)
      assert.strictEqual(data.json.links.documentation, "/docs")
      for (const link of Object.values<string>(data.json.links)) {
        assert.notStrictEqual((yield* call("GET", link, { token: "" })).status, 404, link)
      }
      const page = yield* call("GET", "/", { token: "", headers: { accept: "text/html,*/*" } })
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/)
      assert.include(page.text, '<a href="/docs">')
    })
  )

  it.effect("a request id is taken where it is sound", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const kept = yield* call("GET", path, { headers: { "x-request-id": "abc-123" } })
      assert.strictEqual(kept.headers.get("x-request-id"), "abc-123")
      const made = yield* call("GET", path, { headers: { "x-request-id": "<script>" } })
      assert.match(made.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/)
    })
  )

  it.effect("other origins may call where they are listed", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const headers = { origin: "https://app.test", "access-control-request-method": "POST" }
      const preflight = yield* call("OPTIONS", path, { token: "", headers })
      assert.strictEqual(preflight.status, 204)
      assert.strictEqual(preflight.headers.get("access-control-allow-origin"), "https://app.test")
      assert.include(preflight.headers.get("access-control-allow-headers") ?? "", "idempotency-key")
      const evil = yield* call("GET", path, { headers: { origin: "https://evil.test" } })
      assert.isNull(evil.headers.get("access-control-allow-origin"))
      for (const answer of [preflight, evil, yield* call("GET", path)])
        assert.strictEqual(answer.headers.get("vary"), "Origin")
      assert.strictEqual((yield* call("GET", path)).headers.get("x-content-type-options"), "nosniff")
    })
  )
})

const logged: Array<string> = []
const capture = Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))])

it.layer(layer({ accessLog: true }).pipe(Layer.provideMerge(capture)), withoutTestServices)("the log", (it) => {
  it.effect("holds every request and bug, and no secret", () =>
    Effect.gen(function* () {
      const { admin, call } = yield* Api
      const made = yield* call("POST", "/api/v1/gadgets", { body: { name: "logged", pin: "pin-4711" } })
      const crash = yield* call("POST", `/api/v1/gadgets/${made.json.id}/crash`, {
        body: { secret: "body-secret" },
        headers: { "x-request-id": "crash-1" }
      })
      assert.strictEqual(crash.status, 500)
      assert.deepInclude(crash.json, { tag: "Unexpected", requestId: "crash-1" })
      assert.notInclude(crash.text, "frobnicator")
      yield* call("GET", "/api/v1/gadgets?name=query-secret&access_token=url-secret", {
        headers: { cookie: "c=cookie-secret" }
      })
      yield* call("GET", path, { token: "tenon_key-secret" })
      yield* call("POST", "/api/v1/gadgets", { raw: '{"name": malformed-secret' })
      const text = logged.join("\n")
      assert.include(text, '"route":"/api/v1/gadgets/{id}/crash"')
      assert.include(text, "frobnicator")
      assert.include(text, "crash-1")
      assert.include(text, '"tenant":"tenant-a"')
      for (const secret of [
        admin,
        "pin-4711",
        "body-secret",
        "query-secret",
        "url-secret",
        "cookie-secret",
        "key-secret",
        "malformed-secret"
      ])
        assert.notInclude(text, secret)
    })
  )
})

let finished = 0
const slow: Route = {
  method: "GET",
  path: "/slow",
  errors: [],
  open: true,
  handle: (exchange) =>
    Effect.sleep("400 millis").pipe(
      Effect.andThen(Effect.sync(() => void finished++)),
      Effect.as(Reply.json(exchange, 200, { slept: true }))
    )
}

it.layer(layer({ timeoutMillis: 100, routes: [slow] }), withoutTestServices)("a request that takes too long", (it) => {
  it.effect("is ended with a problem", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const answer = yield* call("GET", "/slow", { token: "" })
      assert.strictEqual(answer.status, 504)
      assert.strictEqual(answer.json.tag, "Timeout")
      assert.strictEqual(answer.headers.get("retry-after"), "1")
      yield* Effect.sleep("450 millis")
      assert.strictEqual(finished, 0)
    })
  )
})

it.live(
  "a server that stops answers what it has begun, and is not ready meanwhile",
  () =>
    Effect.gen(function* () {
      const before = finished
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer({ routes: [slow], drainMillis: 1_500 }), scope)
      const { call, url } = yield* Effect.provide(Api, context)
      const begun = call("GET", "/slow", { token: "" })
      const pending = yield* Effect.forkChild(begun, { startImmediately: true })
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 100)))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))
      const ready = yield* call("GET", "/health/ready", { token: "" })
      assert.strictEqual(ready.json.status, "draining")
      const answer = yield* Fiber.join(pending)
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(finished, before + 1)
      yield* Fiber.join(closing)
      const refused = yield* Effect.promise(() =>
        fetch(url).then(
          () => false,
          () => true
        )
      )
      assert.isTrue(refused)
    }),
  10_000
)

it("two routes with one path are refused at start-up", () => {
  assert.throws(() => Routes.make([slow, { ...slow }]), /Two routes are GET \/slow/)
})

const spans: Array<Tracer.Span> = []
const recorder = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  }
})

it.layer(layer().pipe(Layer.provideMerge(Layer.succeed(Tracer.Tracer, recorder))), withoutTestServices)(
  "traces",
  (it) => {
    it.effect("go from the caller through the door to the action", () =>
      Effect.gen(function* () {
        const { admin, call } = yield* Api
        spans.length = 0
        const traceId = "0af7651916cd43dd8448eb211c80319c"
        yield* call("POST", path, {
          body: { name: "traced" },
          headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
        })
        const names = spans.filter((span) => span.traceId === traceId).map((span) => span.name)
        assert.include(names, `POST ${path}`)
        assert.include(names, "Widget.create")
        const attributes = JSON.stringify(spans.map((span) => [...span.attributes]))
        assert.notInclude(attributes, admin)
        const count = spans.length
        yield* call("GET", "/health/live", { token: "" })
        assert.strictEqual(spans.length, count)
      })
    )
  }
)
