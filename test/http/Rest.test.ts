import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Answer, Api, layer } from "../support/HttpDomain.ts"

const withoutTestServices = { excludeTestServices: true }

it.layer(layer(), withoutTestServices)("derived routes", (it) => {
  it.effect("create, read, change and remove a row", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const made = yield* call("POST", "/api/v1/widgets", { body: { name: "bolt" } })
      assert.strictEqual(made.status, 201)
      assert.deepInclude(made.json, { name: "bolt", status: "ACTIVE" })
      assert.strictEqual(made.headers.get("location"), `/api/v1/widgets/${made.json.id}`)
      const path = made.headers.get("location") ?? ""
      const got = yield* call("GET", path)
      assert.deepStrictEqual(got.json, { id: made.json.id, label: "bolt", status: "ACTIVE" })
      const off = yield* call("POST", `${path}/deactivate`)
      assert.strictEqual(off.status, 200)
      assert.strictEqual(off.json.status, "INACTIVE")
      const again = yield* call("POST", `${path}/deactivate`)
      assert.strictEqual(again.status, 409)
      assert.strictEqual(again.headers.get("content-type"), "application/problem+json")
      assert.deepInclude(again.json, {
        type: "/problems/already-inactive",
        title: "Already inactive",
        status: 409,
        detail: `Widget ${made.json.id} is already inactive.`,
        instance: `${path}/deactivate`,
        tag: "AlreadyInactive",
        id: made.json.id
      })
      const gone = yield* call("DELETE", path)
      assert.strictEqual(gone.status, 204)
      assert.strictEqual(gone.text, "")
      assert.strictEqual((yield* call("GET", path)).status, 404)
      assert.strictEqual((yield* call("HEAD", "/api/v1/widgets")).status, 200)
    })
  )

  it.effect("reach every kind of action", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const made = yield* call("POST", "/api/v1/gadgets", { body: { name: "kinds", pin: "4711", size: 3 } })
      const path = `/api/v1/gadgets/${made.json.id}`
      assert.notProperty(made.json, "pin")
      const imported = yield* call("POST", "/api/v1/gadgets/-/import-old", { body: { name: "old" } })
      assert.strictEqual(imported.status, 201)
      const ping = yield* call("POST", `${path}/ping`)
      assert.strictEqual(ping.status, 204)
      const measured = yield* call("GET", `${path}/measure?factor=2&units=mm&units=cm&round=true`)
      assert.deepStrictEqual(measured.json, { size: 6, units: ["mm", "cm"], round: true })
      const faults = yield* call("GET", `${path}/measure?factor=x&round=maybe&bogus=1&factor=2`)
      assert.strictEqual(faults.status, 400)
      const wrong = yield* call("GET", `${path}/measure?factor=x&round=maybe&bogus=1&at=never`)
      assert.deepStrictEqual(wrong.json.errors.map((each: { path: string }) => each.path).toSorted(), [
        "at",
        "bogus",
        "factor",
        "round"
      ])
      const found = yield* call("GET", path)
      assert.notProperty(found.json, "pin")
      assert.strictEqual(found.json.name, "kinds")
      const worn = yield* call("POST", `${path}/wear`)
      assert.deepInclude(worn.json, { status: 409, tag: "Worn", uses: 7, members: { status: "broken" } })
      for (const pin of ["1", "2"]) yield* call("POST", "/api/v1/lockers", { body: { gadgetId: made.json.id, pin } })
      const lines = yield* call("GET", `${path}/lockers`)
      assert.strictEqual(lines.headers.get("content-type"), "application/x-ndjson")
      const rows = lines.text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.strictEqual(rows.length, 2)
      for (const row of rows) assert.hasAllKeys(row, ["id", "gadgetId"])
      assert.strictEqual((yield* call("DELETE", path)).status, 204)
    })
  )

  it.effect("page, sort and filter", () =>
    Effect.gen(function* () {
      const { call, url } = yield* Api
      for (const name of ["e", "d", "c", "b", "a"])
        yield* call("POST", "/api/v1/forum-participants", { body: { kind: "HUMAN", name } })
      const names: Array<string> = []
      let path: string | undefined = "/api/v1/forum-participants?sort=name&limit=2"
      let pages = 0
      while (path !== undefined) {
        const page: Answer = yield* call("GET", path)
        names.push(...page.json.items.map((each: { name: string }) => each.name))
        const link: string | undefined = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1]
        assert.strictEqual(link === undefined, page.json.next === null)
        path = link === undefined ? undefined : new URL(link, url).href.slice(url.length)
        pages++
      }
      assert.deepStrictEqual(names, ["a", "b", "c", "d", "e"])
      assert.strictEqual(pages, 3)
      const some = yield* call("GET", "/api/v1/forum-participants?name[in]=a,b&kind=HUMAN&createdAt[gte]=2020-01-01")
      assert.strictEqual(some.status, 400)
      assert.strictEqual(some.json.errors[0].path, "createdAt")
      const filtered = yield* call("GET", "/api/v1/forum-participants?name[in]=a,b&kind=HUMAN&sort=-name")
      assert.deepStrictEqual(
        filtered.json.items.map((each: { name: string }) => each.name),
        ["b", "a"]
      )
    })
  )

  it.effect("list every fault of a query", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const answer = yield* call(
        "GET",
        "/api/v1/gadgets?bogus=1&size=big&name[like]=x&limit=0&after=zzz&sort=pin&pin=4711&limit=3&%ff=1&state=NEVER"
      )
      assert.strictEqual(answer.status, 400)
      const paths = new Set(answer.json.errors.map((each: { path: string }) => each.path))
      for (const path of ["bogus", "size", "name", "limit", "after", "sort", "pin", "query", "state"])
        assert.isTrue(paths.has(path), path)
    })
  )

  it.effect("check entity tags", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const made = yield* call("POST", "/api/v1/gadgets", { body: { name: "tags", pin: "1" } })
      const path = `/api/v1/gadgets/${made.json.id}`
      const first = made.headers.get("etag") ?? ""
      const rename = (tag: string, name: string) =>
        call("POST", `${path}/rename`, { body: { name }, headers: { "if-match": tag } })
      const renamed = yield* rename(first, "tags2")
      assert.strictEqual(renamed.status, 200)
      const second = renamed.headers.get("etag") ?? ""
      assert.notStrictEqual(second, first)
      for (const stale of [first, `W/${second}`, '"abc"', '"2"', '"2-0000000000000000"', second.replace("2-", "3-")])
        assert.strictEqual((yield* rename(stale, "tags3")).status, 412, stale)
      assert.strictEqual((yield* rename("2", "tags3")).status, 400)
      assert.strictEqual((yield* rename(`${second}, "3"`, "tags3")).status, 400)
      const third = (yield* rename("*", "tags3")).headers.get("etag") ?? ""
      const same = yield* call("GET", path, { headers: { "if-none-match": `W/${third}` } })
      assert.strictEqual(same.status, 304)
      assert.strictEqual(same.text, "")
      assert.strictEqual((yield* call("GET", path, { headers: { "if-none-match": second } })).status, 200)
      assert.strictEqual((yield* call("DELETE", path, { headers: { "if-match": first } })).status, 412)
      assert.strictEqual((yield* call("DELETE", path, { headers: { "if-match": third } })).status, 204)
    })
  )

  it.effect("do a request with one idempotency key once", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const headers = { "idempotency-key": "order-1" }
      const create = call("POST", "/api/v1/widgets", { body: { name: "once" }, headers })
      const answers = yield* Effect.all(
        Array.from({ length: 1000 }, () => create),
        { concurrency: 200 }
      )
      assert.deepStrictEqual(new Set(answers.map((each) => each.status)), new Set([201]))
      assert.strictEqual(new Set(answers.map((each) => each.text)).size, 1)
      const rows = yield* call("GET", "/api/v1/widgets?name=once")
      assert.strictEqual(rows.json.items.length, 1)
      const reused = yield* call("POST", "/api/v1/widgets", { body: { name: "twice" }, headers })
      assert.strictEqual(reused.status, 422)
      assert.strictEqual(reused.json.tag, "IdempotencyKeyReused")
      for (const key of ["two words", "x".repeat(201), "ümlaut"]) {
        const bad = yield* call("POST", "/api/v1/widgets", { body: { name: "x" }, headers: { "idempotency-key": key } })
        assert.strictEqual(bad.status, 400, key)
        assert.strictEqual(bad.json.errors[0].path, "Idempotency-Key")
      }
      const others = yield* call("POST", "/api/v1/widgets", {
        body: { name: "other tenant" },
        headers,
        token: (yield* Api).other
      })
      assert.strictEqual(others.status, 201)
    })
  )

  it.effect("speak of the state machine, unique keys and references", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const made = yield* call("POST", "/api/v1/gadgets", { body: { name: "machine", pin: "1" } })
      const path = `/api/v1/gadgets/${made.json.id}`
      const jump = yield* call("POST", `${path}/move`, { body: { to: "GONE" } })
      assert.deepInclude(jump.json, { status: 409, tag: "InvalidTransition", from: "NEW", to: "GONE" })
      const twice = yield* call("POST", "/api/v1/gadgets", { body: { name: "machine", pin: "1" } })
      assert.deepInclude(twice.json, { status: 409, tag: "AlreadyExists" })
      const binding = { threadId: "nowhere", channelId: "log" }
      const broken = yield* call("POST", "/api/v1/forum-bindings", { body: binding })
      assert.strictEqual(broken.json.tag, "BrokenReference")
    })
  )

  it.effect("keep tenants apart", () =>
    Effect.gen(function* () {
      const { call, other } = yield* Api
      const made = yield* call("POST", "/api/v1/widgets", { body: { name: "mine" } })
      const path = `/api/v1/widgets/${made.json.id}`
      for (const [method, at] of [
        ["GET", path],
        ["POST", `${path}/deactivate`],
        ["DELETE", path]
      ] as const) {
        const answer = yield* call(method, at, { token: other })
        assert.strictEqual(answer.status, 404, `${method} ${at}`)
        assert.notInclude(answer.text, "mine")
      }
      const listed = yield* call("GET", "/api/v1/widgets?name=mine", { token: other })
      assert.deepStrictEqual(listed.json.items, [])
      const page = yield* call("GET", "/api/v1/widgets?limit=1")
      if (page.json.next !== null) {
        const stolen = yield* call("GET", `/api/v1/widgets?limit=500&after=${page.json.next}`, { token: other })
        for (const row of stolen.json.items) assert.strictEqual(row.name, "other tenant")
      }
      assert.strictEqual((yield* call("GET", path)).status, 200)
    })
  )

  it.effect("answer to methods and paths that are not there", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const patch = yield* call("PATCH", "/api/v1/widgets")
      assert.strictEqual(patch.status, 405)
      assert.strictEqual(patch.headers.get("allow"), "GET, HEAD, POST, OPTIONS")
      const options = yield* call("OPTIONS", "/api/v1/widgets/1")
      assert.strictEqual(options.status, 204)
      assert.strictEqual(options.headers.get("allow"), "GET, HEAD, DELETE, OPTIONS")
      for (const path of [
        "/api/v1",
        "/api/v1/nothing",
        "/api/v1/widgets/",
        "/api/v1/widgets/1/2/3",
        "//",
        "/api/v1/widgets/1/explode"
      ]) {
        const answer = yield* call("GET", path)
        assert.strictEqual(answer.status, 404, path)
        assert.strictEqual(answer.json.tag, "UnknownRoute")
      }
      const key = yield* call("GET", "/api/v1/widgets/%ff")
      assert.deepStrictEqual(key.json.errors[0].path, "id")
      assert.strictEqual(key.status, 400)
      assert.strictEqual((yield* call("GET", `/api/v1/widgets/${"x".repeat(201)}`)).status, 400)
      assert.strictEqual((yield* call("GET", "/api/v1/widgets/a%00b")).status, 400)
      assert.strictEqual((yield* call("GET", "/api/v1/widgets/-")).status, 404)
      assert.strictEqual((yield* call("GET", "/api/v1/widgets/a%2Fb")).json.key, "a/b")
    })
  )
})
