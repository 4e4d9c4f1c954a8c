/**
 * Once, as PostgreSQL knows: an inbox and an outbox by hand, with node-postgres. The row of the inbox keeps others from
 * the step while it is being done, and is committed with its outcome; the mark that it was sent may be lost.
 */
import pg from "pg"
import type { Once } from "./Once.ts"

const tables = `
  create table if not exists bench_inbox (id text not null, step text not null, primary key (id, step));
  create table if not exists bench_outbox (id text not null, step text not null, queue text not null, body text not null,
    primary key (id, step))`

/** Makes the tables, and forgets them with the database. */
export const make = async (url: string): Promise<{ readonly once: Once; readonly close: () => Promise<void> }> => {
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  const careless = new pg.Pool({ connectionString: url, max: 10, options: "-c synchronous_commit=off" })
  await pool.query(tables)
  const kept = async (id: string, step: string) => {
    const text = "select queue, body from bench_outbox where id = $1 and step = $2"
    const { rows } = await pool.query<{ readonly queue: string; readonly body: string }>({
      name: "kept",
      text,
      values: [id, step]
    })
    return rows[0]
  }
  const once: Once = async (work, publish, reached) => {
    const { id, step } = work
    const client = await pool.connect()
    let next: Awaited<ReturnType<typeof kept>>
    let isNew = false
    try {
      await client.query("begin")
      const { rowCount } = await client.query({
        name: "inbox",
        text: "insert into bench_inbox values ($1, $2) on conflict do nothing",
        values: [id, step]
      })
      isNew = rowCount === 1
      next = isNew ? work.perform() : undefined
      if (next !== undefined) {
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
    if (!isNew) next = await kept(id, step)
    if (next === undefined) return isNew ? reached() : undefined
    await publish(next)
    const text = "delete from bench_outbox where id = $1 and step = $2"
    await careless.query({ name: "sent", text, values: [id, step] })
  }
  const close = async () => {
    await pool.end()
    await careless.end()
  }
  return { once, close }
}
