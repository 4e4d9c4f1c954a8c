import * as AuditLog from "@tenon/core/AuditLog"
import * as DirectoryRoutes from "@tenon/cli/DirectoryRoutes"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Directory from "@tenon/routing-slip/Directory"
import * as Registry from "@tenon/routing-slip/Registry"
import * as ThingDescription from "@tenon/routing-slip/ThingDescription"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Api, layerOver, registry, token, workflows } from "../support/HttpDomain.ts"

const mesh = Registry.make(
  Activity.make("charge", { arguments: { cents: Schema.Int }, execute: () => Effect.void }),
  Activity.make("ship", { arguments: { sku: Schema.String }, execute: () => Effect.void })
)
const thing = (id: string) =>
  ThingDescription.make(mesh, { id, title: "A worker", href: (queue) => `redis://broker/${queue}` })

const workers = Layer.mergeAll(Directory.announce(thing("urn:a")), Directory.announce(thing("urn:b")))
const layer = Layer.unwrap(
  Effect.map(DirectoryRoutes.make, (route) =>
    layerOver(Testing.layer(registry, { workflows }), { routes: [route], onClosing: Effect.void })
  )
).pipe(Layer.provideMerge(Layer.merge(workers, AuditLog.layerLog).pipe(Layer.provideMerge(Directory.layerMemory))))

const path = "/api/v1/slip-activities"

it.layer(layer, { excludeTestServices: true })("activities over HTTP", (it) => {
  it.effect("are found by what they are called and what they can do with, by whoever may read", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const viewer = yield* Effect.promise(() => token("tenant-a", ["viewer"]))
      const names = (query: string) =>
        Effect.map(call("GET", `${path}${query}`, { token: viewer }), ({ json, status, text }) => {
          assert.strictEqual(status, 200, text)
          assert.notInclude(text, "broker", "where workers run is nobody's business")
          return json.items.map((each: { activity: string; workers: number }) => `${each.activity} ${each.workers}`)
        })
      assert.deepStrictEqual(yield* names(""), ["charge 2", "ship 2"])
      assert.deepStrictEqual(yield* names("?text=HI"), ["ship 2"])
      const has = { type: "object", properties: { cents: { type: "integer" } }, required: ["cents"] }
      assert.deepStrictEqual(yield* names(`?has=${encodeURIComponent(JSON.stringify(has))}`), ["charge 2"])
      assert.strictEqual((yield* call("GET", path, { token: "" })).status, 401)
    })
  )

  it.effect("are not found by rubbish, which is told what is wrong with it", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      const viewer = yield* Effect.promise(() => token("tenant-a", ["viewer"]))
      const deep = `${'{"anyOf":['.repeat(400)}{}${"]}".repeat(400)}`
      const queries = ["text=a&text=b", "has=x", "has=[]", "has=1", `text=${"x".repeat(201)}`, "colour=red", "has="]
      for (const query of queries) {
        const refused = yield* call("GET", `${path}?${query}`, { token: viewer })
        assert.strictEqual(refused.status, 400, query)
        assert.strictEqual(refused.json.tag, "InvalidInput", query)
      }
      const odd = ['{"type":7}', '{"anyOf":7}', '{"properties":[1]}', '{"__proto__":{"type":"object"}}', deep]
      for (const has of odd) {
        const answer = yield* call("GET", `${path}?has=${encodeURIComponent(has)}`, { token: viewer })
        assert.include([200, 400, 414, 431], answer.status, has.slice(0, 100))
      }
    })
  )
})
