import * as Trip from "@tenon/examples/trip/Trip"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import { afterAll } from "@effect/vitest"
import { deleteQueues, deleteStreams, listens, rabbitUrl, redisUrl } from "../support/Brokers.ts"
import { suite } from "../support/tripSuite.ts"

const prefix = `tenon-trip-${process.pid}-`
const queues = Trip.registry.activities.map(({ queue }) => queue)

afterAll(async () => {
  if (await listens(redisUrl)) await deleteStreams(queues, prefix)
  if (await listens(rabbitUrl)) await deleteQueues(queues.map((queue) => `${prefix}${queue}`))
})

suite("memory", TransportMemory.layer)
suite("Redis", TransportRedis.layer({ url: redisUrl, prefix }), await listens(redisUrl))
suite("RabbitMQ", TransportRabbitMq.layer({ url: rabbitUrl, prefix }), await listens(rabbitUrl))
