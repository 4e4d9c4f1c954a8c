/** The laws of `RunEvents`, for every implementation. */
import { type Draft, maxKept, type RunEvent, RunEvents, watch } from "@tenon/core/RunEvents"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

const ada = Testing.actor()
const stranger = Testing.actor({ tenantId: "tenant-b" })
const token = (text: string, step = "model1"): Draft => ({ type: "token", data: { step, text } })
const over: Draft = { type: "status", data: { status: "DONE", over: true }, key: "over" }
const numbers = (events: ReadonlyArray<RunEvent>) => events.map(({ seq }) => seq)
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

const publish = Effect.fnUntraced(function* (run: string, ...drafts: ReadonlyArray<Draft>) {
  const events = yield* RunEvents
  for (const draft of drafts) yield* events.publish(ada, run, draft)
})
const settled = (run: string) => Effect.flatMap(RunEvents, (events) => events.settled(ada, run))
const all = (run: string) => Effect.flatMap(RunEvents, (events) => events.read(ada, run, 0, 100))

/** Declares the tests; `second` is the same log seen from another process, where there can be one. */
export const runEvents = <E>(name: string, layer: Layer.Layer<RunEvents, E>) => {
  suite(layer, { timeout: 60_000, excludeTestServices: true })(`events of runs ${name}`, (it) => {
    it.effect("are numbered without gaps, and words that follow each other become one event", () =>
      Effect.gen(function* () {
        yield* publish("a", token("one "), token("two "), token("x", "model2"), { type: "message", data: {} })
        yield* settled("a")
        yield* publish("a", token("three"), over)
        yield* settled("a")
        const { events, first, last } = yield* all("a")
        assert.deepStrictEqual([numbers(events), first, last], [upTo(5), 1, 5])
        assert.deepStrictEqual(
          events.map(({ data }) => data["text"] ?? null),
          ["one two ", "x", null, "three", null]
        )
      })
    )

    it.effect("are kept once per key, with something else in their place where that is given", () =>
      Effect.gen(function* () {
        const begun: Draft = {
          type: "step",
          data: { n: 1 },
          key: "begun",
          otherwise: { type: "truncate", data: { step: "model1" } }
        }
        yield* publish("b", begun, begun, over, over)
        yield* settled("b")
        yield* publish("b", begun, over)
        yield* settled("b")
        assert.deepStrictEqual(
          (yield* all("b")).events.map(({ type }) => type),
          ["step", "truncate", "status", "truncate"]
        )
      })
    )

    it.effect("belong to a tenant", () =>
      Effect.gen(function* () {
        const events = yield* RunEvents
        yield* publish("c", token("secret"))
        yield* settled("c")
        assert.deepStrictEqual((yield* events.read(stranger, "c", 0, 100)).events, [])
        yield* events.publish(stranger, "c", token("other"))
        yield* events.settled(stranger, "c")
        assert.deepStrictEqual(
          (yield* all("c")).events.map(({ data }) => data["text"]),
          ["secret"]
        )
      })
    )

    it.effect("may hold what no database keeps", () =>
      Effect.gen(function* () {
        yield* publish("d", token("a\u0000b\ud800"), over)
        yield* settled("d")
        assert.strictEqual((yield* all("d")).events.length, 2)
      })
    )

    it.effect("reach who watches, in order and to the last, whoever else publishes", () =>
      Effect.gen(function* () {
        const watching = yield* Effect.forkChild(Stream.runCollect(watch(ada, "e", 0)))
        yield* Effect.forEach(
          upTo(20),
          (index) => Effect.delay(publish("e", { type: "message", data: { index } }), index * 7),
          { concurrency: "unbounded" }
        )
        yield* publish("e", over)
        const seen = (yield* Fiber.join(watching)) as ReadonlyArray<RunEvent>
        assert.deepStrictEqual(numbers(seen), upTo(21))
      })
    )

    it.effect("are not kept for ever: who comes too late is told to begin anew", () =>
      Effect.gen(function* () {
        const one = (index: number): Draft => ({ type: "message", data: { index } })
        for (const part of upTo(11)) {
          yield* publish("f", ...upTo(1000).map((index) => one(part * 1000 + index)))
          yield* settled("f")
        }
        yield* publish("f", over)
        yield* settled("f")
        const { first, last } = yield* all("f")
        assert.strictEqual(last, 11_001)
        assert.isAtLeast(first, last - maxKept - 1000)
        const seen = yield* Stream.runCollect(watch(ada, "f", 5))
        assert.deepStrictEqual(seen[0], { type: "reset", after: first - 1 })
        assert.deepStrictEqual(numbers(seen.slice(1) as ReadonlyArray<RunEvent>), upTo(last).slice(first - 1))
      })
    )
  })
}
