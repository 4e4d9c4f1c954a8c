/**
 * Workers by hand on Redis Streams, with node-redis: a consumer group per stream, read in batches, each message
 * acknowledged and deleted once the next one is in its stream.
 */
import { createClient } from "redis"
import type { Once } from "./Once.ts"
import * as Parcel from "./Parcel.ts"
import { activities, Ends, prefetch, type Side } from "./Side.ts"

/** Starts them in this process. */
export const start = async (url: string, queue: (activity: string) => string, once: Once): Promise<Side> => {
  const ends = new Ends()
  const client = createClient({ url })
  await client.connect()
  const publish = ({ body, queue: to }: Parcel.Sent) => client.xAdd(to, "*", { body })
  const queues = activities.map(queue)
  let stopping = false
  const loops = queues.map(async (name) => {
    await client.xGroupCreate(name, "workers", "0", { MKSTREAM: true })
    const reader = createClient({ url })
    await reader.connect()
    const inHand = new Set<Promise<unknown>>()
    while (!stopping) {
      const answer = await reader.xReadGroup(
        "workers",
        "one",
        { key: name, id: ">" },
        { COUNT: prefetch - inHand.size, BLOCK: 200 }
      )
      for (const { id, message } of (answer as ReadonlyArray<{ messages: ReadonlyArray<Entry> }> | null)?.[0]
        ?.messages ?? []) {
        const work = Parcel.read(message["body"] ?? "")
        const handled = once(work, publish, () => ends.reached(work.id)).then(() =>
          client.multi().xAck(name, "workers", id).xDel(name, id).exec()
        )
        inHand.add(handled)
        void handled.then(() => inHand.delete(handled))
      }
      if (inHand.size >= prefetch) await Promise.race(inHand)
    }
    await Promise.all(inHand)
    reader.destroy()
  })
  return {
    carryOut: async (steps) => {
      const { end, id } = ends.begin()
      await publish(Parcel.first(id, queues, steps))
      await end
    },
    close: async () => {
      stopping = true
      await Promise.all(loops)
      client.destroy()
    }
  }
}

interface Entry {
  readonly id: string
  readonly message: { readonly [field: string]: string }
}
