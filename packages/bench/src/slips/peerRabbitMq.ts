/** Workers by hand on RabbitMQ, with amqplib: the same quorum queues, confirms and acknowledgements. */
import * as Amqp from "amqplib"
import * as Parcel from "./Parcel.ts"
import { activities, Ends, prefetch, type Side } from "./Side.ts"

/** Starts them in this process. `once` says whether a step is new; by default as far as this process knows. */
export const start = async (url: string, queue: (activity: string) => string): Promise<Side> => {
  const ends = new Ends()
  const seen = new Parcel.Seen()
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
      const handle = async () => {
        const work = Parcel.perform(message.content.toString())
        if (seen.add(work)) {
          if (work.next === undefined) ends.reached(work.id)
          else await publish(work.next)
        }
        channel.ack(message)
      }
      void handle()
    })
  }
  return {
    carryOut: async (steps) => {
      const { end, id } = ends.begin()
      await publish(
        Parcel.first(
          id,
          Array.from({ length: steps }, (_, step) => queues[step % 3] ?? "")
        )
      )
      await end
    },
    close: () => connection.close()
  }
}
