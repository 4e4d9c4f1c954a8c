/** What a worker remembers of logs that it has checked has a bound, however large they are. */
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import { describe, expect, it } from "@effect/vitest"

const checked = { entries: [], tips: new Map(), keys: new Map() }

describe("the cache of checked logs", () => {
  const known = (cache: SignedLog.Cache) => ["a", "b", "c"].filter((name) => cache.get(name) !== undefined)

  it("keeps the latest of many", () => {
    const cache = new SignedLog.Cache({ logs: 2, size: 1_000 })
    for (const name of ["a", "b", "a", "c"]) cache.set(name, checked, 10)
    expect(known(cache)).toEqual(["a", "c"])
  })

  it("keeps fewer where they are large, and none that is larger than all of it", () => {
    const cache = new SignedLog.Cache({ logs: 10, size: 1_000 })
    cache.set("a", checked, 600)
    cache.set("b", checked, 600)
    expect(known(cache)).toEqual(["b"])
    cache.set("c", checked, 400)
    cache.set("c", checked, 300)
    expect(known(cache), "each counts once").toEqual(["b", "c"])
    cache.set("a", checked, 1_001)
    expect(known(cache)).toEqual(["b", "c"])
  })
})
