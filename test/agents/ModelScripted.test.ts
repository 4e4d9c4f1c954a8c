/** A scripted model is told how often it was asked the same, and remembers that for a while only. */
import * as ModelScripted from "@tenon/agents/ModelScripted"
import { assert, describe, it } from "@effect/vitest"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Effect from "effect/Effect"

const ask = (prompt: string) => Effect.map(LanguageModel.generateText({ prompt }), ({ text }) => text)

describe("a scripted model", () => {
  it.effect("knows what it was asked before, and forgets what was asked long ago", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* ask("first"), "0")
      assert.strictEqual(yield* ask("first"), "1")
      for (let other = 0; other < 1_000; other++) yield* ask(`other ${other}`)
      assert.strictEqual(yield* ask("other 999"), "1")
      assert.strictEqual(yield* ask("first"), "0")
    }).pipe(Effect.provide(ModelScripted.layer(({ repeated }) => ModelScripted.say(String(repeated)))))
  )
})
