import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import { afterAll, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { deleteQueues, deleteStreams, listens, rabbitUrl, redisUrl } from "../support/Brokers.ts"
import { queue, suite } from "../support/hungSuite.ts"

const prefix = `tenon-hung-${process.pid}-`

describe.concurrent("a broker that hangs", async () => {
  const [redis, rabbit] = await Promise.all([listens(redisUrl), listens(rabbitUrl)])
  suite("Redis", redis, Effect.succeed({ url: redisUrl, layerOf: (url) => TransportRedis.layer({ url, prefix }) }))
  suite(
    "RabbitMQ",
    rabbit,
    Effect.succeed({ url: rabbitUrl, layerOf: (url) => TransportRabbitMq.layer({ url, prefix }) })
  )
  afterAll(async () => {
    if (redis) await deleteStreams([queue], prefix)
    if (rabbit) await deleteQueues([`${prefix}${queue}`])
  })
})
