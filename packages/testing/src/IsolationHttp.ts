/** What the isolation proof tries over HTTP, with tenant A's token, against a server that has the same store. */
import * as Query from "@tenon/core/Query"
import * as RowMark from "@tenon/core/RowMark"
import * as RestEndpoint from "@tenon/http/RestEndpoint"
import * as Effect from "effect/Effect"
import * as ApiClient from "./ApiClient.ts"
import * as Data from "./IsolationData.ts"
import { sides, type World } from "./IsolationDoors.ts"
import type { Attempt } from "./IsolationLedger.ts"

/** A server and a token, or an API key, for each tenant. */
export interface Server {
  readonly url: string
  readonly tokenA: string
  readonly tokenB: string
}

/** A key that B has used at a route. */
interface Used {
  readonly path: string
  readonly headers: { readonly "idempotency-key": string }
  readonly input: object
  /** What B got, where another execution would get something else. */
  readonly answer: string | undefined
}

const newId = /[0-9a-f]{8}-[0-9a-f]{4}-7/

/** Has B do every action that writes, with an idempotency key. */
export const useKeys = Effect.fnUntraced(function* (world: World, server: Server) {
  const { b, data, registry } = world
  const client = ApiClient.make(server.url, server.tokenB)
  const used: Array<Used> = []
  for (const { action, method, path, resource } of RestEndpoint.all(registry)) {
    if (method !== "POST" || action === undefined || !resource.tenantScoped) continue
    const input = yield* data.input(b, action, Data.firstKey(registry, b))
    const headers = { "idempotency-key": data.mark(b) }
    const key = Data.keyOf(resource, yield* data.saved(b, resource))
    const sent = yield* client.send(method, path.replace("{id}", encodeURIComponent(key)), { body: input, headers })
    const text = JSON.stringify(telling(sent))
    used.push({ path, headers, input, answer: sent.status < 300 && newId.test(text) ? text : undefined })
  }
  return used
})

/** Every route of the registry. */
export const routes = Effect.fnUntraced(function* (world: World, server: Server, used: ReadonlyArray<Used>) {
  const forged = `${server.tokenA.slice(0, -6)}AAAAAA`
  const [mine, theirs, stranger] = [server.tokenA, server.tokenB, forged].map((token) =>
    ApiClient.make(server.url, token)
  )
  if (mine === undefined || theirs === undefined || stranger === undefined) return
  for (const endpoint of RestEndpoint.all(world.registry)) {
    const ofRoute = used.filter(({ path }) => path === endpoint.path && endpoint.method === "POST")
    if (endpoint.resource.tenantScoped) yield* route(world, endpoint, { mine, theirs, stranger }, ofRoute)
  }
})

interface Clients {
  readonly mine: ApiClient.ApiClient
  readonly theirs: ApiClient.ApiClient
  readonly stranger: ApiClient.ApiClient
}

/** What tells one answer from another. */
const telling = ({ body, headers, status }: ApiClient.Answer) => ({ status, etag: headers.get("etag"), body })

const parameters = (values: { readonly [name: string]: unknown }) => {
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value))
  const all = Object.entries(values).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(text(value))}`
  )
  return all.length === 0 ? "" : `?${all.join("&")}`
}

const route = Effect.fnUntraced(function* (
  world: World,
  endpoint: RestEndpoint.Endpoint,
  clients: Clients,
  used: ReadonlyArray<Used>
) {
  const { a, b, data, ledger, registry, store } = world
  const { mine, stranger, theirs } = clients
  const { action, method, path, resource } = endpoint
  const { theirKey, theirs: theirRow } = sides(world, resource)
  const attempt = (what: string): Attempt => ({
    door: "http",
    resource: resource.name,
    what: `${method} ${path} ${what}`
  })
  const send = (client: ApiClient.ApiClient, at: string, extra?: ApiClient.Extra) =>
    Effect.map(client.send(method, at, extra), telling)
  const statusOf = (value: unknown) => (value as { readonly status?: number } | undefined)?.status ?? 0
  const input = action === undefined ? {} : yield* data.input(a, action, Data.firstKey(registry, a))
  const body = method === "POST" ? { body: input } : {}
  const query = method === "GET" && action !== undefined ? parameters(input) : ""
  const to = (key: string) => path.replace("{id}", encodeURIComponent(key)) + query

  if (endpoint.operation === "list") {
    const cursor = (yield* theirs.send(method, `${path}?limit=1`)).body as { readonly next?: string } | undefined
    const lists: ReadonlyArray<{ readonly [name: string]: string }> = [
      { limit: "500" },
      ...(typeof cursor?.next === "string" ? [{ after: cursor.next }] : []),
      ...Query.queryable(resource).flatMap(({ field }) =>
        ["eq", "ne", "in"].map((operator) => ({
          [`${field}[${operator}]`]: String(theirRow[field] ?? ""),
          limit: "500"
        }))
      )
    ]
    for (const each of lists) {
      // A cursor holds B's key, and whoever presents one knows it.
      const known = each["after"] === undefined ? each : [each, theirKey]
      yield* ledger.ask(attempt(JSON.stringify(each)), known, send(mine, path + parameters(each)))
    }
  }

  const at = to(theirKey)
  for (const [what, client, extra] of [
    ["with a forged token", stranger, {}],
    ["without a token", stranger, { headers: { authorization: "" } }]
  ] as const) {
    const answer = yield* ledger.write(attempt(what), at, send(client, at, { ...body, ...extra }))
    if (statusOf(answer.value) !== 401) ledger.breach(attempt(what), `is not refused: ${answer.text}`)
  }

  if (RestEndpoint.hasKey(endpoint)) {
    const { tenantId } = b.actor
    const tag = `"${RowMark.of(resource, theirRow) ?? 1}"`
    const pretences: ReadonlyArray<readonly [string, { readonly [name: string]: string }]> = [
      ["on B's key", {}],
      [
        "on B's key with B's tenant in headers",
        { "x-tenant-id": tenantId, "tenant-id": tenantId, "x-tenon-tenant": tenantId }
      ],
      ["on B's key as known", { "if-none-match": tag }],
      ["on B's key as it stands", { "if-match": tag }]
    ]
    for (const [what, headers] of pretences) {
      if (action === undefined || action.self === "required") {
        const answer = yield* ledger.blind(
          attempt(what),
          theirKey,
          (key) => send(mine, to(key), { ...body, headers }),
          input
        )
        if (statusOf(answer.value) < 400) ledger.breach(attempt(what), `succeeds: ${answer.text}`)
      } else {
        yield* ledger.write(attempt(what), [at, input], send(mine, at, { ...body, headers }))
        yield* ledger.write(attempt("and remove it"), at, store.remove(a.actor, resource, theirKey))
      }
    }
  }

  for (const { answer: theirAnswer, headers, input: theirInput } of used) {
    ledger.tell(theirInput)
    for (const [what, given] of [
      ["and another body", input],
      ["and its body", theirInput]
    ] as const) {
      const where = attempt(`with B's idempotency key ${what}`)
      const key = Data.keyOf(resource, yield* data.saved(a, resource))
      const answer = yield* ledger.write(where, [given, headers], send(mine, to(key), { body: given, headers }))
      // The second meets the receipt of the first, which is A's own.
      const isFirst = given === input
      if (isFirst && answer.text.includes("IdempotencyKeyReused")) ledger.breach(where, "is told that the key was used")
      if (answer.text === theirAnswer) ledger.breach(where, `gets B's answer: ${answer.text}`)
    }
  }
})
