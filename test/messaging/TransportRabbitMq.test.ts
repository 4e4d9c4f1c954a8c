import { ack, requeue, Transport } from "@tenon/messaging/Transport"
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportLaws from "@tenon/testing/TransportLaws"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Amqp from "amqplib"
import { deleteQueues, listens, rabbitUrl } from "../support/Brokers.ts"
import { tenon } from "../support/TenonInProcess.ts"

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

/** Whether the broker has a queue, without making one. */
const isThere = async (queue: string) => {
  const connection = await Amqp.connect(rabbitUrl)
  const channel = await connection.createChannel()
  channel.on("error", () => {})
  const found = await channel.checkQueue(queue).then(
    () => true,
    () => false
  )
  await connection.close()
  return found
}

/** Makes a queue that is none of ours. */
const makeClassic = async (queue: string) => {
  const connection = await Amqp.connect(rabbitUrl)
  await (await connection.createChannel()).assertQueue(queue, { durable: true })
  await connection.close()
}

/** Makes so many dead letters, of which the last but one is unlike the others. */
const fillDead = async (queue: string, count: number) => {
  const connection = await Amqp.connect(rabbitUrl)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(`${queue}!dead`, { durable: true })
  for (let index = 0; index < count; index++) {
    const headers = { "tenon-letter": `l${index}`, "tenon-fingerprint": index === count - 2 ? "rare" : "common" }
    channel.sendToQueue(`${queue}!dead`, Buffer.from("x"), { messageId: `m${index}`, headers })
  }
  await channel.waitForConfirms()
  await connection.close()
}

describe.skipIf(!(await listens(rabbitUrl)))("over RabbitMQ", () => {
  TransportLaws.suite("TransportRabbitMq", TransportRabbitMq.layer({ url: rabbitUrl }), deleteQueues)

  it.live("a message that is put back comes again behind those that wait", () =>
    Effect.gen(function* () {
      const queue = `tenon.behind.${process.pid}`
      yield* Effect.addFinalizer(() => Effect.promise(() => deleteQueues([queue])))
      const { publish, subscribe } = yield* Transport
      const seen = yield* Queue.unbounded<string>()
      yield* Effect.forEach(["poison", "food", "more"], (id) => publish({ queue, id, body: new Uint8Array([1]) }))
      yield* subscribe(
        queue,
        ({ attempt, id }) =>
          Effect.as(
            Queue.offer(seen, `${id} ${attempt}`),
            id === "poison" && attempt < 3 ? requeue("100 millis") : ack
          ),
        { prefetch: 1 }
      )
      assert.deepStrictEqual(yield* Queue.takeN(seen, 5), ["poison 1", "food 1", "more 1", "poison 2", "poison 3"])
    }).pipe(Effect.scoped, Effect.provide(TransportRabbitMq.layer({ url: rabbitUrl })))
  )

  it.live(
    "a queue that someone else has made in another way harms no message of other queues",
    () =>
      Effect.gen(function* () {
        const [foreign, queue] = [`tenon.foreign.${process.pid}`, `tenon.own.${process.pid}`]
        yield* Effect.addFinalizer(() => Effect.promise(() => deleteQueues([foreign, queue])))
        yield* Effect.promise(() => makeClassic(foreign))
        const { publish, subscribe } = yield* Transport
        const seen = yield* Queue.unbounded<string>()
        yield* publish({ queue, id: "slow", body: new Uint8Array([1]) })
        yield* subscribe(queue, ({ attempt, id }) =>
          Effect.as(Effect.andThen(Queue.offer(seen, `${id} ${attempt}`), Effect.sleep("7 seconds")), ack)
        )
        assert.strictEqual(yield* Queue.take(seen), "slow 1")
        const refused = yield* Effect.flip(publish({ queue: foreign, id: "m", body: new Uint8Array([1]) }))
        assert.include(refused.reason, "PRECONDITION_FAILED")
        yield* Effect.sleep("2 seconds")
        assert.deepStrictEqual(yield* Queue.clear(seen), [], "it was not handed over again")
      }).pipe(Effect.scoped, Effect.provide(TransportRabbitMq.layer({ url: rabbitUrl }))),
    30_000
  )

  it.live("looking at a queue that is not there makes none, and says so", () =>
    Effect.gen(function* () {
      const queue = `tenon.typo.${process.pid}`
      yield* Effect.addFinalizer(() => Effect.promise(() => deleteQueues([queue])))
      const { deadLetters, discard, exists, publish, redrive } = yield* Transport
      assert.deepStrictEqual(yield* deadLetters(queue), [])
      assert.strictEqual(yield* redrive(queue, "all"), 0)
      assert.strictEqual(yield* discard(queue, "all"), 0)
      assert.isFalse(yield* Effect.promise(() => isThere(queue)))
      assert.isFalse(yield* Effect.promise(() => isThere(`${queue}!dead`)))
      assert.isFalse(yield* exists(queue))
      yield* publish({ queue, id: "one", body: new Uint8Array([1]) })
      assert.isTrue(yield* exists(queue))
      assert.deepStrictEqual(yield* deadLetters(queue), [])
    }).pipe(Effect.scoped, Effect.provide(TransportRabbitMq.layer({ url: rabbitUrl })))
  )

  it.live("`tenon slip dead-letters` says of a queue that it is not there", () =>
    Effect.gen(function* () {
      const queue = `tenon.typo.${process.pid}`
      for (const args of [["list"], ["redrive", "--all"], ["discard", "--all"]]) {
        const answer = yield* tenon(["slip", "dead-letters", ...args, queue], {
          TRANSPORT: "rabbitmq",
          RABBITMQ_URL: rabbitUrl
        })
        assert.deepStrictEqual(answer, { code: 1, stdout: "", stderr: `There is no queue ${queue} at the broker.\n` })
      }
      assert.isFalse(yield* Effect.promise(() => isThere(queue)))
    })
  )

  it.live(
    "a dead letter is driven back, and one is thrown away, however many there are before it, and whoever else looks",
    () =>
      Effect.gen(function* () {
        const queue = `tenon.many.${process.pid}`
        yield* Effect.addFinalizer(() => Effect.promise(() => deleteQueues([queue])))
        const { deadLetters, discard, redrive } = yield* Transport
        yield* Effect.promise(() => fillDead(queue, 10_010))
        const other = Context.get(
          yield* Layer.build(Layer.fresh(TransportRabbitMq.layer({ url: rabbitUrl }))),
          Transport
        )
        const [, driven] = yield* Effect.all(
          [other.deadLetters(queue, 1_000), Effect.delay(redrive(queue, { letter: "l10009" }), "20 millis")],
          { concurrency: 2 }
        )
        assert.strictEqual(driven, 1)
        assert.strictEqual(yield* discard(queue, { fingerprint: "rare" }), 1)
        assert.strictEqual((yield* deadLetters(queue, 20_000)).length, 10_008)
      }).pipe(Effect.provide(TransportRabbitMq.layer({ url: rabbitUrl })), Effect.scoped),
    60_000
  )

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
