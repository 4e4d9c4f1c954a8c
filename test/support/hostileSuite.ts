/** The tests of hostile requests against every route of a domain with a field of each kind, over HTTP. */
import * as Field from "@tenon/core/Field"
import type { Interpreter } from "@tenon/core/Interpreter"
import * as Load from "@tenon/core/Load"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as HostileRequests from "@tenon/testing/HostileRequests"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { connect } from "node:net"
import { Api, issuer, layerOver, token } from "./HttpDomain.ts"

const Shelf = Resource.make("Shelf", {
  table: "shelves",
  fields: { id: Field.Id, name: Schema.String },
  actions: (on) => ({ create: on.create({ input: { name: Schema.String } }) })
})

/** What a caller may set. */
const given = {
  title: Schema.NonEmptyString,
  shelfId: Schema.String,
  note: Schema.optionalKey(Schema.NullOr(Schema.String)),
  tags: Schema.optionalKey(Schema.Array(Schema.String)),
  data: Schema.optionalKey(Schema.Json),
  shape: Schema.optionalKey(Schema.Struct({ kind: Schema.String, sides: Schema.Array(Schema.Int) })),
  grade: Schema.optionalKey(Schema.Literals(["A", "B"])),
  count: Schema.optionalKey(Schema.Int),
  ratio: Schema.optionalKey(Schema.Number),
  serial: Schema.optionalKey(Schema.BigInt),
  worth: Schema.optionalKey(Schema.BigDecimal),
  sound: Schema.optionalKey(Schema.Boolean),
  found: Schema.optionalKey(Schema.DateTimeUtc)
}

/** A field of each kind that is stored differently. */
const Specimen = Resource.make("Specimen", {
  fields: { id: Field.Id, ...given, version: Field.Version },
  relations: { shelf: Relation.belongsTo(Shelf, "shelfId") },
  actions: (on) => ({
    create: on.create({ input: given }),
    change: on.update({ input: given }, ({ input, self }) => ({ ...self, ...input })),
    beside: on.read(
      {
        input: { title: Schema.String, counts: Schema.optionalKey(Schema.Array(Schema.Int)) },
        load: ({ input }) => ({ found: Load.many(Shelf, { name: input.title }) }),
        output: Schema.Int
      },
      ({ loaded }) => loaded.found.length
    ),
    remove: on.destroy({})
  })
})
export const registry = Registry.make({ resources: [Shelf, Specimen] })

const path = "/api/v1/specimens"

