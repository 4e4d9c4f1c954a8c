/**
 * A durable create by hand: one Restate object whose one step does the same SQL, and which only its Restate may call.
 * Run as a process of its own:
 * `node peerRestate.ts`, with DATABASE_URL, PORT and RESTATE_IDENTITY_KEY.
 */
import { createServer } from "node:http2"
import * as restate from "@restatedev/restate-sdk"
import pg from "pg"

const pool = new pg.Pool({ connectionString: process.env["DATABASE_URL"], max: 10 })

const insert = async (tenant: string, id: string, name: string) => {
  const client = await pool.connect()
  try {
    await client.query("begin")
    await client.query("select set_config('role', 'tenon_app', true), set_config('app.tenant_id', $1, true)", [tenant])
    const { rows } = await client.query({
      name: "insert",
      text: `insert into tasks (tenant_id, id, name, status, created_at) values ($1, $2, $3, 'ACTIVE', $4)
             on conflict (tenant_id, id) do update set name = excluded.name
             returning id, name, status, created_at as "createdAt"`,
      values: [tenant, id, name, new Date()]
    })
    await client.query("commit")
    return rows[0]
  } catch (error) {
    await client.query("rollback").catch(() => undefined)
    throw error
  } finally {
    client.release()
  }
}

const task = restate.object({
  name: "PeerTask",
  handlers: {
    create: async (context: restate.ObjectContext, input: { readonly tenant: string; readonly name: string }) =>
      context.run("create", () => insert(input.tenant, context.key, input.name))
  }
})

const handler = restate.createEndpointHandler({
  services: [task],
  identityKeys: [process.env["RESTATE_IDENTITY_KEY"] ?? ""],
  logger: () => undefined
})
createServer(handler).listen(Number(process.env["PORT"]), "127.0.0.1", () => process.stdout.write("ready\n"))
