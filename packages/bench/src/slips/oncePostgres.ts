/** Once, as PostgreSQL knows: an inbox and an outbox by hand, in one transaction, with node-postgres. */
import pg from "pg"
import type { Once } from "./peerRedis.ts"

const tables = `
  create table bench_inbox (id text not null, step text not null, primary key (id, step));
  create table bench_outbox (id text not null, step text not null, queue text not null, body text not null,
    primary key (id, step))`

/** Makes the tables, and forgets them with the database. */
export const make = async (url: string): Promise<{ readonly once: Once; readonly close: () => Promise<void> }> => {
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  await pool.query(tables)
  const once: Once = async ({ id, next, step }, publish, reached) => {
    const client = await pool.connect()
    try {
      await client.query("begin")
      const { rowCount } = await client.query({
        name: "inbox",
        text: "insert into bench_inbox values ($1, $2) on conflict do nothing",
        values: [id, step]
      })
      if (rowCount === 1 && next !== undefined) {
        await client.query({
          name: "outbox",
          text: "insert into bench_outbox values ($1, $2, $3, $4)",
          values: [id, step, next.queue, next.body]
        })
      }
      await client.query("commit")
    } finally {
      client.release()
    }
    if (next === undefined) return reached()
    await publish(next)
    await pool.query({ name: "sent", text: "delete from bench_outbox where id = $1 and step = $2", values: [id, step] })
  }
  return { once, close: () => pool.end() }
}
