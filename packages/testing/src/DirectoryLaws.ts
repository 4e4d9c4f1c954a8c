/** What a directory of workers owes to workers and planners. */
import { Directory, type Query } from "@tenon/routing-slip/Directory"
import type { Thing } from "@tenon/routing-slip/ThingDescription"
import { assert, layer as suiteOf } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"

const thing = (id: string, ...activities: ReadonlyArray<string>): Thing => ({
  "@context": "https://www.w3.org/2022/wot/td/v1.1",
  id,
  title: `The worker's "${id}" \\ ünd`,
  actions: Object.fromEntries(
    activities.map((name) => [name, { title: name, description: `Does ${name}.`, input: { type: "object" } }])
  )
})

const found = (query: Query) =>
  Effect.flatMap(Directory, (directory) =>
    Effect.map(directory.find(query), (all) => all.map(({ activity, thing }) => `${activity} ${thing.id}`))
  )

/** Declares the tests of a directory that nobody else uses, on the real clock. */
export const directoryLaws = <E>(name: string, layer: Layer.Layer<Directory, E>): void =>
  suiteOf(layer, { excludeTestServices: true, timeout: "30 seconds" })(
    `${name} keeps the laws of a directory`,
    (it) => {
      it.effect(
        "what workers say is found whole, by name and then by worker, until it is said anew or taken back",
        () =>
          Effect.gen(function* () {
            const directory = yield* Directory
            yield* directory.publish(thing("urn:b", "ship", "charge"), 60_000)
            yield* directory.publish(thing("urn:a", "ship"), 60_000)
            assert.deepStrictEqual(yield* found({}), ["charge urn:b", "ship urn:a", "ship urn:b"])
            assert.deepStrictEqual(yield* found({ text: "DOES SHIP" }), ["ship urn:a", "ship urn:b"])
            const [first] = yield* directory.find({ text: "charge" })
            assert.deepStrictEqual(first?.thing, thing("urn:b", "ship", "charge"))
            yield* directory.publish(thing("urn:b", "refund"), 60_000)
            assert.deepStrictEqual(yield* found({}), ["refund urn:b", "ship urn:a"])
            yield* Effect.all([directory.withdraw("urn:a"), directory.withdraw("urn:b"), directory.withdraw("urn:c")])
            assert.deepStrictEqual(yield* found({}), [])
          })
      )

      it.effect("a worker that says nothing more is forgotten", () =>
        Effect.gen(function* () {
          const directory = yield* Directory
          yield* directory.publish(thing("urn:dies", "ship"), 300)
          yield* directory.publish(thing("urn:lives", "ship"), 60_000)
          assert.deepStrictEqual(yield* found({}), ["ship urn:dies", "ship urn:lives"])
          yield* Effect.sleep("350 millis")
          assert.deepStrictEqual(yield* found({}), ["ship urn:lives"])
          yield* directory.publish(thing("urn:dies", "ship"), 60_000)
          assert.deepStrictEqual(yield* found({}), ["ship urn:dies", "ship urn:lives"])
        })
      )
    }
  )
