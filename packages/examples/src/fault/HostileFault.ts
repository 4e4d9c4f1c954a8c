/**
 * Sends everything hostile to the served application, beside good load: malformed, forged and oversized requests,
 * injections, another tenant's ids, a thousand creates with one key, and calls of Restate's ingress past the door. Each
 * gets a typed problem or does what it says, and the ledger of the good load is as if nothing had happened.
 */
import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as RestEndpoint from "@tenon/http/RestEndpoint"
import * as SignedContext from "@tenon/restate/SignedContext"
import * as ApiClient from "@tenon/testing/ApiClient"
import * as Cluster from "@tenon/testing/Cluster"
import * as HostileRequests from "@tenon/testing/HostileRequests"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import { createHmac, randomBytes } from "node:crypto"
import * as App from "../app/App.ts"
import type { Options, Result } from "./Fault.ts"
import * as Ledger from "./Ledger.ts"

export const name = "bad input under load"

/** What only the good load's tenant has: its widgets are named by its workers. */
const secrets = Array.from({ length: 10 }, (_, worker) => `"w${worker}-`)

/** Runs it on servers of its own. All requests are sent, a part of them at each strike. */
export const run = (options: Options): Effect.Effect<Result> => Effect.scoped(Effect.orDie(attack(options)))

const attack = Effect.fn("HostileFault.run")(function* (options: Options) {
  const { progress, strikes } = options
  progress(`${name}: starting servers …`)
  const { application, restate } = yield* Cluster.make({ command: options.command, environment: tokens })
  const { keys, url } = yield* application.start
  const good = { url, key: keys["acme"]?.["admin"] ?? "" }
  const ledger = yield* Ledger.open(good)
  const hostile = yield* requests(url, good.key, keys["globex"]?.["admin"] ?? "", ledger)
  const load = yield* Effect.forkChild(Ledger.load(ledger, good))
  const problems: Array<string> = []
  for (let strike = 0; strike < strikes; strike++) {
    const part = hostile.filter((_, index) => index % strikes === strike)
    const found = yield* Effect.forEach(part, (each) => judged(url, each), { concurrency: 8 })
    problems.push(...found.flat())
    problems.push(...(yield* direct(restate.ingressUrl)))
    problems.push(...(yield* stale(url)))
    problems.push(...(yield* thousand(url, keys["globex"]?.["admin"] ?? "", `thousand-${strike}`)))
    progress(`  strike ${strike + 1} of ${strikes}: ${part.length} hostile requests, ${ledger.accepted.size} good ones`)
  }
  ledger.closing = true
  yield* Fiber.join(load).pipe(Effect.timeout("90 seconds"))
  progress(`  ${ledger.accepted.size} accepted; comparing with the database …`)
  const lost = yield* Ledger.audit(ledger, ApiClient.make(url, good.key)).pipe(
    Effect.repeat({ schedule: Schedule.spaced("1 second"), times: 60, until: (found) => found.length === 0 })
  )
  const all = [...problems, ...lost]
  const result: Result = {
    scenario: name,
    ok: all.length === 0,
    accepted: ledger.accepted.size,
    faults: hostile.length,
    problems: all.slice(0, 10)
  }
  progress(`  ${result.ok ? "ok: all refused or harmless, nothing lost, nothing shown" : `FAIL: ${all.join("\n")}`}`)
  return result
})

/** Here a key that no row has is a new one. */
const makesRow = RestEndpoint.all(App.registry).flatMap(({ action, path }) =>
  action?.self === "optional" ? [path] : []
)

/**
 * Those of another tenant, which knows ids of the good one's; and with the good one's own token, what must be refused.
 */
const requests = Effect.fnUntraced(function* (url: string, good: string, other: string, ledger: Ledger.Ledger) {
  const { body: document } = yield* ApiClient.make(url, good).send("GET", "/openapi.json")
  const ids = [ledger.threadId, ledger.participantId]
  const theirs = HostileRequests.of(document, {
    token: other,
    foreign: { ids, idempotencyKeys: ["widget:w0-0"] },
    makesRow
  })
  const own = HostileRequests.of(document, { token: good, makesRow }).filter(({ refused }) => refused)
  return [...theirs, ...own, ...HostileRequests.large(own)]
})

