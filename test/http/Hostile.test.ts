import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect } from "node:net"
import { request } from "node:http"
import type { Route } from "@tenon/http/Routes"
import { Api, layer } from "../support/HttpDomain.ts"

const withoutTestServices = { excludeTestServices: true }
const path = "/api/v1/widgets"

interface Case {
  readonly name: string
  readonly status: number
  readonly tag: string
  readonly raw?: string | Uint8Array<ArrayBuffer>
  readonly body?: unknown
  readonly headers?: { readonly [name: string]: string }
}

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`

const cases: ReadonlyArray<Case> = [
  { name: "no body", status: 400, tag: "InvalidInput" },
  { name: "empty body", raw: "", status: 400, tag: "InvalidInput" },
  { name: "half an object", raw: '{"name":', status: 400, tag: "MalformedBody" },
  { name: "a member twice", raw: '{"name":"a","name":"b"}', status: 400, tag: "MalformedBody" },
  { name: "two values", raw: '{"name":"a"}{}', status: 400, tag: "MalformedBody" },
  { name: "single quotes", raw: "{'name':'a'}", status: 400, tag: "MalformedBody" },
  { name: "bad UTF-8", raw: Uint8Array.from([0x22, 0xff, 0xfe, 0x22]), status: 400, tag: "MalformedBody" },
  { name: "null", body: null, status: 400, tag: "InvalidInput" },
  { name: "a list", body: [{ name: "a" }], status: 400, tag: "InvalidInput" },
  { name: "a string", body: "name", status: 400, tag: "InvalidInput" },
  { name: "a number for a string", body: { name: 1 }, status: 400, tag: "InvalidInput" },
  { name: "an empty string", body: { name: "" }, status: 400, tag: "InvalidInput" },
  { name: "an unknown field", body: { name: "a", admin: true }, status: 400, tag: "InvalidInput" },
  { name: "a field of the row", body: { name: "a", tenantId: "tenant-b" }, status: 400, tag: "InvalidInput" },
  { name: "__proto__", raw: '{"name":"a","__proto__":{"admin":true}}', status: 400, tag: "InvalidInput" },
  { name: "escaped __proto__", raw: '{"name":"a","\\u005f_proto__":{"x":1}}', status: 400, tag: "InvalidInput" },
  { name: "constructor", raw: '{"name":"a","constructor":{"prototype":{"x":1}}}', status: 400, tag: "InvalidInput" },
  { name: "a NUL", body: { name: "a\u0000b" }, status: 400, tag: "InvalidInput" },
  { name: "half a surrogate pair", raw: '{"name":"\\ud800"}', status: 400, tag: "InvalidInput" },
  { name: "deep nesting", raw: `{"name":${nested(1_000)}}`, status: 400, tag: "InvalidInput" },
  { name: "very deep nesting", raw: `{"name":${nested(200_000)}}`, status: 400, tag: "InvalidInput" },
  { name: "10 MB", raw: `{"name":"${"x".repeat(10_000_000)}"}`, status: 413, tag: "BodyTooLarge" },
  { name: "no type", raw: '{"name":"a"}', headers: { "content-type": "" }, status: 415, tag: "UnsupportedMediaType" },
  {
    name: "a form",
    raw: "name=a",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    status: 415,
    tag: "UnsupportedMediaType"
  },
  { name: "XML", raw: "<name/>", headers: { "content-type": "text/xml" }, status: 415, tag: "UnsupportedMediaType" },
  {
    name: "Latin-1",
    raw: '{"name":"a"}',
    headers: { "content-type": "application/json; charset=latin1" },
    status: 415,
    tag: "UnsupportedMediaType"
  },
  {
    name: "gzip",
    raw: '{"name":"a"}',
    headers: { "content-encoding": "gzip" },
    status: 415,
    tag: "UnsupportedMediaType"
  }
]

it.layer(layer(), withoutTestServices)("hostile input", (it) => {
  for (const { name, status, tag, ...given } of cases) {
    it.effect(`${name} is a typed problem`, () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const answer = yield* call("POST", path, given)
        assert.strictEqual(answer.status, status, answer.text)
        assert.strictEqual(answer.json.tag, tag)
        assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
        assert.strictEqual(answer.json.requestId, answer.headers.get("x-request-id"))
        assert.isBelow(answer.text.length, 4_000)
        assert.isUndefined(({} as { admin?: boolean }).admin)
      })
    )
  }

  it.effect("text that is code elsewhere is only text", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const texts = [
        "'; drop table widgets; --",
        '" or 1=1 --',
        "${7*7}",
        "<script>alert(1)</script>",
        "\u202e\u2028",
        '{"$gt":""}'
      ]
      for (const name of texts) {
        const made = yield* call("POST", path, { body: { name } })
        assert.strictEqual(made.json.name, name)
        const found = yield* call("GET", `${path}?name=${encodeURIComponent(name)}`)
        assert.deepStrictEqual(
          found.json.items.map((each: { name: string }) => each.name),
          name.includes(",") ? [] : [name]
        )
        assert.strictEqual((yield* call("GET", `${path}/${encodeURIComponent(name)}`)).status, 404)
        assert.strictEqual((yield* call("GET", `${path}?${encodeURIComponent(name)}=1`)).status, 400)
      }
    })
  )

  it.effect("a chunked body without an end is cut at the limit", () =>
    Effect.gen(function* () {
      const { admin, port } = yield* Api
      const { sent, status, text } = yield* Effect.promise(() => sendChunks(port, admin, 100_000_000))
      assert.strictEqual(status, 413)
      assert.strictEqual(JSON.parse(text).tag, "BodyTooLarge")
      assert.isBelow(sent, 20_000_000)
    })
  )

  it.effect("faults without end are not listed without end", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const raw = `{${Array.from({ length: 100_000 }, (_, at) => `"${at.toString(16)}":1`).join()}}`
      const body = yield* call("POST", path, { raw })
      assert.strictEqual(body.json.tag, "InvalidInput")
      assert.lengthOf(body.json.errors, 50)
      for (const one of ["a", "%ff"]) {
        const query = yield* call("GET", `${path}?${Array(2_000).fill(one).join("&")}`)
        assert.strictEqual(query.json.tag, "InvalidInput")
        assert.lengthOf(query.json.errors, 50)
      }
    })
  )

  it.effect("an offer to speak another protocol is left, and the body is read", () =>
    Effect.gen(function* () {
      const { admin, port } = yield* Api
      for (const upgrade of ["h2c", "websocket", "TLS/1.0"]) {
        const answer = yield* Effect.promise(() =>
          send(port, {
            method: "POST",
            path,
            headers: {
              authorization: `Bearer ${admin}`,
              "content-type": "application/json",
              connection: "Upgrade, HTTP2-Settings",
              upgrade,
              "http2-settings": "AAMAAABkAAQAAP__"
            },
            body: Buffer.from('{"name":"upgraded"}')
          })
        )
        assert.strictEqual(answer.status, 201, answer.text)
      }
    })
  )

  it.effect("what is not even HTTP gets a problem too", () =>
    Effect.gen(function* () {
      const { port } = yield* Api
      for (const [text, status] of [
        ["GARBAGE\r\n\r\n", 400],
        ["GET / HTTP/9.9\r\n\r\n", 400],
        [`GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`, 431],
        ["GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400],
        ["POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
        ["GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404],
        ["GET http://other.test/api/v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404],
        ["GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
        ["GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n", 400],
        ["GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: much\r\nConnection: close\r\n\r\n", 417]
      ] as const) {
        const answer = yield* Effect.promise(() => sendText(port, text))
        assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 60))
        assert.match(answer, /^content-type: application\/problem\+json\r$/im, text.slice(0, 60))
        assert.isString(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))).tag)
      }
      const old = yield* Effect.promise(() => sendText(port, "GET /health/live HTTP/1.0\r\n\r\n"))
      assert.match(old, /^HTTP\/1.1 200 /)
    })
  )

  it.effect("a body in a transfer coding that is not read is refused, not read as it is", () =>
    Effect.gen(function* () {
      const { admin, port } = yield* Api
      for (const [coding, status] of [
        ["gzip, chunked", 501],
        ["chunked", 201],
        ["Chunked", 201]
      ] as const) {
        const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\nContent-Type: application/json\r\n`
        const body = `Transfer-Encoding: ${coding}\r\nConnection: close\r\n\r\nc\r\n{"name":"a"}\r\n0\r\n\r\n`
        const answer = yield* Effect.promise(() => sendText(port, head + body))
        assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), coding)
      }
    })
  )

  it.effect(
    "a caller that waits to be told to go on is told so where its body is wanted, and its body is bounded too",
    () =>
      Effect.gen(function* () {
        const { admin, port } = yield* Api
        const chunked = (text: string) =>
          `Transfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`
        for (const [rest, told, status] of [
          [`Content-Length: 12\r\n\r\n{"name":"a"}`, true, 201],
          [chunked('{"name":"a"}'), true, 201],
          [chunked(`{"name":"${"x".repeat(1_100_000)}"}`), true, 413],
          [`Content-Length: 1100000\r\n\r\n`, false, 413],
          [`Content-Length: 12\r\nIdempotency-Key: \x01\r\n\r\n`, false, 400]
        ] as const) {
          const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\nContent-Type: application/json\r\n`
          const answer = yield* Effect.promise(() =>
            sendText(port, `${head}Connection: close\r\nExpect: 100-continue\r\n${rest}`)
          )
          assert.match(
            answer,
            new RegExp(`^${told ? "HTTP/1.1 100 Continue\r\n\r\n" : ""}HTTP/1.1 ${status} `),
            rest.slice(0, 60)
          )
        }
      })
  )

  it.effect("requests of one connection are done one after another, and answered in order", () =>
    Effect.gen(function* () {
      const { admin, call, port } = yield* Api
      const head = (line: string, more = "") =>
        `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\n${more}\r\n`
      const create = (name: string) => {
        const body = JSON.stringify({ name })
        return head(`POST ${path}`, `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`) + body
      }
      const text = ["piped 1", "piped 2", "piped 3"].flatMap((name) => [
        create(name),
        head(`GET ${path}?name=${encodeURIComponent(name)}&limit=1`)
      ])
      const answer = yield* Effect.promise(() =>
        sendText(port, text.join("") + head(`GET ${path}/none`, "Connection: close\r\n"))
      )
      assert.deepStrictEqual(statusesIn(answer), [201, 200, 201, 200, 201, 200, 404])
      assert.lengthOf(answer.match(/"items":\[\{/g) ?? [], 3)

      const broken = yield* Effect.promise(() =>
        sendText(port, `${create("before")}${head(`GET ${path}/none`)}GARBAGE\r\n\r\n`)
      )
      assert.deepStrictEqual(statusesIn(broken), [201, 404, 400])
      assert.include(broken.slice(broken.lastIndexOf("\r\n\r\n")), "MalformedRequest")
      const half = `Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n`
      const within = yield* Effect.promise(() =>
        sendText(port, `${create("whole")}${head(`POST ${path}`, half)}1\r\n{\r\nzz\r\n`)
      )
      assert.deepStrictEqual(statusesIn(within), [201, 400])
      assert.lengthOf((yield* call("GET", `${path}?name[in]=before,whole`)).json.items, 2)
    })
  )

  it.effect("of several credentials none is taken", () =>
    Effect.gen(function* () {
      const { admin, port } = yield* Api
      const [good, bad] = [`Authorization: Bearer ${admin}\r\n`, "Authorization: Bearer bad\r\n"]
      for (const given of [good + bad, bad + good, good + good]) {
        const text = `GET ${path} HTTP/1.1\r\nHost: x\r\n${given}Connection: close\r\n\r\n`
        const answer = yield* Effect.promise(() => sendText(port, text))
        assert.match(answer, /^HTTP\/1.1 401 /)
        assert.include(answer, "send one `Authorization`")
      }
    })
  )

  it.effect("random requests get a typed answer below 500", () =>
    Effect.gen(function* () {
      const { admin, port } = yield* Api
      for (let seed = 1; seed <= 600; seed++) {
        const given = randomRequest(seed, admin)
        const answer = yield* Effect.promise(() => send(port, given))
        const what = `seed ${seed}: ${given.method} ${given.path} ${JSON.stringify(given.headers)} → ${answer.status} ${answer.text.slice(0, 300)}`
        assert.isBelow(answer.status, 500, what)
        if (answer.status >= 400 && given.method !== "HEAD") assert.isString(JSON.parse(answer.text).tag, what)
      }
    })
  )
})

it.layer(layer({ timeoutMillis: 300 }), withoutTestServices)("a body that does not arrive in time", (it) => {
  it.effect("is told so: nothing was begun", () =>
    Effect.gen(function* () {
      const { admin, port } = yield* Api
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\nContent-Type: application/json\r\n`
      for (const rest of [
        "Content-Length: 40\r\n\r\n{",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        "Content-Length: 40\r\nExpect: 100-continue\r\n\r\n",
        "Content-Length: 40\r\nExpect: 100-continue\r\n\r\n{",
        "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n1\r\n{\r\n"
      ]) {
        const answer = yield* Effect.promise(() => sendText(port, head + rest))
        assert.match(answer, /^(HTTP\/1.1 100 Continue\r\n\r\n)?HTTP\/1.1 408 /, rest)
        assert.strictEqual(answer.startsWith("HTTP/1.1 100 "), rest.includes("Expect"), rest)
        assert.match(answer, /^connection: close\r$/im)
        assert.include(answer, "nothing was begun")
        assert.include(answer, '"tag":"RequestTimeout"')
      }
    })
  )
})

