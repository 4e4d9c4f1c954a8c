/**
 * What a careful engineer would write by hand instead: Fastify with JSON-schema validation, a verified and cached
 * token, and node-postgres with the same transaction - begin, role and tenant, statement, commit - over the same
 * tables under the same row-level security.
 *
 * Run as a process of its own: `node peerHttp.ts`, with DATABASE_URL, PORT, TOKEN_SECRET.
 */
import { randomUUID } from "node:crypto"
import fastify from "fastify"
import { createVerifier } from "fast-jwt"
import pg from "pg"

const pool = new pg.Pool({ connectionString: process.env["DATABASE_URL"], max: 10 })
const verify = createVerifier({ key: process.env["TOKEN_SECRET"] ?? "", algorithms: ["HS256"], cache: true })
const app = fastify({ logger: false })

interface Claims {
  readonly sub: string
  readonly tenant: string
  readonly roles: ReadonlyArray<string>
}

declare module "fastify" {
  interface FastifyRequest {
    claims: Claims
  }
}

app.addHook("onRequest", async (request, reply) => {
  try {
    request.claims = verify((request.headers.authorization ?? "").replace(/^Bearer /, ""))
  } catch {
    return reply.code(401).type("application/problem+json").send({ title: "Unauthenticated", status: 401 })
  }
})

const allowed = (claims: Claims, roles: ReadonlyArray<string>) => roles.some((role) => claims.roles.includes(role))

const inTenant = async (claims: Claims, name: string, text: string, values: ReadonlyArray<unknown>) => {
  const client = await pool.connect()
  try {
    await client.query("begin")
    await client.query(
      "select set_config('role', 'tenon_app', true), set_config('app.tenant_id', $1, true), set_config('app.actor_id', $2, true)",
      [claims.tenant, claims.sub]
    )
    const { rows } = await client.query({ name, text, values: [...values] })
    await client.query("commit")
    return rows
  } catch (error) {
    await client.query("rollback").catch(() => undefined)
    throw error
  } finally {
    client.release()
  }
}

const columns = `id, name, status, created_at as "createdAt"`
const part = {
  type: "object",
  required: ["name"],
  additionalProperties: false,
  properties: { name: { type: "string", minLength: 1 } }
} as const

app.post<{ Body: { name: string } }>("/api/v1/parts", { schema: { body: part } }, async (request, reply) => {
  if (!allowed(request.claims, ["editor", "admin"])) return reply.code(403).send()
  const [row] = await inTenant(
    request.claims,
    "insert",
    `insert into parts (tenant_id, id, name, status, created_at) values ($1, $2, $3, 'ACTIVE', $4)
     on conflict (tenant_id, id) do update set name = excluded.name returning ${columns}`,
    [request.claims.tenant, randomUUID(), request.body.name, new Date()]
  )
  return reply.code(201).header("location", `/api/v1/parts/${row.id}`).send(row)
})

app.get<{ Params: { id: string } }>("/api/v1/parts/:id", async (request, reply) => {
  if (!allowed(request.claims, ["viewer", "editor", "admin"])) return reply.code(403).send()
  const [row] = await inTenant(request.claims, "get", `select ${columns} from parts where tenant_id = $1 and id = $2`, [
    request.claims.tenant,
    request.params.id
  ])
  return row ?? reply.code(404).type("application/problem+json").send({ title: "NotFound", status: 404 })
})

app.get<{ Querystring: { limit?: number } }>(
  "/api/v1/parts",
  { schema: { querystring: { type: "object", properties: { limit: { type: "integer", minimum: 1, maximum: 500 } } } } },
  async (request, reply) => {
    if (!allowed(request.claims, ["viewer", "editor", "admin"])) return reply.code(403).send()
    const limit = request.query.limit ?? 50
    const items = await inTenant(
      request.claims,
      "list",
      `select ${columns} from parts where tenant_id = $1 order by id limit $2`,
      [request.claims.tenant, limit + 1]
    )
    return { items: items.slice(0, limit), next: items.length > limit ? items[limit - 1].id : undefined }
  }
)

await app.listen({ host: "127.0.0.1", port: Number(process.env["PORT"]) })
process.stdout.write("ready\n")
