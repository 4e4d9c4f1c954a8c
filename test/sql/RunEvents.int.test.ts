import * as Registry from "@tenon/core/Registry"
import { RunEvents, watch } from "@tenon/core/RunEvents"
import * as RunEventsSql from "@tenon/sql/RunEventsSql"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { runEvents } from "../support/runEventSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

const store = TestingPostgres.layerStore(Registry.make({ resources: [] }), { server })

runEvents("over PostgreSQL", store)

it.layer(store, { excludeTestServices: true })("events that are large", (it) => {
  it.effect("are read a megabyte at a time, and all of them", () =>
    Effect.gen(function* () {
      const events = yield* RunEvents
      const actor = Testing.actor()
      const text = "x".repeat(200_000)
      const count = 20
      for (let index = 1; index <= count; index++) {
        yield* events.publish(actor, "large", { type: "message", data: { text } })
        yield* events.settled(actor, "large")
      }
      yield* events.publish(actor, "large", { type: "status", data: { over: true } })
      yield* events.settled(actor, "large")
      const page = yield* events.read(actor, "large", 0, 200)
      assert.deepStrictEqual([page.events.length, page.first, page.last], [6, 1, count + 1])
      const seen = yield* Stream.runCollect(watch(actor, "large", 0))
      assert.deepStrictEqual(
        seen.map((event) => "seq" in event && event.seq),
        Array.from({ length: count + 1 }, (_, index) => index + 1)
      )
    })
  )
})

it.layer(store, { excludeTestServices: true })("two processes", (it) => {
  it.effect("that publish for one run leave no gap, and each sees what the other adds", () =>
    Effect.gen(function* () {
      const here = yield* RunEvents
      const elsewhere = Context.get(yield* Layer.build(Layer.fresh(RunEventsSql.layer)), RunEvents)
      const actor = Testing.actor()
      yield* Effect.forEach(
        Array.from({ length: 60 }, (_, index) => index),
        (index) =>
          (index % 2 === 0 ? here : elsewhere)
            .publish(actor, "shared", { type: "message", data: { index }, key: `m${index % 40}` })
            .pipe(Effect.delay(index * 5)),
        { concurrency: "unbounded" }
      )
      yield* Effect.all([here.settled(actor, "shared"), elsewhere.settled(actor, "shared")])
      const { events } = yield* here.read(actor, "shared", 0, 200)
      assert.deepStrictEqual(
        events.map(({ seq }) => seq),
        Array.from({ length: 40 }, (_, index) => index + 1)
      )
      assert.deepStrictEqual(yield* elsewhere.read(actor, "shared", 0, 200), yield* here.read(actor, "shared", 0, 200))
    })
  )
})