/** Too much at once may be told to come again, and does. */
const judged = (url: string, request: HostileRequests.HostileRequest) =>
  HostileRequests.send(url, request).pipe(
    Effect.timeout("30 seconds"),
    Effect.repeat({ while: ({ status }) => status === 503, schedule: Schedule.spaced("1 second"), times: 10 }),
    Effect.match({
      onFailure: ({ message }) => [`${request.method} ${request.path}, ${request.name}: ${message}`],
      onSuccess: (answer) => HostileRequests.fault(request, answer, secrets) ?? []
    })
  )

/** The tokens that the application accepts, besides its API keys. */
const tokens = { JWT_SECRET: randomBytes(32).toString("hex"), JWT_ISSUER: "fault", JWT_AUDIENCE: "fault" }

/** A JSON Web Token (RFC 7519) of the good load's tenant, which holds for so many seconds from now. */
const token = (seconds: number, secret: string) => {
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const exp = Math.floor(Date.now() / 1000) + seconds
  const claims = { iss: "fault", aud: "fault", sub: "nobody", tenant_id: "acme", roles: ["admin"], exp }
  const signed = `${encoded({ alg: "HS256" })}.${encoded(claims)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

/** Sends a token that has run out, one that another has signed, and a good one, so that these are not merely absurd. */
const stale = Effect.fnUntraced(function* (url: string) {
  const statuses = yield* Effect.forEach(
    [token(60, tokens.JWT_SECRET), token(-60, tokens.JWT_SECRET), token(60, "another secret, as long as it has to be")],
    (each) => Effect.map(ApiClient.make(url, each).send("GET", "/api/v1/widgets?limit=1"), ({ status }) => status)
  )
  const [wanted, found] = ["200, 401, 401", statuses.join(", ")]
  return wanted === found ? [] : [`tokens that are good, stale and forged were answered ${found}`]
})

/** Calls a handler past the door: without a context, and with one that another key has signed. */
const direct = Effect.fnUntraced(function* (ingressUrl: string) {
  const target = { service: "Widget", handler: "create", key: "acme/direct" }
  const body = new TextEncoder().encode(JSON.stringify({ name: "direct" }))
  const at = Date.now()
  const forged = SignedContext.sign(
    ContextKeys.random("development"),
    {
      id: SignedContext.newId(),
      actor: { id: "nobody", tenantId: "acme", kind: "user", roles: ["admin"] },
      origin: "door",
      at,
      expires: at + 60_000
    },
    target,
    body
  )
  const call = (headers: { readonly [name: string]: string }, way = "") =>
    Effect.promise(async () => {
      const path = `${ingressUrl}/${target.service}/${encodeURIComponent(target.key)}/${target.handler}${way}`
      const answer = await fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body
      })
      return { status: answer.status, text: await answer.text() }
    })
  const answers = yield* Effect.all([call({}), call({ [SignedContext.header]: forged })])
  // What nobody waits for is accepted by Restate and refused by the handler: the ledger knows of no such widget.
  yield* call({}, "/send")
  return answers.flatMap(({ status, text }) =>
    status === 401 ? [] : [`a direct call of Restate's ingress was answered ${status} ${text}`]
  )
})

/** A thousand creates at once with one key: one row, which every answer gives that does not say to come again. */
const thousand = Effect.fnUntraced(function* (url: string, key: string, widget: string) {
  const client = ApiClient.make(url, key)
  const create = client.send("POST", "/api/v1/widgets", {
    body: { name: widget },
    headers: { "idempotency-key": widget }
  })
  const answers = yield* Effect.all(
    Array.from({ length: 1_000 }, () => create),
    { concurrency: "unbounded" }
  )
  const made = new Set(answers.filter(({ status }) => status === 201).map(({ body }) => JSON.stringify(body)))
  const { body: page } = yield* client.send("GET", `/api/v1/widgets?name=${widget}`)
  const rows = Predicate.hasProperty(page, "items") && Array.isArray(page.items) ? page.items.length : 0
  const others = answers.filter(({ status }) => status !== 201).map(({ body, status }) => `${status} ${tagOf(body)}`)
  return [
    ...(rows === 1 && made.size === 1 ? [] : [`${widget}: ${rows} rows and ${made.size} different answers`]),
    ...new Set(others.filter((each) => each !== "503 Unavailable").map((each) => `${widget}: ${each}`))
  ]
})

const tagOf = (body: unknown) => (Predicate.hasProperty(body, "tag") ? String(body.tag) : "without a tag")