/** Declares them, over whatever keeps the rows. */
export const hostile = (name: string, infrastructure: Layer.Layer<Interpreter | RunEvents, unknown>) =>
  suite(layerOver(infrastructure as Layer.Layer<Interpreter | RunEvents>), {
    timeout: 60_000,
    excludeTestServices: true
  })(`hostile requests ${name}`, (it) => {
    it.effect(
      "each come to a typed problem or a text that is only a text; nothing is lost, nothing shown",
      () =>
        Effect.gen(function* () {
          const { admin, call, other, url } = yield* Api
          const mine = yield* seed("mine", admin)
          const theirs = yield* seed("theirs of another tenant", other)
          const document = (yield* call("GET", "/openapi.json")).json
          const requests = HostileRequests.of(document, {
            token: admin,
            rows: { [path]: mine.changed },
            foreign: { ids: theirs.ids, idempotencyKeys: theirs.idempotencyKeys, cursors: theirs.cursors }
          })
          assert.isAbove(requests.length, 1_000)
          let made = 0
          const faults = yield* Effect.forEach(
            requests,
            (request) =>
              Effect.map(HostileRequests.send(url, request), (answer) => {
                if (answer.status === 201 && request.path === path) made++
                return HostileRequests.fault(request, answer, ["theirs of another tenant"]) ?? []
              }),
            { concurrency: 16 }
          )
          assert.deepStrictEqual(faults.flat(), [])
          assert.deepStrictEqual(yield* rows(other), theirs.all)
          const left = yield* rows(admin)
          for (const row of mine.rows) assert.deepInclude(left, row)
          assert.strictEqual(left.length, mine.rows.length + 1 + made)
          assert.isUndefined(({} as { admin?: boolean }).admin)
        }),
      { timeout: 120_000 }
    )

    it.effect("a body of 10 MB is refused by every route that takes one", () =>
      Effect.gen(function* () {
        const { admin, call, url } = yield* Api
        const document = (yield* call("GET", "/openapi.json")).json
        const requests = HostileRequests.large(HostileRequests.of(document, { token: admin }))
        assert.lengthOf(requests, 3)
        for (const request of requests) {
          const answer = yield* HostileRequests.send(url, request)
          assert.strictEqual(answer.status, 413, answer.text)
        }
      })
    )

    it.effect("tokens that have run out, or that others signed, read and write nothing", () =>
      Effect.gen(function* () {
        const { admin, call } = yield* Api
        const before = yield* rows(admin)
        const now = Math.floor(Date.now() / 1000)
        const tokens = yield* Effect.promise(() =>
          Promise.all([
            token("tenant-a", ["admin"], (jwt) => jwt.setExpirationTime(now - 60)),
            token("tenant-a", ["admin"], (jwt) => jwt.setIssuer(`${issuer}.evil`)),
            token("tenant-a", ["admin"], (jwt) => jwt, "another secret that is long enough too")
          ])
        )
        for (const each of tokens) {
          assert.strictEqual((yield* call("GET", path, { token: each })).status, 401)
          const body = { title: "forged", shelfId: "x" }
          assert.strictEqual((yield* call("POST", path, { token: each, body })).status, 401)
        }
        assert.deepStrictEqual(yield* rows(admin), before)
      })
    )

    it.effect("requests that are sent before there is an answer find what those before them did", () =>
      Effect.gen(function* () {
        const { admin, port } = yield* Api
        const head = (line: string, more = "") =>
          `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\n${more}\r\n`
        const requests = Array.from({ length: 20 }, (_, index) => {
          const body = JSON.stringify({ name: `piped-${index}` })
          const more = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`
          return head("POST /api/v1/shelves", more) + body + head(`GET /api/v1/shelves?name=piped-${index}`)
        })
        const text = requests.join("") + head("GET /api/v1/shelves/none", "Connection: close\r\n")
        const answer = yield* Effect.promise(
          () =>
            new Promise<string>((resolve, reject) => {
              const socket = connect(port, "127.0.0.1", () => socket.write(text))
              let answer = ""
              socket.on("data", (chunk) => (answer += chunk.toString()))
              socket.on("close", () => resolve(answer))
              socket.on("error", reject)
            })
        )
        assert.lengthOf(answer.match(/"items":\[\{/g) ?? [], 20)
      })
    )

    it.effect("1,000 creates at once with one idempotency key make one row", () =>
      Effect.gen(function* () {
        const { admin, call, other } = yield* Api
        const create = (body: unknown, token: string) =>
          call("POST", "/api/v1/shelves", { body, token, headers: { "idempotency-key": "a-thousand" } })
        const answers = yield* Effect.all(
          Array.from({ length: 1_000 }, () => create({ name: "once" }, admin)),
          { concurrency: "unbounded" }
        )
        const made = answers.filter(({ status }) => status === 201)
        // On a machine that is busy for seconds some may be told to come again.
        for (const answer of answers) if (!made.includes(answer)) assert.strictEqual(answer.json.tag, "Unavailable")
        assert.lengthOf([...new Set(made.map(({ text }) => text))], 1)
        const found = yield* call("GET", "/api/v1/shelves?name=once")
        assert.deepStrictEqual(found.json.items, [made[0]?.json])
        assert.deepStrictEqual((yield* create({ name: "once" }, admin)).json, made[0]?.json)
        // The key means nothing to another tenant, and nothing else to this one.
        assert.notStrictEqual((yield* create({ name: "once" }, other)).json.id, made[0]?.json.id)
        assert.strictEqual((yield* create({ name: "twice" }, admin)).json.tag, "IdempotencyKeyReused")
      })
    )
  })

/** All rows of a tenant. */
const rows = Effect.fnUntraced(function* (token: string) {
  const { call } = yield* Api
  const found: Array<{ readonly id: string }> = []
  let after = ""
  do {
    const page = yield* call("GET", `${path}?sort=id&limit=500${after}`, { token })
    found.push(...page.json.items)
    after = page.json.next ? `&after=${page.json.next}` : ""
  } while (after !== "")
  return found
})

/** Rows of a tenant with a name in them, and what of them others may have got to know. */
const seed = Effect.fnUntraced(function* (name: string, token: string) {
  const { call } = yield* Api
  const shelf = yield* call("POST", "/api/v1/shelves", { token, body: { name } })
  const idempotencyKeys = ["key-1", "key-2", "key-3"].map((each) => `${name.length}-${each}`)
  for (const key of idempotencyKeys) {
    const body = { title: name, shelfId: shelf.json.id, note: name, tags: [name], data: { name } }
    const made = yield* call("POST", path, { token, body, headers: { "idempotency-key": key } })
    assert.strictEqual(made.status, 201, made.text)
  }
  const page = yield* call("GET", `${path}?limit=1`, { token })
  const made = yield* rows(token)
  return {
    all: made,
    rows: made.slice(1),
    /** The row that may be changed. */
    changed: made[0]?.id ?? "",
    ids: [...made.slice(0, 2).map(({ id }) => id), String(shelf.json.id)],
    idempotencyKeys,
    cursors: [String(page.json.next)]
  }
})
