/* oxlint-disable typescript/no-explicit-any -- documents are read as whoever reads JSON would. */
/** What workers say of themselves, held against the published schemas of those who read it. */
import * as Activity from "@tenon/routing-slip/Activity"
import * as ActivitySchema from "@tenon/routing-slip/ActivitySchema"
import * as AsyncApi from "@tenon/routing-slip/AsyncApi"
import * as Directory from "@tenon/routing-slip/Directory"
import * as OnBehalfOf from "@tenon/routing-slip/OnBehalfOf"
import * as Registry from "@tenon/routing-slip/Registry"
import { directoryLaws } from "@tenon/testing/DirectoryLaws"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ThingDescription from "@tenon/routing-slip/ThingDescription"
import { assert, describe, it } from "@effect/vitest"
import { Ajv } from "ajv"
import { Ajv2020 } from "ajv/dist/2020.js"
import addFormats from "ajv-formats"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

interface Tree {
  readonly name: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  name: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
}).annotate({ identifier: "Tree" })

const Money = Schema.Struct({
  amount: Schema.Natural,
  currency: Schema.Literals(["EUR", "USD"])
}).annotate({ identifier: "Money" })

const charge = Activity.make("charge-card", {
  description: "Takes money from a card",
  arguments: { price: Money, token: Schema.NonEmptyString, note: Schema.NullOr(Schema.String) },
  execute: () => Effect.void
}).pipe(OnBehalfOf.exchange({ audience: "https://payments.example" }))
const ship = Activity.make("ship-goods", {
  arguments: { sku: Schema.String, count: Schema.Natural, express: Schema.optionalKey(Schema.Boolean) },
  queue: "tenon.warehouse",
  execute: () => Effect.void
})
const restock = Activity.make("restock", {
  arguments: { tree: Tree },
  queue: "tenon.warehouse",
  execute: () => Effect.void
})
const registry = Registry.make(charge, ship, restock)

const fileOf = (path: string) => JSON.parse(readFileSync(createRequire(import.meta.url).resolve(path), "utf8"))

const describeAs = (id: string, only?: ReadonlyArray<string>) =>
  ThingDescription.make(registry, {
    id,
    title: "a worker",
    href: (queue) => `amqps://broker.example/${queue}`,
    tokenEndpoint: "https://login.example/token",
    ...(only === undefined ? {} : { only })
  })

describe("a worker's description", () => {
  it("is a Thing Description 1.1", () => {
    const ajv = new Ajv({ strict: false, allErrors: true })
    addFormats.default(ajv)
    const validate = ajv.compile(fileOf("wot-thing-description-types/schema/td-json-schema-validation.json"))
    const thing = describeAs("urn:tenon:worker:one")
    assert.isTrue(validate(thing), JSON.stringify(validate.errors, null, 1))
    assert.isFalse(validate({ ...thing, security: undefined }), "the schema looks at it")
    assert.notInclude(JSON.stringify(thing), "$ref", "nothing refers to what a reader does not have")
    assert.deepStrictEqual(Object.keys(thing.actions), ["charge-card", "ship-goods", "restock"])
    assert.deepStrictEqual(thing.actions["charge-card"]?.["security"], "user")
  })

  it("is an AsyncAPI 3.0 document", () => {
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
    const validate = ajv.compile(fileOf("@asyncapi/specs/schemas/3.0.0-without-$id.json"))
    const document = AsyncApi.make(registry, {
      title: "Orders",
      version: "1.0.0",
      servers: { broker: { host: "broker.example:5671", protocol: "amqps" } }
    })
    assert.isTrue(validate(document), JSON.stringify(validate.errors?.slice(0, 5), null, 1))
    assert.isFalse(validate({ ...document, channels: 1 }))
    assert.deepStrictEqual(Object.keys(document["channels"] ?? {}), ["tenon.charge-card", "tenon.warehouse"])
  })

  it.effect("is a JSON Schema that a real message fits, and a wrong one does not", () =>
    Effect.gen(function* () {
      const document = ActivitySchema.document(registry, "https://orders.example/schema")
      const ajv = new Ajv2020({ strict: false, allErrors: true })
      const { message } = yield* RoutingSlip.builder(registry, { correlationId: "one" }).pipe(
        RoutingSlip.add(ship, { sku: "a", count: 1 }),
        RoutingSlip.build
      )
      const json = JSON.parse(new TextDecoder().decode(message.body))
      const validate = ajv.compile(document)
      assert.isTrue(validate(json), JSON.stringify(validate.errors))
      assert.isFalse(validate({ ...json, headers: { ...json.headers, routing_slip: {} } }))
      const step = ajv.compile({ $ref: "https://orders.example/schema#/$defs/ship-goods" })
      assert.isTrue(step(json.payload), JSON.stringify(step.errors))
      assert.isFalse(step({ sku: "a", count: -1 }))
    })
  )
})

