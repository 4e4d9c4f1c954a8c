/** What activities take, leave for undoing and share goes through the wire and comes back as what it was. */
import * as Issues from "@tenon/core/Issues"
import type { Outgoing } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Hop from "@tenon/routing-slip/Hop"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as JsonForm from "@tenon/routing-slip/JsonForm"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Slip from "@tenon/routing-slip/Slip"
import * as Variable from "@tenon/routing-slip/Variable"
import * as Wire from "@tenon/routing-slip/Wire"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { inspect } from "node:util"

const world = Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, Security.layerUnsigned)

class Stay extends Schema.Class<Stay>("Stay")({ from: Schema.Date, nights: Schema.Int }) {}

type Nested = { readonly at: Date; readonly inside: ReadonlyArray<Nested> }
const Nested: Schema.Codec<Nested, unknown> = Schema.Struct({
  at: Schema.Date,
  inside: Schema.Array(Schema.suspend((): Schema.Codec<Nested, unknown> => Nested))
})

const schemas: { readonly [name: string]: Schema.Codec<unknown, unknown> } = {
  string: Schema.String,
  number: Schema.Number,
  bigint: Schema.BigInt,
  date: Schema.Date,
  utc: Schema.DateTimeUtc,
  duration: Schema.Duration,
  bytes: Schema.Uint8Array,
  option: Schema.Option(Schema.Date),
  undefined: Schema.UndefinedOr(Schema.String),
  optional: Schema.Struct({ a: Schema.optional(Schema.BigInt), b: Schema.optionalKey(Schema.String) }),
  map: Schema.HashMap(Schema.String, Schema.Int),
  set: Schema.ReadonlySet(Schema.BigInt),
  tuple: Schema.Tuple([Schema.Date, Schema.BigInt]),
  record: Schema.Record(Schema.String, Schema.Date),
  union: Schema.Union([Schema.BigInt, Schema.Finite, Schema.Null, Stay]),
  text: Schema.FiniteFromString,
  json: Schema.Json,
  class: Stay,
  recursive: Nested
}

const shared = (schema: Schema.Codec<unknown, unknown>) => Variable.make("shared", schema)

/** Two activities: one keeps its argument as what undoing needs and shares it, the next reads that and fails. */
const meshOf = (schema: Schema.Codec<unknown, unknown>, seen: Array<unknown>) => {
  const keep = Activity.make("keep", {
    arguments: { x: schema },
    log: { x: schema },
    execute: ({ x }) =>
      Effect.sync(() => void seen.push(x)).pipe(Effect.andThen(Variable.set(shared(schema), x)), Effect.as({ x })),
    compensate: ({ x }) => Effect.sync(() => void seen.push(x))
  })
  const fail = Activity.make("fail", {
    arguments: {},
    execute: () =>
      Effect.flatMap(Variable.get(shared(schema)), (x) => {
        seen.push(x)
        return Effect.fail("no")
      })
  })
  return { keep, fail, registry: Registry.make(keep, fail) }
}

const newest = Effect.gen(function* () {
  const slip = yield* (yield* HopStore).slip("default", "one")
  const envelope = yield* Wire.decode(slip?.body ?? new Uint8Array())
  return { status: slip?.status, body: slip?.body, next: Slip.next(envelope.headers.routing_slip) }
})

/** Hands on the newest message until the slip is at its end. */
const carriedOut = Effect.fnUntraced(function* (registry: Registry.Of<never>) {
  for (let hops = 0; hops < 5; hops++) {
    const { body, next, status } = yield* newest
    if (next === undefined || body === undefined) return status
    const message: Outgoing = { queue: next.queue, id: `m${hops}`, body }
    yield* Hop.handler(registry)({ ...message, attempt: 1 })
  }
  return (yield* newest).status
})

