import * as Field from "@tenon/core/Field"
import * as FailureText from "@tenon/routing-slip/FailureText"
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

class NoStock extends Schema.TaggedError<NoStock>()("NoStock", {
  sku: Schema.String,
  left: Schema.Int,
  card: Schema.String.pipe(Field.sensitive),
  key: Schema.Redacted(Schema.String),
  parts: Schema.Array(Schema.Struct({ pin: Schema.String.pipe(Field.sensitive), name: Schema.String }))
}) {}
class Told extends Schema.TaggedError<Told>()("Told", { sku: Schema.String }) {
  override get message() {
    return `There is no ${this.sku}.`
  }
}
class Silent extends Schema.TaggedError<Silent>()("Silent", {}) {}
class Secret extends Schema.TaggedError<Secret>()("Secret", { card: Schema.String.pipe(Field.sensitive) }) {}
class Behind extends Schema.TaggedError<Behind>()("Behind", {
  table: Schema.String,
  cause: Schema.Unknown,
  reason: Schema.optionalKey(Schema.Defect()),
  all: Schema.Array(Schema.Defect({ includeStack: true })),
  other: Schema.Unknown
}) {}
class Odd extends Schema.TaggedError<Odd>()("Odd", { what: Schema.Unknown }) {}
class Loud extends Schema.TaggedError<Loud>()("Loud", {}) {
  override get message(): string {
    throw new Error("s3cret")
  }
}
class Undeclared {
  readonly _tag = "Undeclared"
  readonly card = "4242"
}

const noStock = new NoStock({
  sku: "a",
  left: 2,
  card: "4242",
  key: Redacted.make("hush"),
  parts: [{ pin: "9876", name: "lid" }]
})
const open = { encrypted: false }

describe("What a failure has to say", () => {
  it("are its fields, where it has no sentence, and never its secrets", () => {
    const said = FailureText.of(noStock, open)
    assert.strictEqual(said, `sku: "a", left: 2, key: "<redacted>", parts: [{"name":"lid"}]`)
  })

  it("is left out where the step's arguments are encrypted, which the fields may repeat", () => {
    const said = FailureText.of(noStock, { encrypted: true })
    assert.include(said, "encrypted")
    assert.notInclude(said, `"a"`)
  })

  it("is its sentence where it has one", () => {
    assert.strictEqual(FailureText.of(new Told({ sku: "a" }), { encrypted: true }), "There is no a.")
    assert.strictEqual(FailureText.of("no", open), "no")
    assert.strictEqual(FailureText.of(new Error("broken"), open), "broken")
  })

  it("is nothing of what lies behind it", () => {
    const secret = new Error("postgres://app:s3cret@db")
    for (const other of [
      secret,
      [secret],
      { deep: { error: secret } },
      { cause: "s3cret" },
      new Map([["a", secret]])
    ]) {
      const failure = new Behind({ table: "orders", cause: "s3cret", reason: "s3cret", all: ["s3cret"], other })
      assert.strictEqual(FailureText.of(failure, open), `table: "orders"`)
    }
  })

  it("is nothing where it throws when it is shown", () => {
    const detached = () => {
      throw new Error("s3cret")
    }
    const getter = Object.defineProperty({}, "x", { enumerable: true, get: detached })
    for (const failure of [new Odd({ what: getter }), new Odd({ what: { toJSON: detached } }), new Loud()]) {
      assert.strictEqual(FailureText.of(failure, open), "The failure says no more.")
      assert.strictEqual(FailureText.nameOf(failure), failure._tag)
    }
    assert.strictEqual(FailureText.nameOf(Object.defineProperty({}, "_tag", { get: detached })), "Failure")
  })

  it("is never nothing", () => {
    for (const failure of [new Silent(), new Secret({ card: "1" }), new Undeclared(), new Error(""), "", undefined]) {
      const said = FailureText.of(failure, open)
      assert.isNotEmpty(said)
      assert.notInclude(said, "4242")
      assert.notInclude(said, "[object")
    }
  })
})
