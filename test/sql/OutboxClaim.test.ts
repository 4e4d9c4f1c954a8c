/** Where a relay's walk through the outbox is, and that it remembers no more than what waits. */
import { Walk } from "@tenon/sql/OutboxClaim"
import { describe, expect, it } from "@effect/vitest"

/** The objects that the next steps of a walk begin behind, by tenant. */
const places = (walk: Walk): unknown => JSON.parse(String(walk.statement(10, 20, []).params[3]))

const step = (walked: string, last: string, more: boolean, next: string) => ({ walked, last, more, next })

describe("the walk of a relay", () => {
  it("goes on in each tenant where the round before has left it", () => {
    const walk = new Walk()
    expect(walk.advance([step("a", "Order/1", true, "b"), step("b", "Order/2", true, "b")])).toBe(true)
    expect(walk.advance([step("c", "Order/3", false, "")])).toBe(false)
    expect(places(walk)).toEqual({ a: "Order/1", b: "Order/2" })
    walk.advance([step("a", "Order/4", true, "a")])
    expect(places(walk), "of tenants that it has not come to yet, too").toMatchObject({ b: "Order/2" })
    walk.advance([step("b", "Order/5", false, "")])
    expect(places(walk)).toEqual({ a: "Order/4" })
  })

  it("forgets tenants whose deliveries went out without it", () => {
    const walk = new Walk()
    for (let tenant = 0; tenant < 1_000; tenant++) walk.advance([step(`tenant-${tenant}`, "Order/1", true, "")])
    expect(places(walk)).toEqual({ "tenant-999": "Order/1" })
  })
})
