/**
 * Connections to real brokers are cut under load: what was confirmed arrives, and both sides come back by themselves.
 */
import { ack, Transport, type TransportError } from "@tenon/messaging/Transport"
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { deleteQueues, deleteStreams, listens, rabbitUrl, redisUrl } from "../support/Brokers.ts"
import * as CutProxy from "../support/CutProxy.ts"

const cuts = 4
const messages = 300
const prefix = `tenon-cut-${process.pid}-`
const queue = "tenon.cut"

const suite = (
  name: string,
  url: string,
  here: boolean,
  layerOf: (url: string) => Layer.Layer<Transport, TransportError>,
  cleanUp: () => Promise<void>
) =>
  it.live.skipIf(!here)(
    `${name}: nothing that was confirmed is lost when connections are cut`,
    () =>
      Effect.gen(function* () {
        const proxy = yield* CutProxy.make(url)
        yield* Effect.gen(function* () {
          const transport = yield* Transport
          const seen = new Map<string, number>()
          yield* transport.subscribe(
            queue,
            ({ id }) =>
              Effect.sleep("5 millis").pipe(
                Effect.andThen(Effect.sync(() => void seen.set(id, (seen.get(id) ?? 0) + 1))),
                Effect.as(ack)
              ),
            { prefetch: 8 }
          )
          const confirmed: Array<string> = []
          let severed = 0
          yield* Effect.forkScoped(
            Effect.repeat(
              Effect.delay(
                Effect.sync(() => void (severed += proxy.cut())),
                "250 millis"
              ),
              { times: cuts - 1 }
            )
          )
          yield* Effect.forEach(
            Array.from({ length: messages }, (_, index) => `m${index}`),
            (id) =>
              Effect.sleep("20 millis").pipe(
                Effect.andThen(transport.publish({ queue, id, body: new Uint8Array(100) })),
                Effect.map(() => void confirmed.push(id)),
                Effect.ignore
              ),
            { concurrency: 4, discard: true }
          )
          for (let left = 300; left > 0 && confirmed.some((id) => !seen.has(id)); left--)
            yield* Effect.sleep("50 millis")
          assert.deepStrictEqual(
            confirmed.filter((id) => !seen.has(id)),
            [],
            "confirmed and not handled"
          )
          assert.isAbove(severed, cuts, "connections were cut")
          assert.isAbove(confirmed.length, messages / 2)
        }).pipe(Effect.provide(layerOf(proxy.url)))
      }).pipe(Effect.scoped, Effect.ensuring(Effect.promise(cleanUp))),
    45_000
  )

describe("a transport whose connections are cut", async () => {
  const [redis, rabbit] = await Promise.all([listens(redisUrl), listens(rabbitUrl)])
  suite(
    "Redis",
    redisUrl,
    redis,
    (url) => TransportRedis.layer({ url, prefix, visibility: "1 second" }),
    () => deleteStreams([queue], prefix)
  )
  suite(
    "RabbitMQ",
    rabbitUrl,
    rabbit,
    (url) => TransportRabbitMq.layer({ url, prefix }),
    () => deleteQueues([`${prefix}${queue}`])
  )
})
