import { assert, it } from "@effect/vitest"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Api, layerOf, token } from "../support/HttpDomain.ts"

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

const registry = Registry.make({ resources: [Line, Order] })
const withoutTestServices = { excludeTestServices: true }

it.layer(layerOf(registry), withoutTestServices)("the entity tag of an answer", (it) => {
  const make = Effect.gen(function* () {
    const { call } = yield* Api
    const { json } = yield* call("POST", "/api/v1/orders", { body: { name: "first", margin: 7 } })
    return { id: String(json.id), path: `/api/v1/orders/${json.id}` }
  })

  it.effect("is another once rows that a read looked at have changed", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { id, path } = yield* make
      const known = (tag: string | null) => call("GET", `${path}/total`, { headers: { "if-none-match": tag ?? "" } })
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
})
