import { ack, Transport } from "@tenon/messaging/Transport"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import { eventually } from "@tenon/testing/Eventually"
import * as TransportLaws from "@tenon/testing/TransportLaws"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { createClient } from "redis"
import { deleteStreams, listens, redisUrl } from "../support/Brokers.ts"

/** A client of this machine's Redis, for the scope. */
const connected = Effect.acquireRelease(
  Effect.promise(() => createClient({ url: redisUrl }).connect()),
  (client) => Effect.sync(() => client.destroy())
)

describe.skipIf(!(await listens(redisUrl)))("over Redis", () => {
  TransportLaws.suite("TransportRedis", TransportRedis.layer({ url: redisUrl, visibility: "1 second" }), deleteStreams)

  it.live("finds a dead letter among thousands without reading the others, and all of them page by page", () =>
    Effect.gen(function* () {
      const queue = `redis-letters-${process.pid}`
      yield* Effect.addFinalizer(() => Effect.promise(() => deleteStreams([queue])))
      const client = yield* connected
      const letters = yield* Effect.promise(() =>
        Promise.all(
          Array.from({ length: 2_050 }, (_, index) => {
            const fingerprint = index % 2 === 0 ? "even" : "odd"
            const fields = { id: `m${index}`, body: "x", reason: "refused", detail: "", fingerprint }
            return client.xAdd(`tenon:{${queue}}:dead`, "*", fields)
          })
        )
      )
      const seen: Array<string> = []
      const watching = yield* connected
      yield* Effect.promise(() =>
        watching.monitor((line: string) => {
          // What a script does is not told over the network.
          if (line.includes(`{${queue}}:dead`) && !line.includes(" lua] ")) seen.push(line)
        })
      )
      const { deadLetters, discard, redrive } = yield* Transport
      assert.strictEqual(yield* redrive(queue, { letter: letters[2_000] ?? "" }), 1)
      assert.strictEqual(yield* redrive(queue, { letter: letters[2_000] ?? "" }), 0, "it is gone")
      for (const letter of ["-", "+", "", "m1", `${letters[1]} `, "1-1"]) {
        assert.strictEqual(yield* discard(queue, { letter }), 0, letter)
      }
      yield* Effect.sleep("50 millis")
      assert.isFalse(
        seen.some((line) => /"X(REV)?RANGE" /.test(line)),
        seen.join("\n")
      )
      assert.strictEqual(yield* discard(queue, { fingerprint: "even" }), 1_024)
      assert.strictEqual(yield* redrive(queue, "all"), 1_025)
      assert.deepStrictEqual(yield* deadLetters(queue), [])
    }).pipe(Effect.provide(TransportRedis.layer({ url: redisUrl })), Effect.scoped)
  )

  it.live("takes messages again after the queue was lost, as by a fail-over to an empty replica", () =>
    Effect.gen(function* () {
      const queue = `redis-lost-${process.pid}`
      yield* Effect.addFinalizer(() => Effect.promise(() => deleteStreams([queue])))
      const client = yield* connected
      const { publish, subscribe } = yield* Transport
      const seen: Array<string> = []
      yield* subscribe(queue, ({ id }) =>
        Effect.as(
          Effect.sync(() => void seen.push(id)),
          ack
        )
      )
      for (const id of ["before", "after"]) {
        yield* publish({ queue, id, body: new Uint8Array() })
        yield* eventually(
          Effect.sync(() => seen.includes(id)),
          (isSeen) => isSeen
        )
        yield* Effect.promise(() => client.del(`tenon:{${queue}}`))
      }
      assert.deepStrictEqual(seen, ["before", "after"])
    }).pipe(Effect.scoped, Effect.provide(TransportRedis.layer({ url: redisUrl })))
  )

  it.live("acknowledges all that one turn has settled, also where it is more than one script can take", () =>
    Effect.gen(function* () {
      const queue = `redis-acks-${process.pid}`
      yield* Effect.addFinalizer(() => Effect.promise(() => deleteStreams([queue])))
      const client = yield* connected
      const key = `tenon:{${queue}}`
      const count = 9_000
      const message = { id: "m", body: "x", attempt: "0" }
      yield* Effect.promise(() => Promise.all(Array.from({ length: count }, () => client.xAdd(key, "*", message))))
      const all = Latch.makeUnsafe()
      let handed = 0
      const { subscribe } = yield* Transport
      yield* subscribe(
        queue,
        () => Effect.as(Effect.andThen(++handed === count ? all.open : Effect.void, all.await), ack),
        { prefetch: count }
      )
      yield* eventually(
        Effect.promise(() => client.xLen(key)),
        (left) => left === 0
      )
    }).pipe(Effect.provide(TransportRedis.layer({ url: redisUrl })), Effect.scoped)
  )
})
