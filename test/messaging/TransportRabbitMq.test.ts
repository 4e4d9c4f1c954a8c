import { ack, Transport } from "@tenon/messaging/Transport"
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportLaws from "@tenon/testing/TransportLaws"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Amqp from "amqplib"
import { deleteQueues, listens, rabbitUrl } from "../support/Brokers.ts"

/** Hands a message back to the broker until that has had enough of it. */
const handBack = async (queue: string) => {
  const connection = await Amqp.connect(rabbitUrl)
  const channel = await connection.createChannel()
  for (let left = 300; left > 0; left--) {
    const message = await channel.get(queue)
    if (message === false) break
    channel.nack(message, false, true)
  }
  await connection.close()
}

describe.skipIf(!(await listens(rabbitUrl)))("over RabbitMQ", () => {
  TransportLaws.suite("TransportRabbitMq", TransportRabbitMq.layer({ url: rabbitUrl }), deleteQueues)

  it.live("what the broker itself has set aside is grouped, dated and driven back like all else", () =>
    Effect.gen(function* () {
      const queue = `tenon.poison.${process.pid}`
      yield* Effect.addFinalizer(() => Effect.promise(() => deleteQueues([queue])))
      const { deadLetters, publish, redrive, subscribe } = yield* Transport
      yield* publish({ queue, id: "poison", body: new Uint8Array([1]) })
      yield* Effect.promise(() => handBack(queue))
      let letters = yield* deadLetters(queue)
      for (let left = 100; left > 0 && letters.length === 0; left--) {
        yield* Effect.sleep("50 millis")
        letters = yield* deadLetters(queue)
      }
      const [letter] = letters
      assert.deepInclude(letter, { id: "poison", queue, reason: "delivery-limit" })
      assert.match(letter?.fingerprint ?? "", /^[0-9a-f]{16}$/)
      assert.isBelow(Math.abs((letter?.at ?? 0) - Date.now()), 60_000)
      assert.strictEqual(yield* redrive(queue, { fingerprint: letter?.fingerprint ?? "" }), 1)
      const seen = yield* Queue.unbounded<string>()
      yield* subscribe(queue, ({ id }) => Effect.as(Queue.offer(seen, id), ack))
      assert.strictEqual(yield* Queue.take(seen), "poison")
    }).pipe(Effect.scoped, Effect.provide(TransportRabbitMq.layer({ url: rabbitUrl })))
  )
})