describe("arguments, what undoing needs, and variables", () => {
  for (const [name, schema] of Object.entries(schemas)) {
    it.effect(`come back as what they were: ${name}`, () =>
      Effect.gen(function* () {
        const isSame = Schema.toEquivalence(schema)
        const drawn = yield* Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: 30, size: 4, seed: 7 })
        for (const value of [...drawn, ...(name === "number" ? [Number.NaN, Number.POSITIVE_INFINITY] : [])]) {
          const seen: Array<unknown> = []
          const { fail, keep, registry } = meshOf(schema, seen)
          const status = yield* RoutingSlip.builder(registry, { correlationId: "one" }).pipe(
            RoutingSlip.add(keep, { x: value }),
            RoutingSlip.add(fail, {}),
            RoutingSlip.dispatch,
            Effect.andThen(carriedOut(registry)),
            Effect.provide(world, { local: true })
          )
          assert.strictEqual(status, "faulted")
          assert.strictEqual(seen.length, 3, "executed, read by the next, undone")
          for (const each of seen) assert.isTrue(isSame(each, value), `${inspect(each)} was ${inspect(value)}`)
        }
      })
    )
  }

  it.effect("are written as they were before, where they are JSON", () =>
    Effect.gen(function* () {
      const value = { a: [1, "x", null, { b: true }], c: 1.5 }
      const schema = Schema.Struct({
        a: Schema.Array(Schema.Json),
        c: Schema.Finite,
        d: Schema.optionalKey(Schema.String)
      })
      const plain = Activity.make("plain", { arguments: { x: schema, n: Schema.Number }, execute: () => Effect.void })
      const { envelope } = yield* RoutingSlip.builder(Registry.make(plain)).pipe(
        RoutingSlip.add(plain, { x: value, n: 2 }),
        RoutingSlip.build
      )
      assert.deepStrictEqual(envelope.payload, { x: value, n: 2 })
    })
  )

  it.effect("are refused where they would come back as another type of their union", () =>
    Effect.gen(function* () {
      class Guest extends Schema.Class<Guest>("Guest")({ id: Schema.Union([Schema.BigInt, Schema.String]) }) {}
      class Host extends Schema.Class<Host>("Host")({ id: Schema.Union([Schema.BigInt, Schema.String]) }) {}
      const id = Schema.Union([Schema.BigInt, Schema.String])
      const schema = Schema.Struct({
        id,
        ids: Schema.Array(id),
        named: Schema.Record(Schema.String, Schema.Union([Schema.Number, Schema.String])),
        who: Schema.Union([Guest, Host]),
        when: Schema.optional(Schema.NullOr(Schema.Date))
      })
      const form = JsonForm.of<unknown>(schema)
      const good = {
        id: "x",
        ids: ["x", 1n],
        named: { a: 1, b: "1", c: Number.NaN },
        who: new Guest({ id: 1n }),
        when: null
      }
      const read = yield* Effect.flatMap(JsonForm.encode(form, good), (json) => JsonForm.decode(form, json))
      assert.isTrue(Schema.toEquivalence(schema)(yield* Schema.decodeUnknownEffect(Schema.toType(schema))(read), good))
      for (const [value, path] of [
        [{ ...good, id: "17" }, "id"],
        [{ ...good, ids: ["x", "1"] }, "ids.1"],
        [{ ...good, named: { a: "NaN" } }, "named.a"],
        [{ ...good, who: new Host({ id: 1n }) }, "who"],
        [{ ...good, who: new Guest({ id: "1" }) }, "who.id"]
      ] as const) {
        const failure = yield* Effect.flip(JsonForm.encode(form, value))
        assert.deepStrictEqual(
          Issues.fromSchema(failure).map((issue) => issue.path),
          [path]
        )
      }
      const pick = Activity.make("pick", { arguments: { id }, execute: () => Effect.void })
      const failure = yield* RoutingSlip.builder(Registry.make(pick)).pipe(
        RoutingSlip.add(pick, { id: "17" }),
        RoutingSlip.build,
        Effect.flip
      )
      if (failure._tag !== "InvalidInput") return assert.fail(failure._tag)
      assert.deepInclude(failure.issues[0], { path: "1.pick.id" })
      assert.include(failure.issues[0]?.message, "another type of its union")
    })
  )

  it.effect("leave out what is undefined, which null would not mean", () =>
    Effect.gen(function* () {
      const note = Schema.optional(Schema.NullOr(Schema.String))
      const patch = Schema.Struct({ note, name: Schema.optional(Schema.String) })
      const form = JsonForm.of<unknown>(
        Schema.Struct({
          note,
          patch,
          list: Schema.Array(patch),
          either: Schema.Union([Schema.Struct({ id: Schema.Int, note }), Schema.Null]),
          by: Schema.Record(Schema.String, patch)
        })
      )
      const given = (note: { readonly note?: undefined }) => ({
        ...note,
        patch: { name: "Ada", ...note },
        list: [note, { note: null }],
        either: { id: 1, ...note },
        by: { a: note }
      })
      const json = yield* JsonForm.encode(form, given({ note: undefined }))
      assert.deepStrictEqual<unknown>(json, given({}))
      assert.deepStrictEqual(yield* JsonForm.decode(form, json), given({}))
    })
  )

  it("are refused when the activity is declared, where no JSON stands for them", () => {
    class Socket {
      readonly open = true
    }
    const socket = Schema.instanceOf(Socket)
    const symbol = Symbol("of mine")
    for (const [x, place] of [
      [socket, "x"],
      [Schema.Struct({ of: Schema.Array(Schema.NullOr(socket)) }), "x.of"],
      [Schema.Option(socket), "x"],
      [Schema.Struct({ [symbol]: Schema.String }), "x"]
    ] as const) {
      const declare = () => Activity.make("a", { arguments: { x }, execute: () => Effect.void })
      assert.throws(declare, `The activity a cannot be declared: its argument ${place} `)
      const undoable = () =>
        Activity.make("b", {
          arguments: {},
          log: { x },
          execute: () => Effect.die("never"),
          compensate: () => Effect.void
        })
      assert.throws(undoable, `The activity b cannot be declared: its log ${place} `)
    }
  })

  it.effect("are refused when the slip is built, where a value is not JSON although its type allows that", () =>
    Effect.gen(function* () {
      const a = Activity.make("a", { arguments: { x: Schema.Unknown, y: Schema.Any }, execute: () => Effect.void })
      for (const value of [1n, new Date(0), () => 1, new Map()]) {
        const building = (x: unknown, y: unknown) =>
          Effect.flip(RoutingSlip.builder(Registry.make(a)).pipe(RoutingSlip.add(a, { x, y }), RoutingSlip.build))
        for (const failure of [yield* building(value, 1), yield* building(1, value)]) {
          assert.strictEqual(failure._tag, "InvalidInput")
          assert.include(failure.message, "JSON")
        }
      }
    })
  )
})
