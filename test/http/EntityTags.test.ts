import { assert, it } from "@effect/vitest"
import * as Field from "@tenon/core/Field"
import type { Interpreter } from "@tenon/core/Interpreter"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as RowMark from "@tenon/core/RowMark"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Testing from "@tenon/testing/Testing"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Api, layerOver, token } from "../support/HttpDomain.ts"
import { server } from "../support/ScratchDatabase.ts"

const Line = Resource.make("Line", {
  fields: { id: Field.Id, orderId: Schema.String, amount: Schema.Int },
  actions: (on) => ({ create: on.create({ input: { orderId: Schema.String, amount: Schema.Int } }) })
})

const Order = Resource.make("Order", {
  fields: {
    id: Field.Id,
    name: Schema.String,
    margin: Schema.Int.pipe(Field.visibleTo("admin")),
    version: Field.Version
  },
  actions: (on) => ({
    create: on.create({ input: { name: Schema.String, margin: Schema.Int } }),
    rename: on.update({ input: { name: Schema.String } }, ({ input, self }) => ({ ...self, ...input })),
    total: on.read(
      { output: Schema.Int, load: ({ self }) => ({ lines: Load.many(Line, { orderId: self.id }) }) },
      ({ loaded }) => loaded.lines.reduce((sum, { amount }) => sum + amount, 0)
    ),
    clock: on.read({ output: Schema.DateTimeUtc }, (_, { now }) => now)
  })
})

const Owner = Resource.make("Owner", {
  fields: { id: Field.Id },
  actions: (on) => ({ create: on.create({ input: {} }), remove: on.destroy({}) })
})

/** Its callers choose its key. */
const chosen = {
  id: Field.Identifier,
  text: Schema.String,
  pin: Schema.String.pipe(Field.sensitive),
  data: Schema.optionalKey(Schema.Json),
  ownerId: Schema.optionalKey(Schema.NullOr(Schema.String))
}

const Note = Resource.make("Note", {
  fields: { ...chosen, version: Field.Version },
  relations: { owner: Relation.belongsTo(Owner, "ownerId", { optional: true, onRemove: "null" }) },
  actions: (on) => ({
    create: on.create({ input: chosen }),
    change: on.update({ input: { text: Schema.String } }, ({ input, self }) => ({ ...self, ...input })),
    touch: on.action({}, () => Outcome.succeed(undefined)),
    remove: on.destroy({})
  })
})

const registry = Registry.make({ resources: [Line, Order, Owner, Note] })
const settings = { excludeTestServices: true, timeout: 60_000 }

