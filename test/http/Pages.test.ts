import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Answer, Api, layer } from "../support/HttpDomain.ts"

const withoutTestServices = { excludeTestServices: true }
const path = "/api/v1/widgets"

it.layer(layer({ pageBytes: 500_000 }), withoutTestServices)("pages", (it) => {
  it.effect("go on behind long values, by the cursor and by the link", () =>
    Effect.gen(function* () {
      const { call, url } = yield* Api
      for (const length of [5_000, 20_000, 200_000, 900_000]) {
        const names = ["a", "b", "c"].map((each) => `${length}${each.repeat(length)}`)
        for (const name of names) assert.strictEqual((yield* call("POST", path, { body: { name } })).status, 201)
        const listed = `${path}?sort=name&limit=1&name[gte]=${length}a&name[lt]=${length}d`
        const linked: Array<string> = []
        let next: string | undefined = listed
        while (next !== undefined) {
          const page: Answer = yield* call("GET", next)
          assert.strictEqual(page.status, 200, page.text.slice(0, 500))
          linked.push(...page.json.items.map((each: { name: string }) => each.name))
          const link: string | undefined = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1]
          if (page.json.next !== null) {
            const same = yield* call("GET", `${listed}&after=${page.json.next}`)
            const linkedTo = yield* call("GET", new URL(link ?? "", url).href.slice(url.length))
            assert.strictEqual(same.text, linkedTo.text)
          }
          next = link === undefined ? undefined : new URL(link, url).href.slice(url.length)
        }
        assert.deepStrictEqual(linked, names)
      }
    })
  )

  it.effect("have no link where it would be longer than clients take", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      for (const name of ["y1", "y2"]) yield* call("POST", path, { body: { name } })
      const page = yield* call("GET", `${path}?limit=1&name[in]=y1,y2,${"z".repeat(10_000)}`)
      assert.strictEqual(page.json.items.length, 1)
      assert.isString(page.json.next)
      assert.isNull(page.headers.get("link"))
    })
  )

  it.effect("end early with the row that fills their bytes", () =>
    Effect.gen(function* () {
      const { call } = yield* Api
      for (const each of ["k", "l", "m"]) yield* call("POST", path, { body: { name: each.repeat(300_000) } })
      const first = yield* call("GET", `${path}?sort=name&limit=500&name[gte]=k&name[lt]=n`)
      assert.strictEqual(first.json.items.length, 2)
      const rest = yield* call("GET", `${path}?sort=name&limit=500&name[gte]=k&name[lt]=n&after=${first.json.next}`)
      assert.strictEqual(rest.json.items.length, 1)
      assert.isNull(rest.json.next)
    })
  )
})
