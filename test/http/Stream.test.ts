import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { type IncomingMessage, request } from "node:http"
import { createInterface } from "node:readline"
import { Api, jwt, layerOf, statuses } from "../support/HttpDomain.ts"

const Page = Resource.make("Page", {
  fields: { id: Field.Id, book: Schema.String },
  actions: () => ({})
})

const pages = 1_450
const numbers = Array.from({ length: pages }, (_, index) => index)

/** Each output is so large that few pages fit into the buffers between here and the caller. */
const Book = Resource.make("Book", {
  fields: { id: Field.Id },
  actions: (on) => ({
    create: on.create({ input: {} }),
    write: on.action({ touches: [Page] }, ({ self }) =>
      Outcome.nothing.pipe(
        Outcome.forEach(numbers, (index) =>
          Outcome.also(Outcome.save(Page, { id: `${self.id}-${String(index).padStart(5, "0")}`, book: self.id }))
        )
      )
    ),
    read: on.stream(
      { output: Schema.String, from: ({ self }) => Load.many(Page, { book: self.id }) },
      ({ row }) => `${row.id} ${"x".repeat(50_000)}`
    ),
    whole: on.read({ output: Schema.String }, () => "x".repeat(40_000_000)),
    remove: on.destroy({})
  })
})
const registry = Registry.make({ resources: [Book, Page] })

let read = 0
const counting = Tracer.make({
  span: (options) => {
    if (options.name === "Book.read") read++
    return new Tracer.NativeSpan(options)
  }
})

const open = (url: string, token: string) =>
  Effect.promise(
    () =>
      new Promise<IncomingMessage>((resolve, reject) =>
        request(url, { headers: { authorization: `Bearer ${token}` } }, resolve)
          .on("error", reject)
          .end()
      )
  )

/** The book with so many pages, which the first who asks for it writes. */
let written: string | undefined

const book = Effect.gen(function* () {
  const { admin, call, url } = yield* Api
  if (written === undefined) {
    written = String((yield* call("POST", "/api/v1/books", { body: {} })).json.id)
    assert.strictEqual((yield* call("POST", `/api/v1/books/${written}/write`, { body: {} })).status, 204)
  }
  read = 0
  const path = `/api/v1/books/${written}`
  return { path, response: open(`${url}${path}/read`, admin) }
})

/** Waits until no more pages are read. */
const settled = Effect.gen(function* () {
  let before = -1
  while (before !== read) {
    before = read
    yield* Effect.sleep(150)
  }
  return read
})

const after = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

/** Takes a little of an answer with pauses of these lengths, then the rest; says how much it was, and how it ended. */
const sip = async (answer: IncomingMessage, pauses: ReadonlyArray<number>) => {
  let taken = 0
  answer.on("data", (chunk: Buffer) => (taken += chunk.length)).on("error", () => undefined)
  const ended = new Promise((resolve) => answer.on("close", resolve))
  for (const millis of pauses) {
    answer.pause()
    await after(millis)
    answer.resume()
    await after(20)
  }
  await ended
  return { taken, whole: answer.complete }
}

const patience = 400

it.layer(layerOf(registry, {}, undefined, { writeTimeoutMillis: patience }), { excludeTestServices: true })(
  "an answer",
  (it) => {
    it.effect("is cut off where nothing of it is taken for long", () =>
      Effect.gen(function* () {
        const { admin, call, url } = yield* Api
        const { id } = (yield* call("POST", "/api/v1/books", { body: {} })).json
        yield* call("POST", `/api/v1/books/${id}/write`, { body: {} })
        for (const path of [`/api/v1/books/${id}/read`, `/api/v1/books/${id}/whole`]) {
          const answer = yield* open(url + path, admin)
          assert.strictEqual(answer.statusCode, 200)
          const { taken, whole } = yield* Effect.promise(() => sip(answer, [3 * patience]))
          assert.isFalse(whole, path)
          assert.isBelow(taken, 40_000_000, path)
        }
      })
    )

    it.effect("is not where a little is taken now and then", () =>
      Effect.gen(function* () {
        const { admin, call, url } = yield* Api
        const { id } = (yield* call("POST", "/api/v1/books", { body: {} })).json
        yield* call("POST", `/api/v1/books/${id}/write`, { body: {} })
        const answer = yield* open(`${url}/api/v1/books/${id}/read`, admin)
        const pauses = Array.from({ length: 8 }, () => patience / 2)
        const { taken, whole } = yield* Effect.promise(() => sip(answer, pauses))
        assert.deepStrictEqual([whole, taken > pages * 50_000], [true, true])
      })
    )
  }
)

it.layer(layerOf(registry, {}, { ...jwt, rememberMillis: 0 }), { excludeTestServices: true })("a stream", (it) => {
  it.effect("ends where its caller's token no longer counts", () =>
    Effect.gen(function* () {
      const { admin, call, url } = yield* Api
      const { id } = (yield* call("POST", "/api/v1/books", { body: {} })).json
      yield* call("POST", `/api/v1/books/${id}/write`, { body: {} })
      const answer = yield* open(`${url}/api/v1/books/${id}/read`, admin)
      yield* Effect.sleep(300)
      statuses.set("tenant-a", "suspended")
      const { taken, whole } = yield* Effect.promise(() => sip(answer, []))
      statuses.delete("tenant-a")
      assert.isFalse(whole)
      assert.isBelow(taken, pages * 50_000)
    })
  )
})

it.layer(layerOf(registry).pipe(Layer.provideMerge(Layer.succeed(Tracer.Tracer, counting))), {
  excludeTestServices: true
})("a stream", (it) => {
  it.effect("waits for a caller that does not read, goes on with one that does, and gives all rows in order", () =>
    Effect.gen(function* () {
      const { response } = yield* book
      const answer = yield* response
      assert.strictEqual(answer.headers["content-type"], "application/x-ndjson")
      assert.isBelow(yield* settled, 4)
      const lines = yield* Effect.promise(async () => {
        const beginnings: Array<string> = []
        for await (const line of createInterface({ input: answer })) beginnings.push(line.slice(0, 60))
        return beginnings
      })
      assert.strictEqual(lines.length, pages)
      assert.deepStrictEqual(lines, lines.toSorted())
      assert.strictEqual(read, Math.ceil(pages / 200))
    })
  )

  it.effect("stops where the caller hangs up", () =>
    Effect.gen(function* () {
      const { response } = yield* book
      const answer = yield* response
      answer.destroy()
      assert.isBelow(yield* settled, 4)
    })
  )

  it.effect("breaks off where a later page is refused, and is refused as a problem where the first is", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { path, response } = yield* book
      const answer = yield* response
      assert.isBelow(yield* settled, 4)
      assert.strictEqual((yield* call("DELETE", path)).status, 204)
      const ended = yield* Effect.promise(async () => {
        try {
          for await (const _ of answer);
          return "complete"
        } catch (error) {
          return (error as NodeJS.ErrnoException).code
        }
      })
      assert.strictEqual(ended, "ECONNRESET")
      const refused = yield* call("GET", `${path}/read`)
      assert.strictEqual(refused.status, 404)
      assert.strictEqual(refused.json.tag, "NotFound")
    })
  )
})
