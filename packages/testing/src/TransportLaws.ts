/** What every transport has to do. Run it over your own: `TransportLaws.suite("mine", layer)`. */
import { deadLetter, type Delivery, ack, putOff, requeue, type Settlement, Transport } from "@tenon/messaging/Transport"
import { assert, layer as suiteOf } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { afterAll } from "vitest"
import { eventually } from "./Eventually.ts"

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (body: Uint8Array) => new TextDecoder().decode(body)
const used: Array<string> = []
/** A queue that no other test or run uses. */
const newQueue = (): string => {
  const queue = `tenon.laws.${process.pid}.${Date.now()}.${used.length}`
  used.push(queue)
  return queue
}

/** Publishes texts, one message each, with the texts as ids too. */
const publish = Effect.fnUntraced(function* (queue: string, ...texts: ReadonlyArray<string>) {
  const transport = yield* Transport
  yield* Effect.forEach(texts, (text) => transport.publish({ queue, id: text, body: encode(text) }), {
    concurrency: "unbounded",
    discard: true
  })
})

/** Listens and records; `answer` says what becomes of each delivery. */
const listen = Effect.fnUntraced(function* (
  queue: string,
  answer: (delivery: Delivery) => Settlement | Effect.Effect<Settlement> = () => ack,
  options?: Parameters<Transport["Service"]["subscribe"]>[2]
) {
  const transport = yield* Transport
  const seen = yield* Queue.unbounded<Delivery>()
  yield* transport.subscribe(
    queue,
    (delivery) =>
      Queue.offer(seen, delivery).pipe(
        Effect.flatMap(() => {
          const settlement = answer(delivery)
          return Effect.isEffect(settlement) ? settlement : Effect.succeed(settlement)
        })
      ),
    options
  )
  return seen
})

const texts = (deliveries: ReadonlyArray<Delivery>) => deliveries.map(({ body }) => decode(body)).toSorted()