/** Every `$ref` in a document, and what it leads to. */
const referencesIn = (document: unknown): ReadonlyArray<readonly [string, unknown]> => {
  const found: Array<readonly [string, unknown]> = []
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return
    if ("$ref" in value && typeof value.$ref === "string") {
      const tokens = decodeURIComponent(value.$ref.slice(1)).split("/").slice(1)
      const to = tokens.reduce<any>((at, token) => at?.[token.replaceAll("~1", "/").replaceAll("~0", "~")], document)
      found.push([value.$ref, to])
    }
    for (const each of Object.values(value)) visit(each)
  }
  visit(document)
  return found
}

/** Activities with names and types that are made to get in each other's way. */
describe("a description of odd types", () => {
  const taking = <const Name extends string>(name: Name, fields: Activity.Fields) =>
    Activity.make(name, { arguments: fields, execute: () => Effect.void })
  const named = (identifier: string) => Schema.Struct({ street: Schema.String }).annotate({ identifier })
  const address = named("Address/v1 ~x%")
  const odd = Registry.make(
    taking("envelope", { onlyThis: Schema.Int }),
    taking("headers", { tree: Tree, again: Tree }),
    taking("slash", { a: address, b: address, c: named("Straße"), d: named("Envelope"), e: named("slash") })
  )
  const wrong = { onlyThis: 1, tree: { name: "x", children: [{ name: 7, children: [] }] }, a: { street: 7 } }

  it("has each type under a name of its own, to which all references lead", () => {
    const document = ActivitySchema.document(odd, "urn:tenon:odd")
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    ajv.addSchema(document)
    const errors = (activity: string, value: unknown) => {
      const validate = ajv.compile({ $ref: `urn:tenon:odd#/$defs/${activity}` })
      return validate(value) ? [] : (validate.errors ?? []).map(({ instancePath }) => instancePath)
    }
    const good = { street: "x" }
    assert.deepStrictEqual(errors("envelope", { onlyThis: 1 }), [])
    assert.deepStrictEqual(errors("envelope", { onlyThis: "1" }), ["/onlyThis"])
    assert.deepStrictEqual(errors("headers", { tree: wrong.tree, again: wrong.tree }), [
      "/tree/children/0/name",
      "/again/children/0/name"
    ])
    assert.deepStrictEqual(errors("slash", { a: good, b: good, c: good, d: good, e: good }), [])
    assert.deepStrictEqual(errors("slash", { a: wrong.a, b: good, c: wrong.a, d: wrong.a, e: wrong.a }), [
      "/a/street",
      "/c/street",
      "/d/street",
      "/e/street"
    ])
    const references = referencesIn(document)
    assert.isAbove(references.length, 10)
    for (const [ref, to] of references) assert.isObject(to, ref)
    // A message is still held against the envelope, and not against an activity of that name.
    assert.isFalse(ajv.validate("urn:tenon:odd", { onlyThis: 1 }))
  })

  it("leads to all it refers to in AsyncAPI too", () => {
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
    const validate = ajv.compile(fileOf("@asyncapi/specs/schemas/3.0.0-without-$id.json"))
    const document = AsyncApi.make(odd, { title: "Odd", version: "1" })
    assert.isTrue(validate(document), JSON.stringify(validate.errors?.slice(0, 5), null, 1))
    const references = referencesIn(document)
    assert.isAbove(references.length, 10)
    for (const [ref, to] of references) assert.isObject(to, ref)
  })

  it("holds a message of the described mesh, and no wrong one, in AsyncAPI as well", () => {
    const document: any = AsyncApi.make(registry, { title: "Orders", version: "1" })
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    ajv.addSchema({ ...document, $id: "urn:tenon:doc" })
    const message = ajv.compile({ $ref: "urn:tenon:doc#/components/messages/restock/payload/schema" })
    const { envelope } = Effect.runSync(
      RoutingSlip.builder(registry, { correlationId: "one" }).pipe(
        RoutingSlip.add(restock, { tree: { name: "x", children: [] } }),
        RoutingSlip.build
      )
    )
    assert.isTrue(message(envelope), JSON.stringify(message.errors))
    assert.isFalse(message({ ...envelope, payload: wrong }))
    assert.isFalse(message({ ...envelope, headers: {} }))
  })

  it("does not swell where types contain each other, or one another twice", () => {
    const types: Array<Schema.Codec<unknown, unknown>> = []
    for (let i = 0; i < 9; i++) {
      const fields = Array.from({ length: 9 }, (_, j) => [
        `f${j}`,
        Schema.optionalKey(Schema.suspend(() => types[j] ?? Schema.Unknown))
      ])
      const struct: Activity.Fields = Object.fromEntries(fields)
      types.push(Schema.Struct(struct).annotate({ identifier: `T${i}` }))
    }
    let doubled: Schema.Codec<unknown, unknown> = Schema.Struct({ v: Schema.Int }).annotate({ identifier: "S0" })
    for (let i = 1; i <= 18; i++) {
      doubled = Schema.Struct({ l: doubled, r: doubled }).annotate({ identifier: `S${i}` })
    }
    for (const x of [types[0] ?? doubled, doubled]) {
      const swelling = Registry.make(taking("swells", { x }))
      const references = JSON.stringify(ActivitySchema.document(swelling, "urn:x")).length
      assert.isBelow(references, 60_000)
      const options = { id: "urn:x", title: "x", href: () => "redis://h" }
      assert.isBelow(JSON.stringify(ThingDescription.make(swelling, options)).length, 250_000)
      assert.isBelow(JSON.stringify(AsyncApi.make(swelling, { title: "x", version: "1" })).length, 60_000)
    }
  })
})

