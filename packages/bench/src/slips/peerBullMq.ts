/** The same three steps as a flow of BullMQ on Redis: each job waits for the one below it. */
import { type FlowJob, FlowProducer, Queue, Worker } from "bullmq"
import { activities, Ends, prefetch, type Side } from "./Side.ts"

/** Starts its workers in this process. */
export const start = async (url: string, prefix: string): Promise<Side> => {
  const ends = new Ends()
  const { hostname, port } = new URL(url)
  const connection = { host: hostname, port: Number(port || 6379) }
  const producer = new FlowProducer({ connection, prefix })
  const workers = activities.map(
    (name) =>
      new Worker(
        name,
        async ({ data }) => {
          if (data.last === true) ends.reached(data.id)
          return { amount: data.amount }
        },
        { connection, prefix, concurrency: prefetch, removeOnComplete: { count: 0 } }
      )
  )
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))
  const flow = (id: string, step: number, last: boolean): FlowJob => ({
    name: "step",
    queueName: activities[step % 3] ?? "",
    data: { id, amount: step, last },
    ...(step === 0 ? {} : { children: [flow(id, step - 1, false)] })
  })
  return {
    carryOut: async (steps) => {
      const { end, id } = ends.begin()
      await producer.add(flow(id, steps - 1, true))
      await end
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()))
      for (const name of activities) {
        const queue = new Queue(name, { connection, prefix })
        await queue.obliterate({ force: true })
        await queue.close()
      }
      await producer.close()
    }
  }
}
