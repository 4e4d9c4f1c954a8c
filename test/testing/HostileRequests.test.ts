import { registry } from "@tenon/examples/app/App"
import * as HostileRequests from "@tenon/testing/HostileRequests"
import { assert, describe, it } from "@effect/vitest"
import { Api, layerOf } from "../support/HttpDomain.ts"
import * as Effect from "effect/Effect"

const request: HostileRequests.HostileRequest = {
  name: "odd",
  method: "POST",
  path: "/api/v1/widgets",
  headers: {},
  body: JSON.stringify({ name: "'; --", serial: "0010" }),
  refused: false
}

const answer = (status: number, body: object, contentType = "application/json") => ({
  status,
  headers: new Headers({ "content-type": contentType }),
  body,
  text: JSON.stringify(body)
})
const problem = (status: number, more = {}) =>
  answer(status, { tag: "InvalidInput", status, ...more }, "application/problem+json")
const refusal = { ...request, refused: true }

describe("the judgement of answers to hostile requests", () => {
  it("finds nothing wrong with a typed problem, or a text that is kept", () => {
    assert.isUndefined(HostileRequests.fault(refusal, problem(400)))
    assert.isUndefined(HostileRequests.fault(request, problem(412)))
    assert.isUndefined(HostileRequests.fault(request, answer(201, { name: "'; --", serial: "10" })))
  })

  const wrong: ReadonlyArray<readonly [string, HostileRequests.HostileRequest, ReturnType<typeof answer>]> = [
    ["it is the server's failure", request, problem(500)],
    ["it was not refused", refusal, answer(200, {})],
    ["the answer is no typed problem", refusal, answer(400, { error: "no" })],
    ["the answer is no typed problem", refusal, answer(400, { tag: "X", status: 404 }, "application/problem+json")],
    ["the server's inside", refusal, problem(400, { detail: "syntax error at or near" })],
    ["the server's inside", refusal, problem(400, { detail: "SQLSTATE 42601" })],
    ["the answer shows their secret", request, answer(200, { name: "'; --", note: "their secret" })],
    ["a text was not kept as it was sent", request, answer(201, { name: "--" })]
  ]
  for (const [expected, given, what] of wrong)
    it(`finds that ${expected}: ${what.status} ${what.text}`, () => {
      const found = HostileRequests.fault(given, what, ["their secret"]) ?? ""
      assert.include(found, expected)
      assert.include(found, "POST /api/v1/widgets, odd")
    })
})

it.layer(layerOf(registry), { excludeTestServices: true })("the list of hostile requests", (it) => {
  it.effect("reaches every route of the application, and every member of every body", () =>
    Effect.gen(function* () {
      const document = (yield* (yield* Api).call("GET", "/openapi.json")).json
      const requests = HostileRequests.of(document, { token: "a.b.c" })
      for (const [path, operations] of Object.entries<object>(document.paths)) {
        if (!path.startsWith("/api/")) continue
        for (const method of Object.keys(operations)) {
          const at = path.replace("{id}", "no-such-row")
          const found = requests.filter(
            (each) => each.method === method.toUpperCase() && each.path.split("?")[0] === at
          )
          assert.isAbove(found.length, 5, `${method} ${path}`)
        }
      }
      assert.isTrue(requests.some(({ name }) => name.startsWith(`idempotencyKey is "'; drop table`)))
    })
  )
})
