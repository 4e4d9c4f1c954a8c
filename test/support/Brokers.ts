/** The message brokers of the machine, where it has any: real servers that the tests use under names of their own. */
import * as Amqp from "amqplib"
import { createClient } from "redis"

export { listens } from "@tenon/embedded/Listens"

export const redisUrl = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379"
export const rabbitUrl = process.env["RABBITMQ_URL"] ?? "amqp://guest:guest@127.0.0.1:5672"

/** Deletes what tests left on Redis. */
export const deleteStreams = async (queues: ReadonlyArray<string>, prefix = "tenon:"): Promise<void> => {
  const client = createClient({ url: redisUrl })
  await client.connect()
  await client.del(queues.flatMap((queue) => [`${prefix}{${queue}}`, `${prefix}{${queue}}:dead`]))
  client.destroy()
}

/** Deletes what tests left on RabbitMQ. */
export const deleteQueues = async (queues: ReadonlyArray<string>): Promise<void> => {
  const connection = await Amqp.connect(rabbitUrl)
  const channel = await connection.createChannel()
  for (const queue of queues.flatMap((queue) => [queue, `${queue}!dead`])) await channel.deleteQueue(queue)
  await connection.close()
}
