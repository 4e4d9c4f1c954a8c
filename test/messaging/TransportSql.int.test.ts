import { ack, Transport } from "@tenon/messaging/Transport"
import * as TransportLaws from "@tenon/testing/TransportLaws"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scratch from "../support/ScratchDatabase.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipTransport from "../support/SlipTransport.ts"

TransportLaws.suite(
  "TransportSql",
  Layer.unwrap(
    Effect.map(SlipDatabase.make, ({ roles, url }) => SlipTransport.over(url, roles, { visibility: "1 second" }))
  )
)

const body = new Uint8Array([1])
const rows = (database: { readonly url: string }, ...statements: ReadonlyArray<string>) =>
  Scratch.run(...statements).pipe(Effect.provide(Scratch.clientOf(new URL(database.url).pathname.slice(1))))

describe("queues on PostgreSQL", () => {
  it.live("wake a subscriber of another process long before it would look, also after the listener was cut", () =>
    Effect.gen(function* () {
      const database = yield* SlipDatabase.make
      const connect = Effect.map(
        Layer.build(SlipTransport.over(database.url, database.roles, { poll: "1 minute" })),
        Context.get(Transport)
      )
      const [here, there] = [yield* connect, yield* connect]
      const seen = yield* Queue.unbounded<string>()
      yield* there.subscribe("q", ({ id }) => Effect.as(Queue.offer(seen, id), ack))
      yield* Effect.sleep("300 millis")
      yield* here.publish({ queue: "q", id: "one", body })
      assert.strictEqual(yield* Effect.timeout(Queue.take(seen), "5 seconds"), "one")
      yield* rows(
        database,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tenon-listen'"
      )
      // Heard by nobody: it is found when the listener is back.
      yield* here.publish({ queue: "q", id: "two", body })
      assert.strictEqual(yield* Effect.timeout(Queue.take(seen), "10 seconds"), "two")
    }).pipe(Effect.scoped)
  )

  it.live("fence off a subscriber that has lost its lease", () =>
    Effect.gen(function* () {
      const database = yield* SlipDatabase.make
      const { deadLetters, publish, subscribe } = yield* Effect.map(
        Layer.build(SlipTransport.over(database.url, database.roles, { visibility: "1 hour", poll: "100 millis" })),
        Context.get(Transport)
      )
      const attempts = yield* Queue.unbounded<number>()
      yield* subscribe("q", ({ attempt }) =>
        Queue.offer(attempts, attempt).pipe(
          Effect.andThen(Effect.sleep(attempt === 1 ? "600 millis" : "1500 millis")),
          Effect.as(attempt === 1 ? { _tag: "DeadLetter", reason: "late", detail: "too late" } : ack)
        )
      )
      yield* publish({ queue: "q", id: "one", body })
      assert.strictEqual(yield* Queue.take(attempts), 1)
      // As if the first had been silent for an hour.
      yield* rows(database, "update tenon.queue_messages set ready_at = now()")
      assert.strictEqual(yield* Queue.take(attempts), 2)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(yield* deadLetters("q"), [], "what the first says is ignored")
      const held = yield* rows(database, "select token::int from tenon.queue_messages")
      assert.deepStrictEqual(held, [{ token: 2 }])
      yield* Effect.sleep("1500 millis")
      assert.deepStrictEqual(yield* rows(database, "select token::int from tenon.queue_messages"), [])
    }).pipe(Effect.scoped)
  )

  it.live("are not for the application's role", () =>
    Effect.gen(function* () {
      const database = yield* SlipDatabase.make
      const name = new URL(database.url).pathname.slice(1)
      for (const table of ["queue_messages", "dead_letters"]) {
        const denied = yield* Scratch.sqlState(
          Scratch.as(database.roles.appRole, "tenant-a", `select * from tenon.${table}`)
        ).pipe(Effect.provide(Scratch.clientOf(name)))
        assert.strictEqual(denied, "42501")
      }
    }).pipe(Effect.scoped)
  )
})
