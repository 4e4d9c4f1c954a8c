/* oxlint-disable typescript/no-explicit-any -- hostile messages are made by hand, past all types. */
/**
 * The quick check of envelopes accepts nothing that the schema would refuse, whatever a stranger changes in a message.
 */
import * as DeadLetters from "@tenon/messaging/DeadLetters"
import * as Envelope from "@tenon/routing-slip/Envelope"
import * as Wire from "@tenon/routing-slip/Wire"
import { isCarriable, isEnvelope } from "@tenon/routing-slip/EnvelopeCheck"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"

const decode = Schema.decodeUnknownExit(Envelope.Envelope)
const accepts = (value: unknown) => Exit.isSuccess(decode(value, { onExcessProperty: "error" }))

const step = (name: string) => ({
  step: name,
  activity: "book",
  queue: "tenon.book",
  arguments: { what: [1, null, "x"] },
  encrypted: false,
  timeout_ms: null
})
const undo = (name: string) => ({ step: name, activity: "book", queue: "q", data: {}, encrypted: true })
const branch = { branch: "1.1", name: "a", itinerary: [step("1.1.1")] }
const slip = {
  itinerary: [
    {
      ...step("1"),
      scatter: {
        branches: [branch],
        wanted: 1,
        late: "keep",
        undo: "parallel",
        merge: [
          { type: "under", into: "x" },
          { type: "collect", from: "a", into: "b" },
          { type: "spread", conflict: "last" }
        ]
      }
    }
  ],
  activity_log: [{ step: "1", activity: "book", at: 1 }],
  compensation_log: [{ ...undo("1"), branches: [{ branch: "1.1", compensation_log: [undo("1.1.1")] }] }],
  variables: { a: 1 },
  phase: "execute",
  outcome: null,
  fault: { step: "1", activity: "book", error: "E", message: "m" },
  not_undone: ["1"],
  revision: { by: ["book"], activities: ["book"], budget: 1, drops: true },
  deadline: 1
}
const home = { branch: "1.1", of: "1", activity: "book", queue: "q", phase: "execute", set: {}, superseded: false }
const sample = {
  payload: { what: 1 },
  headers: {
    message_id: "m",
    correlation_id: "c",
    tenant_id: "t",
    routing_slip: { ...slip, branch: { ...home, trunk: slip } },
    security_context: { obo_token: "t", jws_signature: null, jws_log: ["a"] },
    trace_context: { traceparent: "x" }
  }
}

/** All places of a value. */
const pathsOf = (value: unknown): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value === "object" && value !== null
    ? [[], ...Object.entries(value).flatMap(([name, each]) => pathsOf(each).map((path) => [name, ...path]))]
    : [[]]

/** A copy with something else at a place; undefined takes it away. */
const changed = (value: any, [name, ...rest]: ReadonlyArray<string>, to: unknown): any => {
  if (name === undefined) return to
  if (Array.isArray(value)) return value.map((each, index) => (String(index) === name ? changed(each, rest, to) : each))
  if (value === null || typeof value !== "object") return { [name]: to }
  const { [name]: old, ...others } = value
  const fresh = changed(old, rest, to)
  return fresh === undefined ? others : { ...others, [name]: fresh }
}

const hostile = [
  ...[undefined, null, true, 0, -1, 0.5, 2 ** 53, Number.POSITIVE_INFINITY, [], {}, [[]], { extra: 1 }],
  ...["", "a", "1", "1.", "01", "1.1.1", "A", "../x", "a\n", "q\0", "\u001b[2J", "\ud800", "x".repeat(101), "execute"],
  ...["completed", "under", "__proto__", "toString", "constructor"].flatMap((name) => [name, { type: name }])
]

it("the quick check and the schema agree about every change of a message", () => {
  assert.isTrue(accepts(sample))
  assert.isTrue(isEnvelope(sample))
  const differ: Array<string> = []
  const hold = (value: unknown, what: string) => {
    if (isEnvelope(value as Schema.Json) && !accepts(value)) differ.push(what)
  }
  for (const path of pathsOf(sample)) {
    for (const to of hostile) hold(changed(sample, path, to), `${path.join(".")} = ${JSON.stringify(to)}`)
    hold(changed(sample, [...path, "extra"], 1), `${path.join(".")}.extra`)
  }
  assert.deepStrictEqual(differ, [])
})

it.effect("ids that no log, terminal or database can hold are refused, and never put off for ever", () =>
  Effect.gen(function* () {
    for (const name of ["message_id", "correlation_id", "tenant_id"]) {
      for (const id of ["a\0b", "\u001b[2J", "\u009d", "\ud800", "a\nb"]) {
        const body = new TextEncoder().encode(JSON.stringify(changed(sample, ["headers", name], id)))
        assert.strictEqual((yield* Effect.flip(Wire.decode(body))).reason, "malformed")
      }
    }
  })
)

it("what is carried is JSON and not too deep", () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : { x: nested(depth - 1) })
  for (const value of [1, null, "x", [], { a: [1, undefined] }, { a: undefined }, nested(20)]) {
    assert.isTrue(isCarriable(value), JSON.stringify(value))
  }
  for (const value of [Number.NaN, 1n, () => 1, Symbol("x"), [[Number.POSITIVE_INFINITY]], nested(40)]) {
    assert.isFalse(isCarriable(value), String(value))
  }
})

const encoded = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))

it.effect("why a message is malformed tells nothing of what it says, and is the same for what is wrong alike", () =>
  Effect.gen(function* () {
    const secret = "hunter2"
    const kinds: ReadonlyArray<ReadonlyArray<unknown>> = [
      [
        secret,
        `{${secret}`,
        `["${secret}", oops`,
        `<${secret}/>`,
        `{"password": "${secret}"`,
        `'${secret}'`,
        `1 ${secret}`
      ],
      [`{"a${secret}": 1, "a${secret}": 2}`, `{"b": 1, "b": {}}`],
      [
        { payload: 1, headers: {}, [secret]: 1 },
        { payload: 1, headers: {}, other: 1 }
      ],
      [
        { payload: 1, headers: { [`${secret}.x`]: 1 } },
        { payload: 1, headers: { [`other.y`]: secret } }
      ],
      [
        { payload: null, headers: { ...sample.headers, tenant_id: `${secret}\n` } },
        { payload: null, headers: { ...sample.headers, tenant_id: "\u0000" } }
      ]
    ]
    const told = new Set<string>()
    for (const bodies of kinds) {
      const prints = new Set<string>()
      for (const body of bodies) {
        const { detail, reason } = yield* Effect.flip(Wire.decode(encoded(body)))
        assert.notInclude(detail, secret)
        prints.add(yield* DeadLetters.fingerprint("q", reason, detail))
        told.add(`${reason}: ${detail}`)
      }
      assert.strictEqual(prints.size, 1, [...told].at(-1))
    }
    assert.strictEqual(told.size, kinds.length)
    assert.include([...told].at(-1), "headers.tenant_id")
  })
)
