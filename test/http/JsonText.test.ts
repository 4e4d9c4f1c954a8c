import * as JsonText from "@tenon/http/JsonText"
import { assert, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

it.effect("whatever JSON writes is read as it was, in any spelling", () =>
  Effect.gen(function* () {
    const values = yield* Arbitrary.sampleEffect(Arbitrary.schema(Schema.Json), { count: 500, size: 8, seed: 7 })
    for (const [index, value] of values.entries()) {
      const text = JSON.stringify(value, undefined, index % 3)
      assert.deepStrictEqual(JsonText.parse(text), Result.succeed(JSON.parse(text)))
    }
  })
)

it("an object that names a member twice is refused, however it spells it and wherever it is", () => {
  for (const text of [
    String.raw`{"a":1,"a":1}`,
    String.raw`{"a":1,"\u0061":2}`,
    String.raw`[{"b":{"":0,"":0}}]`,
    String.raw`{"\"":":","\"":"\\"}`,
    String.raw`{"__proto__":1,"__proto__":2}`
  ]) {
    assert.isTrue(Result.isFailure(JsonText.parse(text)), text)
  }
  for (const text of [String.raw`{"a":{"a":{"a":":"}},"b":"\\","c":"\":\\\""}`, String.raw`{"__proto__":1}`, "null"]) {
    assert.isTrue(Result.isSuccess(JsonText.parse(text)), text)
  }
})
