import * as AuditLog from "@tenon/core/AuditLog"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as SlipRoutes from "@tenon/cli/SlipRoutes"
import * as Testing from "@tenon/testing/Testing"
import { Validator } from "@seriousme/openapi-schema-validator"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Api, jwt, layerOver, registry, statuses, token, workflows } from "../support/HttpDomain.ts"
import { halted, held, send, twiceHalted, unstick, world } from "../support/slipRepositorySuite.ts"
import { settled } from "../support/Slips.ts"

const slips = world(HopStoreMemory.layer)

const layer = Layer.unwrap(
  Effect.map(SlipRoutes.make, (options) =>
    layerOver(Testing.layer(registry, { workflows }), options, { ...jwt, rememberMillis: 0 })
  )
).pipe(Layer.provideMerge(Layer.merge(slips, AuditLog.layerLog)))

const path = "/api/v1/slips"

it.layer(layer, { excludeTestServices: true })("slips over HTTP", (it) => {
  it.effect("are listed and shown to viewers of their tenant", () =>
    Effect.gen(function* () {
      const { call, other } = yield* Api
      const sent = yield* Effect.forEach([1, 2, 3], () => Effect.tap(send("tenant-a", ["x"], true), settled))
      const viewer = yield* Effect.promise(() => token("tenant-a", ["viewer"]))
      const first = yield* call("GET", `${path}?status=faulted&limit=2`, { token: viewer })
      assert.strictEqual(first.status, 200)
      assert.strictEqual(first.json.items.length, 2)
      const second = yield* call("GET", `${path}?status=faulted&limit=2&after=${first.json.next}`, { token: viewer })
      const ids = [...first.json.items, ...second.json.items].map(({ correlationId }) => correlationId)
      assert.deepStrictEqual(ids.toSorted(), sent.map(({ correlationId }) => correlationId).toSorted())

      const shown = yield* call("GET", `${path}/${ids[0]}`, { token: viewer })
      assert.strictEqual(shown.status, 200)
      assert.deepInclude(shown.json, { status: "faulted", correlationId: ids[0] })
      assert.strictEqual(shown.json.path.length, 2)
      assert.notInclude(shown.text, "hunter2")

      assert.strictEqual((yield* call("GET", `${path}/${ids[0]}`, { token: other })).status, 404)
      assert.strictEqual((yield* call("GET", `${path}/${ids[0]}/events`, { token: other })).status, 404)
      assert.deepStrictEqual((yield* call("GET", path, { token: other })).json.items, [])
      assert.strictEqual((yield* call("GET", path, { token: "" })).status, 401)
    })
  )

  it.effect("are steered by editors, and nobody's wish is done twice or in vain without a word", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const slip = yield* halted("tenant-a", "rest")
      const at = `${path}/${slip.correlationId}`
      const viewer = yield* Effect.promise(() => token("tenant-a", ["viewer"]))
      const editor = yield* Effect.promise(() => token("tenant-a", ["editor"]))
      const denied = yield* call("POST", `${at}/skip`, { token: viewer })
      assert.strictEqual(denied.status, 403)
      assert.strictEqual(denied.json.tag, "Forbidden")
      assert.strictEqual((yield* call("POST", `${at}/cancel`, { token: editor })).status, 204)
      yield* unstick("rest")
      assert.strictEqual((yield* call("POST", `${at}/resume`, { token: editor })).status, 204)
      assert.strictEqual((yield* settled(slip))?.status, "faulted")
      const again = yield* call("POST", `${at}/resume`, { token: editor })
      assert.strictEqual(again.status, 409)
      assert.strictEqual(again.json.tag, "NotHalted")
      assert.strictEqual((yield* call("POST", `${at}/cancel`, { token: editor })).json.tag, "NotCancellable")
    })
  )

  it.effect("have the halted step skipped that is named, or are told which there are", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const slip = yield* twiceHalted("tenant-a", "both")
      const at = `${path}/${slip.correlationId}/skip`
      const unclear = yield* call("POST", at)
      assert.strictEqual(unclear.status, 409)
      assert.strictEqual(unclear.json.tag, "SkipUnclear")
      assert.include(unclear.text, "1.1.1, 1.2.1")
      assert.strictEqual((yield* call("POST", at, { body: { step: "1.3.1" } })).status, 409)
      for (const body of [{ step: "one" }, { step: 1 }, { steps: "1.1.1" }]) {
        assert.strictEqual((yield* call("POST", at, { body })).status, 400, JSON.stringify(body))
      }
      assert.strictEqual((yield* call("POST", at, { body: { step: "1.1.1" } })).status, 204)
      assert.strictEqual((yield* call("POST", at)).status, 204, "one is left")
      assert.strictEqual((yield* settled(slip))?.status, "faulted")
    })
  )

  it.effect("are watched to their end as server-sent events", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Api
      const slip = yield* held("tenant-a", "watched")
      const controller = new AbortController()
      const response = yield* Effect.promise(() =>
        fetch(`${url}${path}/${slip.correlationId}/events`, {
          headers: { authorization: `Bearer ${admin}` },
          signal: controller.signal
        })
      )
      assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
      yield* slip.open
      const text = yield* Effect.promise(() => response.text())
      const events = Array.from(text.matchAll(/^event: (\w+)$/gm), ([, name]) => name)
      assert.deepStrictEqual(events, ["dispatched", "executed", "executed", "executed", "end"])
      const ids = Array.from(text.matchAll(/^id: (\d+)$/gm), ([, id]) => Number(id))
      assert.deepStrictEqual(
        ids,
        ids.toSorted((a, b) => a - b)
      )
      const [, first = ""] = /^data: (.*)$/m.exec(text) ?? []
      assert.deepInclude(JSON.parse(first), { type: "dispatched", step: "0" })
    })
  )

  it.effect("are watched by nobody who may no longer be let in", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Api
      const slip = yield* held("tenant-a", "suspended")
      const response = yield* Effect.promise(() =>
        fetch(`${url}${path}/${slip.correlationId}/events`, { headers: { authorization: `Bearer ${admin}` } })
      )
      statuses.set("tenant-a", "suspended")
      yield* slip.open
      const text = yield* Effect.promise(() => response.text().catch(() => "cut"))
      statuses.delete("tenant-a")
      assert.strictEqual(text, "cut")
    })
  )

  it.effect("refuse what makes no sense, with every fault", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const bad = yield* call("GET", `${path}?status=gone&since=yesterday&limit=0&color=red`)
      assert.strictEqual(bad.status, 400)
      const faults: ReadonlyArray<{ readonly path: string }> = bad.json.errors
      assert.deepStrictEqual(faults.map((fault) => fault.path).toSorted(), ["color", "limit", "since", "status"])
      const forged = Buffer.from(JSON.stringify({ updatedAt: 1, correlationId: "\0" })).toString("base64url")
      for (const query of [
        "limit=1e9",
        "limit=1.5",
        "limit=",
        "after=%00",
        "after=AAAA",
        "status=faulted&status=halted",
        "activity=%00",
        `after=${forged}`,
        ...[
          '{"updatedAt":1,"correlationId":"\\ud800"}',
          '{"updatedAt":1e999,"correlationId":"a"}',
          "[]",
          "1",
          '{"a":'
        ].map((cursor) => `after=${Buffer.from(cursor).toString("base64url")}`),
        "after=_w",
        "since=%2B275760-09-13T00:00:00.001Z",
        "until=1",
        "since=2026-11-21T08:00:00",
        "__proto__=1",
        "limit=%EF%BC%91"
      ]) {
        assert.strictEqual((yield* call("GET", `${path}?${query}`)).status, 400, query)
      }
      for (const id of ["none", "%00", "%ff", "a".repeat(500), "..%2f..", "%F0%9F%92%A9"]) {
        assert.strictEqual((yield* call("GET", `${path}/${id}`)).status, 404, id)
        assert.strictEqual((yield* call("POST", `${path}/${id}/cancel`)).status, 404, id)
      }
    })
  )

  it.effect("stand in the description of the API, which stays valid, with their problems", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const { json } = yield* call("GET", "/openapi.json", { token: "" })
      const validated = yield* Effect.promise(() => new Validator().validate(structuredClone(json)))
      assert.isTrue(validated.valid, JSON.stringify(validated.errors))
      const described = Object.keys(json.paths).filter((each) => each.startsWith(path))
      assert.deepStrictEqual(described.toSorted(), [
        path,
        `${path}/{id}`,
        `${path}/{id}/cancel`,
        `${path}/{id}/events`,
        `${path}/{id}/resume`,
        `${path}/{id}/skip`
      ])
      const { responses } = json.paths[`${path}/{id}/cancel`].post
      assert.sameMembers(Object.keys(responses), ["204", "400", "401", "403", "404", "409", "500", "503", "504"])
      assert.strictEqual((yield* call("GET", "/problems/not-cancellable", { token: "" })).status, 200)
    })
  )
})

it.live("a watched slip does not keep the server from closing", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const services = yield* Layer.buildWithScope(layer, scope)
    yield* Effect.gen(function* () {
      const { admin, url } = yield* Api
      const slip = yield* held("tenant-a", "never")
      const response = yield* Effect.promise(() =>
        fetch(`${url}${path}/${slip.correlationId}/events`, { headers: { authorization: `Bearer ${admin}` } })
      )
      const text = response.text().catch(() => "cut")
      yield* Effect.sleep("100 millis")
      const began = Date.now()
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      assert.notInclude(yield* Effect.promise(() => text), "event: end")
      assert.isBelow(Date.now() - began, 5_000)
      yield* slip.open
      yield* Fiber.join(closing)
    }).pipe(Effect.provideContext(services))
  })
)