const test = (name: string, infrastructure: Layer.Layer<Interpreter | RunEvents, unknown>) =>
  it.layer(layerOver(infrastructure as Layer.Layer<Interpreter | RunEvents>), settings)(
    `the entity tag of an answer ${name}`,
    (it) => {
      const make = Effect.gen(function* () {
        const { call } = yield* Api
        const { json } = yield* call("POST", "/api/v1/orders", { body: { name: "first", margin: 7 } })
        return { id: String(json.id), path: `/api/v1/orders/${json.id}` }
      })

      it.effect("is another once rows that a read looked at have changed", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const { id, path } = yield* make
          const known = (tag: string | null) =>
            call("GET", `${path}/total`, { headers: { "if-none-match": tag ?? "" } })
          const empty = (yield* call("GET", `${path}/total`)).headers.get("etag")
          assert.strictEqual((yield* known(empty)).status, 304)
          yield* call("POST", "/api/v1/lines", { body: { orderId: id, amount: 42 } })
          const changed = yield* known(empty)
          assert.deepStrictEqual([changed.status, changed.json], [200, 42])
          assert.strictEqual((yield* known(changed.headers.get("etag"))).status, 304)
        })
      )

      it.effect("is another once the time that a read tells is", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const { path } = yield* make
          const { headers, text } = yield* call("GET", `${path}/clock`)
          yield* Effect.sleep(5)
          const later = yield* call("GET", `${path}/clock`, { headers: { "if-none-match": headers.get("etag") ?? "" } })
          assert.strictEqual(later.status, 200)
          assert.notStrictEqual(later.text, text)
        })
      )

      it.effect("is another for a caller who is shown other fields", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const viewer = yield* Effect.promise(() => token("tenant-a", ["viewer"]))
          const { path } = yield* make
          const some = yield* call("GET", path, { token: viewer })
          assert.notProperty(some.json, "margin")
          const all = yield* call("GET", path, { headers: { "if-none-match": some.headers.get("etag") ?? "" } })
          assert.deepStrictEqual([all.status, all.json.margin], [200, 7])
          assert.strictEqual((yield* call("HEAD", path)).headers.get("etag"), all.headers.get("etag"))
        })
      )

      it.effect("names the row's version to If-Match, whatever else it holds", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const { path } = yield* make
          const rename = (tag: string | null) =>
            call("POST", `${path}/rename`, { body: { name: "next" }, headers: { "if-match": tag ?? "" } })
          const { headers } = yield* call("GET", `${path}/total`)
          assert.strictEqual((yield* rename(headers.get("etag"))).status, 200)
          assert.strictEqual((yield* rename(headers.get("etag"))).status, 412)
          assert.strictEqual((yield* rename((yield* call("GET", path)).headers.get("etag"))).status, 200)
        })
      )

      it.effect("is another for another row under the key of one that was removed", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const path = "/api/v1/notes/again"
          const create = (text: string) => call("POST", "/api/v1/notes", { body: { id: "again", text, pin: "1" } })
          const first = (yield* create("former")).headers.get("etag") ?? ""
          const known = { headers: { "if-none-match": first } }
          const expected = { headers: { "if-match": first } }
          assert.strictEqual((yield* call("GET", path, known)).status, 304)
          assert.strictEqual((yield* call("DELETE", path, expected)).status, 204)
          yield* create("latter")
          const now = yield* call("GET", path, known)
          assert.deepStrictEqual([now.status, now.json.text], [200, "latter"])
          for (const stale of [
            yield* call("POST", `${path}/change`, { body: { text: "lost" }, ...expected }),
            yield* call("POST", `${path}/touch`, expected),
            yield* call("DELETE", path, expected)
          ])
            assert.deepStrictEqual([stale.status, stale.json.tag], [412, "VersionConflict"])
          assert.deepStrictEqual((yield* call("GET", path)).json, now.json)
        })
      )

      it.effect("is another once the database itself has changed the row", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const { json: owner } = yield* call("POST", "/api/v1/owners", { body: {} })
          const body = { id: "owned", text: "", pin: "1", ownerId: owner.id }
          const tag = (yield* call("POST", "/api/v1/notes", { body })).headers.get("etag") ?? ""
          yield* call("DELETE", `/api/v1/owners/${owner.id}`)
          const now = yield* call("GET", "/api/v1/notes/owned", { headers: { "if-none-match": tag } })
          assert.deepStrictEqual([now.status, now.json.ownerId ?? null], [200, null])
          assert.strictEqual(
            (yield* call("DELETE", "/api/v1/notes/owned", { headers: { "if-match": tag } })).status,
            412
          )
        })
      )

      it.effect("is the same of a row in the answer that made or changed it and in one that reads it", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const body = {
            id: "same",
            text: "ä",
            pin: "1",
            data: { long: 1, b: [1.5e300, -0, { z: null, a: "\u2028" }] }
          }
          const made = yield* call("POST", "/api/v1/notes", { body })
          const path = "/api/v1/notes/same"
          const read = yield* call("GET", path)
          assert.match(made.headers.get("etag") ?? "", /^"1-[0-9a-f]{16}"$/)
          assert.strictEqual(read.headers.get("etag"), made.headers.get("etag"))
          const headers = { "if-match": read.headers.get("etag") ?? "" }
          const touched = yield* call("POST", `${path}/touch`, { headers })
          assert.deepStrictEqual([touched.status, touched.headers.get("etag")], [204, read.headers.get("etag")])
          const changed = yield* call("POST", `${path}/change`, { body: { text: "b" }, headers })
          assert.strictEqual(changed.headers.get("etag"), (yield* call("GET", path)).headers.get("etag"))
        })
      )

      it.effect("is no condition of a write where it must not match: that is refused, as it would not be kept", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const body = { id: "kept", text: "kept", pin: "1" }
          const tag = (yield* call("POST", "/api/v1/notes", { body })).headers.get("etag") ?? ""
          for (const headers of [{ "if-none-match": "*" }, { "if-none-match": tag, "if-match": tag }])
            for (const refused of [
              yield* call("POST", "/api/v1/notes", { body: { ...body, id: "other" }, headers }),
              yield* call("POST", "/api/v1/notes/kept/change", { body: { text: "lost" }, headers }),
              yield* call("DELETE", "/api/v1/notes/kept", { headers })
            ])
              assert.deepStrictEqual(refused.json.errors, [
                {
                  path: "If-None-Match",
                  message: "is for reads; a write may be bound to a row as it stands by If-Match"
                }
              ])
          assert.strictEqual((yield* call("GET", "/api/v1/notes/kept")).headers.get("etag"), tag)
          assert.strictEqual((yield* call("GET", "/api/v1/notes/other")).status, 404)
        })
      )

      it.effect("tells nothing of what is not shown", () =>
        Effect.gen(function* () {
          const { call } = yield* Api
          const tags: Array<string | null> = []
          for (const pin of ["1234", "4321"]) {
            yield* call("POST", "/api/v1/notes", { body: { id: "secret", text: "", pin } })
            tags.push((yield* call("GET", "/api/v1/notes/secret")).headers.get("etag"))
            yield* call("DELETE", "/api/v1/notes/secret")
          }
          assert.strictEqual(tags[0], tags[1])
        })
      )
    }
  )

test("in memory", Testing.layer(registry))
test("over PostgreSQL", Testing.layerPostgres(registry, { server }))

it("is digested as FNV-1a", () => {
  const digests = { "": "cbf29ce484222325", a: "af63dc4c8601ec8c", foobar: "85944171f73967e8" }
  for (const [text, digest] of Object.entries(digests)) assert.strictEqual(RowMark.digest(text), digest)
})