const schemaOf = (fields: Schema.Struct.Fields) =>
  ActivitySchema.argumentsOf(Activity.make("x", { arguments: fields as Activity.Fields, execute: () => Effect.void }))

const found = (query: Directory.Query) =>
  Effect.flatMap(Directory.Directory, (directory) =>
    Effect.map(directory.find(query), (all) => all.map(({ activity, thing }) => `${activity} ${thing.id}`))
  )

directoryLaws("Directory.layerMemory", Layer.fresh(Directory.layerMemory))

describe("a directory", () => {
  it.effect("finds activities by name and by what they can do with", () =>
    Effect.gen(function* () {
      const directory = yield* Directory.Directory
      yield* directory.publish(describeAs("urn:b"), 60_000)
      yield* directory.publish(describeAs("urn:a", ["ship-goods"]), 60_000)
      assert.deepStrictEqual(yield* found({ text: "SHIP" }), ["ship-goods urn:a", "ship-goods urn:b"])
      assert.deepStrictEqual(yield* found({ text: "money from" }), ["charge-card urn:b"])
      const goods = schemaOf({ sku: Schema.String, count: Schema.Natural, colour: Schema.String })
      assert.deepStrictEqual(yield* found({ has: goods }), ["ship-goods urn:a", "ship-goods urn:b"])
      assert.deepStrictEqual(yield* found({ has: goods, text: "charge" }), [])
      const lacking = [
        schemaOf({ sku: Schema.String }),
        schemaOf({ sku: Schema.String, count: Schema.String }),
        schemaOf({ sku: Schema.String, count: Schema.optionalKey(Schema.Natural) })
      ]
      for (const has of lacking) assert.deepStrictEqual(yield* found({ has }), [])
      const price = (currency: Schema.Codec<string, string>) =>
        schemaOf({
          price: Schema.Struct({ amount: Schema.Natural, currency }),
          token: Schema.String,
          note: Schema.Null
        })
      assert.deepStrictEqual(yield* found({ has: price(Schema.Literals(["EUR"])) }), ["charge-card urn:b"])
      assert.deepStrictEqual(yield* found({ has: price(Schema.Literals(["EUR", "GBP"])) }), [])
      assert.deepStrictEqual(yield* found({ has: price(Schema.String) }), [])
    }).pipe(Effect.provide(Directory.layerMemory))
  )

  it.effect("lists a worker while it lives, and forgets one that died", () =>
    Effect.gen(function* () {
      const directory = yield* Directory.Directory
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("10 minutes")
        assert.lengthOf(yield* found({ text: "ship" }), 1)
      }).pipe(Effect.provide(Directory.announce(describeAs("urn:a"), "30 seconds")))
      assert.deepStrictEqual(yield* found({}), [], "it has taken it back")
      yield* directory.publish(describeAs("urn:dead"), 30_000)
      yield* TestClock.adjust("29 seconds")
      assert.lengthOf(yield* found({}), 3)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* found({}), [])
    }).pipe(Effect.provide(Layer.fresh(Directory.layerMemory)))
  )
})
