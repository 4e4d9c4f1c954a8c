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
