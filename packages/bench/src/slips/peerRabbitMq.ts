/**
 * Workers by hand on RabbitMQ, with amqplib: the same quorum queues and prefetch. A message is acknowledged once the
 * next one is confirmed; one that cannot be sent on comes again.
 */
import * as Amqp from "amqplib"
import type { Once } from "./Once.ts"
import * as Parcel from "./Parcel.ts"
import { activities, Ends, prefetch, type Side } from "./Side.ts"

/** Starts them in this process. */
export const start = async (url: string, queue: (activity: string) => string, once: Once): Promise<Side> => {
  const ends = new Ends()
  const connection = await Amqp.connect(url, { noDelay: true })
  const publisher = await connection.createConfirmChannel()
  const publish = ({ body, queue: to }: Parcel.Sent) =>
    new Promise<void>((resolve, reject) => {
      publisher.sendToQueue(to, Buffer.from(body), { persistent: true, mandatory: true }, (error: unknown) =>
        error === null || error === undefined ? resolve() : reject(error)
      )
    })
  const queues = activities.map(queue)
  for (const name of queues) {
    const channel = await connection.createChannel()
    await channel.assertQueue(name, {
      durable: true,
      arguments: { "x-queue-type": "quorum", "x-delivery-limit": 100, "x-overflow": "reject-publish" }
    })
    await channel.prefetch(prefetch)
    await channel.consume(name, (message) => {
      if (message === null) return
      const work = Parcel.read(message.content.toString())
      once(work, publish, () => ends.reached(work.id)).then(
        () => channel.ack(message),
        () => channel.nack(message)
      )
    })
  }
  return {
    carryOut: async (steps) => {
      const { end, id } = ends.begin()
      await publish(Parcel.first(id, queues, steps))
      await end
    },
    close: () => connection.close()
  }
}
