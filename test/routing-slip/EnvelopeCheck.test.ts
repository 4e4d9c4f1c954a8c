import * as Envelope from "@tenon/routing-slip/Envelope"
import { isEnvelope } from "@tenon/routing-slip/EnvelopeCheck"
import * as StrictJson from "@tenon/routing-slip/StrictJson"
import * as Wire from "@tenon/routing-slip/Wire"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const step = {
  step: "2.1",
  activity: "book",
  queue: "tenon.book",
  arguments: { nights: [1, { deep: null }] },
  encrypted: false,
  timeout_ms: 500
}
const scatter = {
  branches: [{ branch: "3.1", name: "hotel", itinerary: [step] }],
  wanted: 1,
  late: "keep",
  undo: "reverse",
  merge: [
    { type: "under", into: "all" },
    { type: "collect", from: "price", into: "prices" },
    { type: "spread", conflict: "last" }
  ]
}
const undo = { step: "1", activity: "pay", queue: "tenon.pay", data: "sealed", encrypted: true }
const slip = {
  itinerary: [step, { ...step, step: "3", timeout_ms: null, scatter }],
  activity_log: [{ step: "1", activity: "pay", at: 1_700_000_000_000 }],
  compensation_log: [undo, { ...undo, branches: [{ branch: "1.1", compensation_log: [undo] }] }],
  variables: { total: 12.5, "": [], __proto__x: true },
  phase: "execute",
  outcome: "faulted",
  fault: { step: "1", activity: "pay", error: "Refused", message: "" },
  not_undone: ["1"],
  revision: { by: ["pay"], activities: ["book"], budget: 3, drops: true },
  deadline: null
}
const branch = {
  branch: "3.1",
  of: "3",
  activity: "scatter-gather",
  queue: "q",
  phase: "compensate",
  set: { a: 1 },
  superseded: false,
  trunk: slip
}
const envelope: Schema.Json = {
  payload: { nights: 1 },
  headers: {
    message_id: "m",
    correlation_id: "c",
    tenant_id: "t",
    routing_slip: { ...slip, branch },
    security_context: { obo_token: null, jws_signature: "a.b.c", jws_log: ["d.e.f"] },
    trace_context: { traceparent: "00-1-2-00" }
  }
}

const values: ReadonlyArray<Schema.Json> = [
  ...[null, true, 0, 1, -1, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, "", "a", "A b", "1", "1.2", "0", "x".repeat(101)],
  ...["execute", "completed", "first", "under", "keep", "parallel", [], [null], ["1"], {}, { step: "1" }, { a: "b" }]
]

/** The value with something else at a place: `undefined` for nothing. */
const withChange = (value: Schema.Json, [at, ...rest]: ReadonlyArray<string>, change: unknown): Schema.Json => {
  if (at === undefined) return change as Schema.Json
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as { [name: string]: Schema.Json }
  const changed = rest.length === 0 ? change : withChange(copy[at] ?? null, rest, change)
  if (changed === undefined && !Array.isArray(copy)) delete copy[at]
  else copy[at] = (changed ?? null) as Schema.Json
  return copy as Schema.Json
}

const placesIn = (value: Schema.Json): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value !== "object" || value === null
    ? [[]]
    : [[], ...Object.entries(value).flatMap(([name, each]) => placesIn(each).map((place) => [name, ...place]))]

const bySchema = Schema.decodeUnknownResult(Envelope.Envelope)

it("tells envelopes from what is none exactly as the schema does, whatever is changed, missing or added", () => {
  let accepted = 0
  let refused = 0
  const compare = (value: Schema.Json, what: string) => {
    const known = Result.isSuccess(bySchema(value, { onExcessProperty: "error" }))
    if (isEnvelope(value) !== known) assert.fail(`${what}: the schema says ${known}`)
    if (known) accepted++
    else refused++
  }
  compare(envelope, "as it is")
  assert.strictEqual(accepted, 1)
  for (const place of placesIn(envelope)) {
    const where = place.join("/")
    for (const value of values) compare(withChange(envelope, place, value), `${where} = ${JSON.stringify(value)}`)
    compare(withChange(envelope, place, undefined) ?? null, `${where} is missing`)
    compare(withChange(envelope, [...place, "extra"], "1"), `${where} has more`)
  }
  assert.isAbove(accepted, 200)
  assert.isAbove(refused, 2_000)
})

it.effect("reads a message the same whoever spelled it", () =>
  Effect.gen(function* () {
    const own = JSON.stringify(envelope)
    const foreign = JSON.stringify(envelope, undefined, 1).replace('"m"', '"\\u006d"')
    const read = (text: string) => Wire.decode(new TextEncoder().encode(text))
    assert.deepStrictEqual<unknown>(yield* read(own), JSON.parse(own))
    assert.deepStrictEqual(yield* read(foreign), yield* read(own))
    const reasonOf = (text: string) => Effect.map(Effect.flip(read(text)), ({ reason }) => reason)
    assert.strictEqual(yield* reasonOf(own.replace('"total":12.5', '"total":1e999')), "malformed")
    assert.strictEqual(yield* reasonOf(own.replace('"total":12.5', '"total":12.5,"total":12.5')), "duplicate-key")
    assert.strictEqual(yield* reasonOf(own.replace("12.5", `${"[".repeat(64)}${"]".repeat(64)}`)), "malformed")
  })
)

it("counts levels the same in any spelling", () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"]
  ] as const) {
    for (const levels of [1, 63, 64, 65, 20_000]) {
      for (const space of ["", " "]) {
        const inner = open === "[" ? "" : "1"
        const read = StrictJson.parse(`${space}${open.repeat(levels)}${inner}${close.repeat(levels)}`)
        assert.strictEqual(Result.isSuccess(read), levels <= 64, `${levels} levels of ${open}`)
      }
    }
    // Many beside each other are not many within each other.
    const beside = JSON.stringify(Array.from({ length: 500 }, () => JSON.parse(open === "[" ? "[]" : '{"a":1}')))
    assert.isTrue(Result.isSuccess(StrictJson.parse(beside)))
  }
})
