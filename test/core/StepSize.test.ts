import * as StepSize from "@tenon/core/StepSize"
import { assert, describe, it } from "@effect/vitest"

const nested = (levels: number) => {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}
/** JSON of so many bytes. */
const list = (bytes: number) => ["x".repeat(bytes - 4)]
const large = "takes more than 20 MB as JSON"

describe("what a step may keep", () => {
  it("is of so many bytes, whatever they are made of", () => {
    assert.isUndefined(StepSize.faultOf(list(StepSize.maxBytes)))
    assert.strictEqual(StepSize.faultOf(list(StepSize.maxBytes + 1)), large)
    assert.isUndefined(StepSize.faultOf("ä".repeat(9_999_999)))
    assert.strictEqual(StepSize.faultOf("ä".repeat(10_000_000)), large)
    assert.isUndefined(StepSize.faultOf("\u0001".repeat(3_333_333)))
    assert.strictEqual(StepSize.faultOf("\u0001".repeat(3_333_334)), large)
    assert.isUndefined(StepSize.faultOf(Array.from({ length: 2_000_000 }, () => null)))
    assert.strictEqual(StepSize.faultOf({ ["k".repeat(20_000_000)]: 1 }), large)
    assert.strictEqual(StepSize.faultOf(Array.from({ length: 600 }, () => "x".repeat(1_000_000))), large)
  })

  it("is of so many levels", () => {
    assert.isUndefined(StepSize.faultOf(nested(StepSize.maxDepth)))
    assert.strictEqual(StepSize.faultOf(nested(StepSize.maxDepth + 1)), "is more than 1000 levels deep")
    assert.strictEqual(StepSize.faultOf(nested(1_000_000)), "is more than 1000 levels deep")
  })
})
