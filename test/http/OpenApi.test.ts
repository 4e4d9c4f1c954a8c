import { Validator } from "@seriousme/openapi-schema-validator"
import { assert, describe, it } from "@effect/vitest"
import * as OpenApi from "@tenon/http/OpenApi"
import * as Effect from "effect/Effect"
import { Api, layer, registry } from "../support/HttpDomain.ts"

const withoutTestServices = { excludeTestServices: true }
// oxlint-disable-next-line typescript/no-explicit-any
const document: any = JSON.parse(JSON.stringify(OpenApi.make(registry)))

const operations = new Map<string, { readonly path: string; readonly parameters: ReadonlyArray<string> }>(
  // oxlint-disable-next-line typescript/no-explicit-any
  Object.entries<Record<string, any>>(document.paths).flatMap(([path, methods]) =>
    Object.values(methods).map(({ operationId, parameters = [] }) => [
      operationId,
      { path, parameters: parameters.map((each: { readonly name: string }) => each.name) }
    ])
  )
)

const linksOf = (path: string, method: string, status: string) => document.paths[path][method].responses[status].links

describe("the OpenAPI document", () => {
  it("is valid OpenAPI 3.1", async () => {
    const validator = new Validator()
    const { errors, valid } = await validator.validate(structuredClone(document))
    assert.isTrue(valid, JSON.stringify(errors, null, 1))
    assert.strictEqual(validator.version, "3.1")
  })

  it("refers to nothing that is not there, and uses every operation id once", () => {
    const text = JSON.stringify(document)
    for (const [, name = ""] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      assert.property(document.components.schemas, name)
    const named = [...text.matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id)
    const ids = [...operations.keys()]
    assert.deepStrictEqual(ids.toSorted(), [...new Set(named)].toSorted())
    assert.strictEqual(
      ids.length,
      Object.values(document.paths).flatMap((methods) => Object.values(methods as object)).length
    )
  })

  it("has an operation for every action", () => {
    const ids = new Set([...JSON.stringify(document).matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id))
    for (const resource of registry.resources)
      for (const name of Object.keys(resource.actions)) assert.isTrue(ids.has(`${resource.name}_${name}`), name)
  })

  it("shows no sensitive field in an answer, and asks for it in a body", () => {
    for (const name of ["Gadget", "Locker"]) {
      assert.notProperty(document.components.schemas[name].properties, "pin")
      assert.notInclude(document.components.schemas[name].required, "pin")
    }
    const create = document.paths["/api/v1/gadgets"].post
    assert.property(create.requestBody.content["application/json"].schema.properties, "pin")
    const list = document.paths["/api/v1/gadgets"].get
    assert.notInclude(
      list.parameters.map((each: { name: string }) => each.name),
      "pin"
    )
  })

  it("says what an action may fail with", () => {
    const { responses } = document.paths["/api/v1/widgets/{id}/deactivate"].post
    assert.include(JSON.stringify(responses["409"]), "AlreadyInactiveProblem")
    for (const status of ["200", "400", "401", "403", "404", "409", "413", "415", "422", "500", "503", "504"])
      assert.property(responses, status)
    const worn = document.components.schemas.WornProblem
    assert.deepInclude(worn.allOf[1].properties.uses, { type: "integer" })
    assert.deepInclude(document.components.schemas.InvalidInputProblem.allOf[1].properties.errors, { type: "array" })
    const rename = document.paths["/api/v1/gadgets/{id}/rename"].post
    assert.property(rename.responses, "412")
    assert.include(
      rename.parameters.map((each: { name: string }) => each.name),
      "If-Match"
    )
  })
})

it.layer(layer(), withoutTestServices)("a relationship", (it) => {
  it.effect("is a link of every answer that is the row, which leads to what it says", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const threads = "/api/v1/forum-threads"
      const { messages } = linksOf(threads, "post", "201")
      assert.deepStrictEqual(linksOf(`${threads}/{id}`, "get", "200"), { messages })
      // oxlint-disable-next-line typescript/no-explicit-any
      /** Follows a link from an answer. */
      const follow = ({ operationId, parameters }: any, body: { readonly [field: string]: string }) => {
        const [name = "", place = ""] = Object.entries<string>(parameters)[0] ?? []
        const operation = operations.get(operationId)
        assert.include(operation?.parameters ?? [], name)
        const value = encodeURIComponent(body[place.replace("$response.body#/", "")] ?? "")
        const path = operation?.path ?? ""
        return call("GET", path.includes("{id}") ? path.replace("{id}", value) : `${path}?${name}=${value}`)
      }
      const people = yield* call("POST", "/api/v1/forum-participants", { body: { name: "a", kind: "AGENT" } })
      const posted = Effect.fnUntraced(function* (title: string, count: number) {
        const { json: thread } = yield* call("POST", threads, { body: { title } })
        for (let index = 0; index < count; index++) {
          const body = { idempotencyKey: `k${index}`, participantId: people.json.id, content: title }
          assert.strictEqual((yield* call("POST", `${threads}/${thread.id}/add-message`, { body })).status, 200)
        }
        return thread
      })
      yield* posted("another", 1)
      const thread = yield* posted("this", 2)
      const { items } = (yield* follow(messages, thread)).json
      assert.deepStrictEqual(
        items.map((each: { readonly content: string }) => each.content),
        ["this", "this"]
      )
      const back = linksOf("/api/v1/forum-messages/{id}", "get", "200")
      assert.deepStrictEqual((yield* follow(back.thread, items[0])).json, thread)
    })
  )
})

