import * as Column from "@tenon/core/Column"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import * as Field from "@tenon/core/Field"
import * as Sensitive from "@tenon/core/Sensitive"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"

const pin = Schema.String.pipe(Field.sensitive)

class Card extends Schema.Class<Card>("Card")({ pin, name: Schema.String }) {}

class Chain extends Schema.Class<Chain>("Chain")({
  pin,
  next: Schema.NullOr(Schema.suspend((): Schema.Codec<Chain, unknown> => Chain))
}) {}

interface Tree {
  readonly pin: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  pin,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

interface Plain {
  readonly name: string
  readonly next: Plain | null
}
const Plain: Schema.Codec<Plain> = Schema.Struct({
  name: Schema.String,
  next: Schema.NullOr(Schema.suspend((): Schema.Codec<Plain> => Plain))
})

class Locked extends Schema.TaggedError<Locked>()("Locked", { pin, door: Schema.String }) {}

const secret = "s3cret"
const card = new Card({ pin: secret, name: "n" })

/** What is shown of a value. */
const shown = <A>(schema: Schema.Codec<A, any>, value: A): Schema.Json => {
  const json = Schema.encodeSync(Schema.toCodecJson(schema))(value) as Schema.Json
  assert.include(JSON.stringify(json), secret, "the value holds a secret")
  return Sensitive.hider(schema)?.(json) ?? json
}

describe("sensitive fields are left out", () => {
  it("of classes, wherever they are", () => {
    assert.deepStrictEqual(shown(Card, card), { name: "n" })
    const Everywhere = Schema.Struct({
      list: Schema.Array(Card),
      record: Schema.Record(Schema.String, Card),
      union: Schema.Union([Schema.String, Card]),
      null: Schema.NullOr(Card)
    })
    assert.deepStrictEqual(shown(Everywhere, { list: [card], record: { a: card }, union: card, null: card }), {
      list: [{ name: "n" }],
      record: { a: { name: "n" } },
      union: { name: "n" },
      null: { name: "n" }
    })
  })

  it("of schemas that contain themselves, at every depth", () => {
    const leaf = { pin: secret, children: [] }
    assert.deepStrictEqual(shown(Tree, { pin: secret, children: [leaf, { pin: secret, children: [leaf] }] }), {
      children: [{ children: [] }, { children: [{ children: [] }] }]
    })
    const chain = new Chain({ pin: secret, next: new Chain({ pin: secret, next: null }) })
    assert.deepStrictEqual(shown(Chain, chain), { next: { next: null } })
    assert.isUndefined(Sensitive.hider(Plain))
  })

  it("of fields that have another name in JSON", () => {
    const Renamed = Schema.Struct({ pin, code: Schema.String.pipe(Field.sensitive), name: Schema.String }).pipe(
      Schema.encodeKeys({ pin: "p", code: "c" })
    )
    assert.deepStrictEqual(shown(Renamed, { pin: secret, code: secret, name: "n" }), { name: "n" })
    const Transformed = Schema.Struct({
      // Its mark is on the type only.
      code: Schema.StringFromBase64.pipe(Field.sensitive),
      pin,
      name: Schema.String
    }).pipe(Schema.encodeKeys({ code: "c" }))
    assert.deepStrictEqual(shown(Transformed, { code: secret, pin: secret, name: "n" }), { name: "n" })
  })

  it("of fields that are optional, null, or lists of what is marked", () => {
    const fields = {
      optional: Schema.optional(pin),
      null: Schema.NullOr(pin),
      list: Schema.Array(pin),
      name: Schema.String
    }
    const value = { optional: secret, null: secret, list: [secret], name: "n" }
    assert.deepStrictEqual(shown(Schema.Struct(fields), value), { name: "n" })
    const sensitive = Column.fromFields(fields).map(({ field, sensitive }) => [field, sensitive])
    assert.deepStrictEqual(Object.fromEntries(sensitive), { optional: true, null: true, list: true, name: false })
  })

  it("of failures, though a runtime carries them whole", () => {
    const failure = new Locked({ pin: secret, door: "d" })
    assert.deepStrictEqual(ErrorBoundary.show(failure, [Locked]).detail, { _tag: "Locked", door: "d" })
    const carried = ErrorBoundary.decode(ErrorBoundary.encode(failure, [Locked]), [Locked])
    assert.strictEqual((carried as Locked).pin, secret)
  })
})