let held = 0
const hold: Route = {
  method: "GET",
  path: "/hold",
  errors: [],
  open: true,
  handle: () =>
    Effect.andThen(
      Effect.sync(() => held++),
      Effect.never
    )
}

it.layer(layer({ routes: [hold] }), withoutTestServices)("what waits behind an answer", (it) => {
  it.effect("is not done for a caller that has hung up", () =>
    Effect.gen(function* () {
      const { admin, call, port } = yield* Api
      const post = (name: string) =>
        `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${name.length + 11}\r\n\r\n{"name":"${name}"}`
      const socket = connect(port, "127.0.0.1", () =>
        socket.write(`GET /hold HTTP/1.1\r\nHost: x\r\n\r\n${post("gone 1")}${post("gone 2")}`)
      )
      while (held === 0) yield* Effect.sleep(5)
      yield* Effect.sleep(50)
      socket.destroy()
      yield* Effect.sleep(200)
      assert.deepStrictEqual((yield* call("GET", `${path}?name[in]=gone 1,gone 2`)).json.items, [])
    })
  )
})

it.layer(layer({}, undefined, { headersTimeoutMillis: 300 }), withoutTestServices)("a caller that stays", (it) => {
  it.effect("is cut off soon after it was told that its request cannot be read, or did not come", () =>
    Effect.gen(function* () {
      const { port } = yield* Api
      for (const [text, status] of [
        ["", 408],
        ["GET / HTTP/1.1\r\nHo", 408],
        ["GARBAGE\r\n\r\n", 400]
      ] as const) {
        const { answer, error } = yield* Effect.promise(
          () =>
            new Promise<{ answer: string; error: string | undefined }>((resolve) => {
              let answer = ""
              const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => socket.write(text))
              socket.on("data", (chunk) => (answer += chunk.toString()))
              // What is sent to a connection that is gone comes back as an error.
              socket.on("end", () => {
                const probe = setInterval(() => socket.write("x"), 100)
                const enough = setTimeout(() => socket.destroy(), 4_000)
                socket.on("close", () => (clearInterval(probe), clearTimeout(enough)))
              })
              socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve({ answer, error: code }))
              socket.on("close", () => resolve({ answer, error: undefined }))
            })
        )
        assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `))
        assert.oneOf(error, ["ECONNRESET", "EPIPE"], text)
      }
    })
  )
})

interface Given {
  readonly method: string
  readonly path: string
  readonly headers: { [name: string]: string }
  readonly body: Buffer | undefined
}

const send = (port: number, { body, headers, method, path }: Given) =>
  new Promise<{ status: number; text: string }>((resolve, reject) => {
    const call = request({ port, host: "127.0.0.1", method, path, headers }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk) => chunks.push(chunk))
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    call.on("error", reject)
    call.end(body)
  })

/** A linear congruential generator: the same requests for the same seed. */
const randomRequest = (seed: number, admin: string): Given => {
  let state = Math.imul(seed, 2654435761) >>> 0
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const pick = <A>(from: ReadonlyArray<A>): A => from[next(from.length)] as A
  const noise = (length: number) =>
    Array.from({ length: next(length) }, () => String.fromCharCode(0x21 + next(94))).join("")
  const json = (depth: number): unknown => {
    switch (next(depth > 4 ? 5 : 8)) {
      case 0:
        return null
      case 1:
        return next(2) === 0
      case 2:
        return (next(2) === 0 ? 1 : -1) * next(2 ** 31) * 10 ** next(20)
      case 3:
        return String.fromCharCode(...Array.from({ length: next(20) }, () => next(0x10000)))
      case 4:
        return noise(30)
      case 5:
        return Array.from({ length: next(5) }, () => json(depth + 1))
      default:
        return Object.fromEntries(
          Array.from({ length: next(5) }, () => [
            pick(["name", "pin", "to", "content", "idempotencyKey", "id", "__proto__", noise(8)]),
            json(depth + 1)
          ])
        )
    }
  }
  const segment = () =>
    pick([
      "widgets",
      "gadgets",
      "forum-threads",
      "forum-messages",
      "-",
      "import-old",
      "deactivate",
      "measure",
      "lockers",
      "api",
      "v1",
      "..",
      "%",
      "%00",
      "%ff",
      "%2e%2e",
      "",
      "constructor",
      "__proto__",
      encodeURIComponent(noise(10)),
      "x".repeat(next(400))
    ])
  const query = () =>
    pick([
      "",
      "?",
      "?limit=-1",
      "?sort=-,,-",
      "?after=eyJ",
      "?name[in]=",
      "?name[]=x",
      "?[eq]=1",
      "?%=%",
      "?a=1&a=2",
      "?factor=9e999",
      "?factor=1&units=[",
      `?${noise(20).replace(/#/g, "")}`,
      `?createdAt[gt]=${noise(6).replace(/#/g, "")}`
    ])
  const prefix = pick(["/api/v1/widgets", "/api/v1/gadgets", "/api/v1/forum-threads", "/api/v1", ""])
  const path = `${prefix}/${Array.from({ length: next(4) }, segment).join("/")}${query()}`
  const method = pick(["GET", "GET", "POST", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "PROPFIND"])
  const headers: { [name: string]: string } = { authorization: `Bearer ${admin}` }
  if (next(3) > 0) headers["content-type"] = pick(["application/json", "application/json", "text/plain", noise(20)])
  for (const name of [
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-request-id",
    "traceparent",
    "content-encoding"
  ])
    if (next(4) === 0)
      headers[name] = pick([noise(40), '"1"', "*", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
  if (next(10) === 0) headers["authorization"] = pick([noise(50), `Bearer ${noise(50)}`, ""])
  const kind = next(4)
  const body =
    method === "GET" || method === "HEAD" || kind === 0
      ? undefined
      : kind === 1
        ? Buffer.from(Array.from({ length: next(100) }, () => next(256)))
        : Buffer.from(JSON.stringify(json(0)))
  return { method, path: path.replace(/[^\x21-\x7e]/g, ""), headers, body }
}

const statusesIn = (answers: string) =>
  Array.from(answers.matchAll(/HTTP\/1\.1 (\d+) /g), ([, status]) => Number(status))

const sendText = (port: number, text: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text))
    let answer = ""
    socket.on("data", (chunk) => (answer += chunk.toString()))
    socket.on("close", () => resolve(answer))
    socket.on("error", reject)
  })

const sendChunks = (port: number, token: string, bytes: number) =>
  new Promise<{ sent: number; status: number; text: string }>((resolve, reject) => {
    const chunk = "x".repeat(65_536)
    let sent = 0
    let done = false
    const call = request(
      {
        port,
        host: "127.0.0.1",
        method: "POST",
        path,
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          "transfer-encoding": "chunked"
        }
      },
      (response) => {
        let text = ""
        response.on("data", (part) => (text += part))
        response.on("end", () => {
          done = true
          resolve({ sent, status: response.statusCode ?? 0, text })
          call.destroy()
        })
      }
    )
    call.on("error", (error) => (done ? undefined : reject(error)))
    const more = () => {
      while (sent < bytes) {
        if (done) return
        sent += chunk.length
        if (!call.write(chunk)) return void call.once("drain", more)
      }
    }
    more()
  })