it.layer(layer({ info: { title: "Test", version: "7" } }), withoutTestServices)("the documentation", (it) => {
  it.effect("is served, with a page that fetches nothing from elsewhere", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const served = yield* call("GET", "/openapi.json", { token: "" })
      assert.deepStrictEqual(served.json.info, { title: "Test", version: "7" })
      const same = yield* call("GET", "/openapi.json", {
        token: "",
        headers: { "if-none-match": served.headers.get("etag") ?? "" }
      })
      assert.strictEqual(same.status, 304)
      const page = yield* call("GET", "/docs", { token: "" })
      assert.strictEqual(page.status, 200)
      assert.notMatch(page.text, /https?:\/\/|src=|@import|url\(/)
      assert.match(page.headers.get("content-security-policy") ?? "", /^default-src 'none'; script-src 'sha256-/)
      const problem = yield* call("GET", "/problems/already-inactive", { token: "" })
      assert.deepInclude(problem.json, { tag: "AlreadyInactive", status: 409 })
      assert.strictEqual((yield* call("GET", "/problems/nothing", { token: "" })).status, 404)
    })
  )

  it.effect("has examples that work", () =>
    Effect.gen(function* () {
      const { admin, call, other } = yield* Api
      const ids = new Map<string, string>()
      const idFor = (field: string) => {
        const collection = field.replace(/Id$/, "s")
        return ids.get(collection) ?? ids.get(`forum-${collection}`)
      }
      // oxlint-disable-next-line typescript/no-explicit-any
      const posts = Object.entries<Record<string, any>>(document.paths).flatMap(([path, methods]) =>
        "post" in methods ? [{ path, operation: methods["post"] }] : []
      )
      const creates = posts.filter(({ path }) => !path.includes("{id}"))
      for (const { operation, path } of creates.toSorted((a, b) => rank(a.path) - rank(b.path))) {
        const { example } = operation.requestBody.content["application/json"]
        const body = Object.fromEntries(Object.entries(example).map(([field, value]) => [field, idFor(field) ?? value]))
        const made = yield* call("POST", path, { body, token: path.includes("/-/") ? other : admin })
        assert.strictEqual(made.status, 201, `${path} ${made.text}`)
        if (!path.includes("/-/")) ids.set(path.split("/")[3] ?? "", made.json.id)
      }
      for (const { operation, path } of posts.filter((each) => each.path.includes("{id}"))) {
        const media = operation.requestBody?.content["application/json"]
        if (operation.requestBody?.required === true) assert.property(media, "example", path)
        const id = ids.get(path.split("/")[3] ?? "") ?? "log"
        const body =
          media === undefined
            ? undefined
            : Object.fromEntries(
                Object.entries<unknown>(media.example).map(([field, value]) => [field, idFor(field) ?? value])
              )
        const answer = yield* call("POST", path.replace("{id}", id), { body })
        assert.property(operation.responses, String(answer.status), path)
        if (!path.endsWith("/wear") && !path.endsWith("/crash"))
          assert.isBelow(answer.status, 300, `${path} ${answer.text}`)
      }
    })
  )
})

/** What others point to comes first. */
const rank = (path: string) => (/threads|participants|gadgets$/.test(path) ? 0 : path.includes("/-/") ? 2 : 1)
