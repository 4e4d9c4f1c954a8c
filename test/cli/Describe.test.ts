/** `tenon slip describe` against the order example, held to the published schemas of those who read it. */
import { assert, describe, it } from "@effect/vitest"
import { Ajv } from "ajv"
import { Ajv2020 } from "ajv/dist/2020.js"
import addFormats from "ajv-formats"
import * as Effect from "effect/Effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { tenon } from "../support/TenonInProcess.ts"
import { packages } from "../support/TenonProcess.ts"

const mesh = join(packages, "examples/src/order/OrderMesh.ts")
const fileOf = (path: string) => JSON.parse(readFileSync(createRequire(import.meta.url).resolve(path), "utf8"))

const described = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: { readonly [name: string]: string }) {
  const { code, stderr, stdout } = yield* tenon(["slip", "describe", mesh, ...args], env)
  assert.strictEqual(code, 0, stderr)
  return JSON.parse(stdout)
})

describe("a mesh is described", () => {
  it.live("by AsyncAPI, with its queues as the broker knows them and no credentials", () =>
    Effect.gen(function* () {
      const env = { RABBITMQ_URL: "amqps://me:hunter2@broker.example:5671/orders", TRANSPORT_PREFIX: "shop-" }
      const document = yield* described(["--release", "2.1.0"], env)
      const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
      const validate = ajv.compile(fileOf("@asyncapi/specs/schemas/3.0.0-without-$id.json"))
      assert.isTrue(validate(document), JSON.stringify(validate.errors?.slice(0, 5), null, 1))
      assert.deepStrictEqual(document.info, { title: "orders", version: "2.1.0" })
      assert.deepStrictEqual(document.servers, {
        broker: { host: "broker.example:5671", protocol: "amqps", pathname: "/orders" }
      })
      assert.strictEqual(document.channels["tenon.charge-card"].address, "shop-tenon.charge-card")
      assert.notInclude(JSON.stringify(document), "hunter2")
      const alone = yield* described([], { TRANSPORT: "memory" })
      assert.isTrue(validate(alone), JSON.stringify(validate.errors))
      assert.notProperty(alone, "servers")
      assert.strictEqual(alone.channels["tenon.charge-card"].address, "tenon.charge-card")
    })
  )

  it.live("by JSON Schema, which what an activity takes fits", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "tenon-describe-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true, force: true })))
      const file = join(directory, "orders.schema.json")
      assert.deepStrictEqual(yield* described(["--format", "json-schema", "--out", file, "--json"], {}), {
        file,
        format: "json-schema"
      })
      const ajv = new Ajv2020({ strict: false, allErrors: true })
      ajv.compile(JSON.parse(readFileSync(file, "utf8")))
      const takes = ajv.compile({ $ref: "urn:tenon:mesh:orders#/$defs/update-inventory" })
      assert.isTrue(takes({ itemId: "bolt", quantity: 2 }))
      assert.isFalse(takes({ itemId: "bolt", quantity: "two" }))
    })
  )

  it.live("as a Thing, whose forms lead to its queues", () =>
    Effect.gen(function* () {
      const thing = yield* described(["--format", "thing"], { REDIS_URL: "redis://:hunter2@broker.example:6379" })
      const ajv = new Ajv({ strict: false, allErrors: true })
      addFormats.default(ajv)
      const validate = ajv.compile(fileOf("wot-thing-description-types/schema/td-json-schema-validation.json"))
      assert.isTrue(validate(thing), JSON.stringify(validate.errors, null, 1))
      const [form] = thing.actions["notify-customer"].forms
      assert.strictEqual(form.href, "redis://broker.example:6379/tenon.notify-customer")
    })
  )

  it.live("or is said not to be there", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* tenon(["slip", "describe", "gone.ts"], {})
      assert.strictEqual(code, 1)
      assert.match(stderr, /^There is no gone\.ts\./)
    })
  )
})
