import { InvalidInput, InvalidOutcome } from "@tenon/core/Failure"
import * as Interpreter from "@tenon/core/Interpreter"
import * as Query from "@tenon/core/Query"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import * as Field from "@tenon/core/Field"
import * as Tenon from "@tenon/core/Tenon"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Page = Resource.make("Page", {
  fields: { id: Field.Id, title: Schema.String, body: Schema.Json },
  actions: (on) => ({
    create: on.create({ input: { title: Schema.String, body: Schema.Json } }),
    /** Makes of a sound input what nothing can be stored as. */
    spoil: on.update({ input: { code: Schema.Int } }, ({ self, input }) => ({
      ...self,
      title: String.fromCharCode(input.code)
    })),
    get: on.read({ output: Schema.String }, ({ self }) => self.title)
  })
})
const Kept = Resource.make("Kept", {
  durable: true,
  fields: { id: Field.Id, text: Schema.String },
  actions: (on) => ({ create: on.create({ input: { text: Schema.String } }) })
})

const registry = Registry.make({ resources: [Page, Kept] })
const bad = ["a\u0000b", "\ud800", "x\udfffy"]
const nested = (depth: number): Schema.Json => {
  let value: Schema.Json = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

const issuesOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (failure) => {
    if (failure instanceof InvalidInput || failure instanceof InvalidOutcome)
      return failure.issues.map(({ path }) => path)
    throw new Error(`It fails with ${failure._tag}`)
  })

it.layer(Testing.layer(registry))("what no store can keep is refused at the door in this process too", (it) => {
  it.effect("in any text of an input", () =>
    Effect.gen(function* () {
      for (const text of bad) {
        const create = (title: string, body: Schema.Json) => Tenon.invoke(Page.actions.create, { title, body })
        assert.deepStrictEqual(yield* issuesOf(create(text, null)), ["title"])
        assert.deepStrictEqual(yield* issuesOf(create("t", { a: ["b", text] })), ["body.a.1"])
        assert.deepStrictEqual(yield* issuesOf(create("t", { [text]: 1 })), [`body.${text}`])
        assert.deepStrictEqual(yield* issuesOf(Tenon.invoke(Kept.actions.create, { text })), ["text"])
      }
    })
  )

  it.effect("in keys", () =>
    Effect.gen(function* () {
      const { find } = yield* Interpreter.Interpreter
      for (const key of [...bad, "", "x".repeat(201), "a\nb"]) {
        assert.deepStrictEqual(yield* issuesOf(Tenon.invoke(Page.actions.get, key)), ["key"])
        assert.deepStrictEqual(yield* issuesOf(find(Page, key)), ["key"])
        const create = Tenon.invoke(Page.actions.create, { title: "t", body: null }, { idempotencyKey: key })
        assert.deepStrictEqual(yield* issuesOf(create), ["idempotencyKey"])
      }
    })
  )

  it.effect("in filters and cursors", () =>
    Effect.gen(function* () {
      const repository = yield* Repository.Repository
      for (const value of bad) {
        const filters = [{ field: "title", operator: "eq", value }]
        assert.deepStrictEqual(yield* issuesOf(repository.list(Page, { filters })), ["title"])
      }
      const after = Buffer.from('{"order":"id","after":["\\ud800"]}').toString("base64url")
      assert.isTrue(Result.isFailure(Query.parse(Page, { after })))
    })
  )

  it.effect("as the depth of a value, with an idempotency key or without", () =>
    Effect.gen(function* () {
      const { perform } = yield* Interpreter.Interpreter
      for (const depth of [65, 100_000]) {
        for (const idempotencyKey of [undefined, "k"]) {
          const input = { title: "t", body: nested(depth) }
          const request = { resource: "Page", action: "create", input, idempotencyKey }
          assert.deepStrictEqual(yield* issuesOf(perform(request)), [""])
        }
      }
    })
  )

  it.effect("as what an action made of a sound input", () =>
    Effect.gen(function* () {
      const { id } = yield* Tenon.invoke(Page.actions.create, { title: "t", body: null })
      for (const code of [0, 0xd800]) {
        assert.deepStrictEqual(yield* issuesOf(Tenon.invoke(Page.actions.spoil, id, { code })), ["title"])
      }
      assert.strictEqual(yield* Tenon.invoke(Page.actions.get, id), "t")
    })
  )
})
