/** Wherever handlers crash, every message arrives, in order, under one id. */
import type { CurrentActor } from "@tenon/core/Actor"
import { Checkpoint } from "@tenon/core/Checkpoint"
import type { Interpreter } from "@tenon/core/Interpreter"
import type { Repository } from "@tenon/core/Repository"
import { CrashPoints } from "@tenon/testing/CrashPoints"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { conversation, type Infrastructure, registry, workflows } from "./channelSuite.ts"
import * as WebhookReceiver from "./WebhookReceiver.ts"

/** Two messages to a receiver that refuses the first attempt of all: what it was sent, and what the rows say. */
const talk: Effect.Effect<
  { readonly arrived: ReadonlyArray<number> },
  unknown,
  Interpreter | Repository | CurrentActor
> = Effect.gen(function* () {
  const receiver = yield* WebhookReceiver.start()
  receiver.answer = () => (receiver.hits.length === 0 ? 500 : 200)
  const { all, post } = yield* conversation(receiver.url, { retry: { attempts: 6, firstMillis: 1, maxMillis: 1 } })
  yield* post("1")
  yield* post("2")
  const rows = yield* all("DELIVERED", 2)
  const arrived = WebhookReceiver.arrived(receiver.hits)
  assert.deepStrictEqual(
    arrived.map(({ id }) => id),
    rows.map(({ id }) => id)
  )
  assert.strictEqual(new Set(receiver.hits.map(({ id }) => id)).size, 2)
  return { arrived: arrived.map(({ body }) => body.data.position) }
}).pipe(Effect.scoped)

/** Declares the test for an infrastructure. */
export const channelCrashes = (name: string, infrastructure: Infrastructure) => {
  const points = new CrashPoints()
  const layer = infrastructure(registry, { workflows }).pipe(
    Layer.provideMerge(Layer.succeed(Checkpoint, points.listen))
  )
  suite(layer, { timeout: 120_000, excludeTestServices: true })(`channels that crash ${name}`, (it) => {
    it.effect(
      "every message arrives under its id, in order, wherever the crash is",
      () =>
        Effect.gen(function* () {
          points.begin()
          yield* talk
          const places = [...points.passed].filter((place) => !place.includes(".create "))
          assert.isAbove(places.length, 20)
          let crashes = 0
          for (const place of places) {
            points.begin(place)
            const { arrived } = yield* talk
            if (points.crashed) crashes++
            assert.deepStrictEqual(arrived, [1, 2], place)
          }
          // Whether two wake-ups meet one workflow or follow each other is up to chance, so a few places may not come.
          assert.isAbove(crashes, places.length * 0.7)
        }),
      120_000
    )
  })
}
