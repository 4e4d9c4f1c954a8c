/**
 * Workers by hand on PostgreSQL, with node-postgres: one transaction takes a message, does its step and sends the next.
 */
import pg from "pg"
import * as Parcel from "./Parcel.ts"
import { activities, Ends, prefetch, type Side } from "./Side.ts"

const tables = `
  create table bench_queue (id bigint generated always as identity primary key, queue text not null, body text not null);
  create index on bench_queue (queue, id);
  create table bench_done (id text not null, step text not null, primary key (id, step))`

/** Starts them in this process; a notification wakes them. */
export const start = async (url: string): Promise<Side> => {
  const ends = new Ends()
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  await pool.query(tables)
  const send = (client: pg.Pool | pg.PoolClient, { body, queue }: Parcel.Sent) =>
    client.query({
      name: "send",
      text: "with put as (insert into bench_queue (queue, body) values ($1, $2)) select pg_notify('bench_queue', $1)",
      values: [queue, body]
    })
  /** Takes one message, if there is one. */
  const takeOne = async (queue: string): Promise<boolean> => {
    const client = await pool.connect()
    try {
      await client.query("begin")
      const { rows } = await client.query<{ readonly body: string }>({
        name: "take",
        text: `delete from bench_queue where id = (select id from bench_queue where queue = $1 order by id limit 1
          for update skip locked) returning body`,
        values: [queue]
      })
      const [row] = rows
      if (row === undefined) return (await client.query("commit"), false)
      const work = Parcel.read(row.body)
      const { rowCount } = await client.query({
        name: "done",
        text: "insert into bench_done values ($1, $2) on conflict do nothing",
        values: [work.id, work.step]
      })
      const next = rowCount === 1 ? work.perform() : undefined
      if (next !== undefined) await send(client, next)
      await client.query("commit")
      if (rowCount === 1 && next === undefined) ends.reached(work.id)
      return true
    } finally {
      client.release()
    }
  }
  const busy = new Map<string, number>()
  const look = async (queue: string): Promise<void> => {
    const count = busy.get(queue) ?? 0
    if (count >= prefetch) return
    busy.set(queue, count + 1)
    while (await takeOne(queue));
    busy.set(queue, (busy.get(queue) ?? 1) - 1)
  }
  const listener = new pg.Client({ connectionString: url })
  await listener.connect()
  listener.on("notification", ({ payload }) => void look(payload ?? ""))
  await listener.query("listen bench_queue")
  return {
    carryOut: async (steps) => {
      const { end, id } = ends.begin()
      await send(pool, Parcel.first(id, activities, steps))
      await end
    },
    close: async () => {
      await listener.end()
      await pool.end()
    }
  }
}