/** The laws, as tests on the real clock. `cleanUp` is told at the end which queues there were. */
export const suite = <E>(
  name: string,
  transport: Layer.Layer<Transport, E>,
  cleanUp: (queues: ReadonlyArray<string>) => Promise<void> = async () => {}
): void => {
  afterAll(() => cleanUp(used))
  suiteOf(transport, { excludeTestServices: true, timeout: "20 seconds" })(
    `${name} keeps the laws of a transport`,
    (it) => {
      it.effect("what is published before anyone listens is handed over once each", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const all = Array.from({ length: 50 }, (_, index) => `m${index}`)
          yield* publish(queue, ...all)
          const seen = yield* listen(queue)
          assert.deepStrictEqual(texts(yield* Queue.takeN(seen, 50)), all.toSorted())
          yield* Effect.sleep("100 millis")
          assert.strictEqual(yield* Queue.size(seen), 0)
        })
      )

      it.effect("bytes, id, queue and attempt arrive as they were sent", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const body = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256)
          const { publish } = yield* Transport
          yield* publish({ queue, id: "an id: ü", body })
          const delivery = yield* Queue.take(yield* listen(queue))
          assert.deepStrictEqual(
            { ...delivery, body: Array.from(delivery.body) },
            {
              queue,
              id: "an id: ü",
              body: Array.from(body),
              attempt: 1
            }
          )
        })
      )

      it.effect("a queue's messages are shared among its subscribers and reach no other queue", () =>
        Effect.gen(function* () {
          const [queue, other] = [newQueue(), newQueue()]
          const [one, two, elsewhere] = [
            yield* listen(queue, () => Effect.as(Effect.sleep("20 millis"), ack), { prefetch: 1 }),
            yield* listen(queue, () => Effect.as(Effect.sleep("20 millis"), ack), { prefetch: 1 }),
            yield* listen(other)
          ]
          yield* publish(queue, ...Array.from({ length: 20 }, (_, index) => `m${index}`))
          const total = Effect.map(Effect.all([Queue.size(one), Queue.size(two)]), ([a, b]) => a + b)
          assert.strictEqual(yield* eventually(total, (n) => n === 20), 20)
          assert.isAbove(yield* Queue.size(one), 0)
          assert.isAbove(yield* Queue.size(two), 0)
          assert.strictEqual(yield* Queue.size(elsewhere), 0)
        })
      )

      it.effect("no more than `prefetch` messages are in hand at once", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          let now = 0
          let most = 0
          const seen = yield* listen(
            queue,
            () =>
              Effect.gen(function* () {
                most = Math.max(most, ++now)
                yield* Effect.sleep("20 millis")
                now--
                return ack
              }),
            { prefetch: 3 }
          )
          yield* publish(queue, ...Array.from({ length: 20 }, (_, index) => `m${index}`))
          yield* Queue.takeN(seen, 20)
          assert.strictEqual(most, 3)
        })
      )

      it.effect("a requeued message comes again after its delay, with its attempts counted", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const seen = yield* listen(queue, ({ attempt }) => (attempt < 3 ? requeue("30 millis") : ack))
          const started = Date.now()
          yield* publish(queue, "again")
          assert.deepStrictEqual(
            (yield* Queue.takeN(seen, 3)).map(({ attempt, body }) => [attempt, decode(body)]),
            [
              [1, "again"],
              [2, "again"],
              [3, "again"]
            ]
          )
          assert.isAtLeast(Date.now() - started, 58)
        })
      )

      it.effect("the message of a handler that dies comes again", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const seen = yield* listen(queue, ({ attempt }) => (attempt === 1 ? Effect.die(new Error("a bug")) : ack))
          yield* publish(queue, "bug")
          assert.strictEqual((yield* Queue.takeN(seen, 2)).length, 2)
        })
      )

      it.effect("a poison message is set aside once it was handed over too often", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const seen = yield* listen(queue, () => requeue(0), { maxDeliveries: 3 })
          yield* publish(queue, "poison")
          yield* Queue.takeN(seen, 3)
          const { deadLetters } = yield* Transport
          const [letter] = yield* eventually(deadLetters(queue), (found) => found.length === 1)
          assert.deepInclude(letter, { id: "poison", queue, reason: "delivery-limit" })
          assert.strictEqual(yield* Queue.size(seen), 0)
        })
      )

      it.effect("a message that is put off without blame is never set aside, however often", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          let times = 0
          const answer = ({ attempt }: Delivery) => (attempt === 1 ? requeue(0) : ++times < 8 ? putOff(0) : ack)
          const seen = yield* listen(queue, answer, { maxDeliveries: 3 })
          yield* publish(queue, "waits")
          const attempts = (yield* Queue.takeN(seen, 9)).map(({ attempt }) => attempt)
          assert.deepStrictEqual(attempts, [1, 2, 2, 2, 2, 2, 2, 2, 2])
          const { deadLetters } = yield* Transport
          assert.deepStrictEqual(yield* deadLetters(queue), [])
        })
      )

      it.effect("closing the scope lets messages in hand finish and leaves the rest to others", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const finish = yield* Deferred.make<void>()
          let finished = 0
          yield* publish(queue, "m1", "m2", "m3")
          const first = yield* Effect.scoped(
            Effect.gen(function* () {
              const seen = yield* listen(
                queue,
                () => Deferred.await(finish).pipe(Effect.andThen(Effect.sync(() => ++finished)), Effect.as(ack)),
                { prefetch: 1 }
              )
              const taken = yield* Queue.take(seen)
              yield* Effect.forkDetach(Effect.delay(Deferred.succeed(finish, undefined), "100 millis"))
              return taken
            })
          )
          assert.strictEqual(finished, 1)
          const rest = yield* Queue.takeN(yield* listen(queue), 2)
          assert.deepStrictEqual(texts([first, ...rest]), ["m1", "m2", "m3"])
        })
      )

      it.effect("a message in hand is nobody else's, however long that takes", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const seen: Array<string> = []
          // Longer than the suite's transports wait for a sign of life of who has a message.
          const slowly = ({ body }: Delivery) =>
            Effect.as(Effect.delay(Effect.void, "2500 millis"), ack).pipe(
              Effect.tap(() => Effect.sync(() => void seen.push(decode(body))))
            )
          const listeners = yield* Effect.all([listen(queue, slowly), listen(queue, slowly)])
          yield* publish(queue, "slow")
          while (seen.length === 0) yield* Effect.sleep("50 millis")
          yield* Effect.sleep("100 millis")
          const handed = yield* Effect.forEach(listeners, Queue.size)
          assert.strictEqual(
            handed.reduce((sum, count) => sum + count),
            1
          )
        }).pipe(Effect.scoped)
      )

      it.effect("what is in hand after the drain is interrupted and given back", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          yield* publish(queue, "slow")
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* Queue.take(yield* listen(queue, () => Effect.never, { drain: "50 millis" }))
            })
          )
          assert.strictEqual(decode((yield* Queue.take(yield* listen(queue))).body), "slow")
        })
      )

      it.effect("the dead letters of a queue are no messages of another, whatever that is called", () =>
        Effect.gen(function* () {
          const { deadLetters } = yield* Transport
          const queue = newQueue()
          const others = [`${queue}.dead`, `${queue}-dead`, `${queue}_dead`]
          used.push(...others)
          yield* listen(queue, () => deadLetter("refused", "no"))
          yield* publish(queue, "set aside")
          yield* eventually(deadLetters(queue), (found) => found.length === 1)
          for (const other of others) {
            yield* publish(other, "its own")
            const delivery = yield* Queue.take(yield* listen(other))
            assert.strictEqual(delivery.id, "its own")
          }
          const letters = yield* deadLetters(queue)
          assert.deepStrictEqual(
            letters.map(({ id }) => id),
            ["set aside"]
          )
        })
      )

      it.effect("what is refused again while it is driven back is not driven back once more", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const { deadLetters, redrive } = yield* Transport
          yield* listen(queue, () => deadLetter("refused", "no"))
          yield* publish(queue, ...Array.from({ length: 40 }, (_, index) => `m${index}`))
          yield* eventually(deadLetters(queue), (found) => found.length === 40)
          assert.strictEqual(yield* redrive(queue, "all"), 40)
          yield* eventually(deadLetters(queue), (found) => found.length === 40)
        })
      )

      it.effect("dead letters are found by several who look at once, and by who drives one back meanwhile", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          const { deadLetters, discard, redrive } = yield* Transport
          yield* listen(queue, ({ id }) => (id === "back" ? ack : deadLetter("refused", "no")))
          yield* publish(queue, ...Array.from({ length: 200 }, (_, index) => `m${index}`))
          const letters = yield* eventually(deadLetters(queue, 1_000), (found) => found.length === 200)
          const [first, second] = letters.map(({ letter }) => ({ letter }))
          const [found, , driven, gone] = yield* Effect.all(
            [
              deadLetters(queue, 1_000),
              deadLetters(queue, 1_000),
              Effect.delay(redrive(queue, first ?? "all"), "5 millis"),
              Effect.delay(discard(queue, second ?? "all"), "10 millis")
            ],
            { concurrency: "unbounded" }
          )
          assert.isAtLeast(found.length, 198)
          assert.deepStrictEqual([driven, gone], [1, 1])
        })
      )

      it.effect("dead letters keep reason and bytes, are grouped by cause, driven back and discarded", () =>
        Effect.gen(function* () {
          const queue = newQueue()
          let healthy = false
          const seen = yield* listen(queue, ({ id }) =>
            healthy ? ack : deadLetter(id === "odd" ? "malformed" : "refused", `row ${id} is wrong`)
          )
          yield* publish(queue, "m1", "m2", "odd")
          yield* Queue.takeN(seen, 3)
          const { deadLetters, discard, redrive } = yield* Transport
          const letters = yield* eventually(deadLetters(queue), (found) => found.length === 3)
          const byId = new Map(letters.map((letter) => [letter.id, letter]))
          assert.strictEqual(byId.get("m1")?.fingerprint, byId.get("m2")?.fingerprint)
          assert.notStrictEqual(byId.get("m1")?.fingerprint, byId.get("odd")?.fingerprint)
          assert.deepInclude(byId.get("m2"), { queue, reason: "refused", detail: "row m2 is wrong" })
          assert.strictEqual(decode(byId.get("m2")?.body ?? new Uint8Array()), "m2")
          assert.isBelow(Math.abs((byId.get("m1")?.at ?? 0) - Date.now()), 60_000)
          healthy = true
          assert.strictEqual(yield* redrive(queue, { fingerprint: byId.get("m1")?.fingerprint ?? "" }), 2)
          const again = yield* Queue.takeN(seen, 2)
          assert.deepStrictEqual(texts(again), ["m1", "m2"])
          assert.deepStrictEqual(
            again.map(({ attempt }) => attempt),
            [1, 1]
          )
          assert.strictEqual(yield* discard(queue, { letter: byId.get("odd")?.letter ?? "" }), 1)
          assert.strictEqual((yield* deadLetters(queue)).length, 0)
        })
      )
    }
  )
}
