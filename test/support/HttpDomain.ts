/** A domain with one of everything, in memory, behind the HTTP door on a port of its own; and a caller of it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as ApiKeys from "@tenon/core/ApiKeys"
import * as Field from "@tenon/core/Field"
import type { Interpreter } from "@tenon/core/Interpreter"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Tenants from "@tenon/core/Tenants"
import * as Workflow from "@tenon/core/Workflow"
import { AgentRun, ChannelBinding, ChannelDelivery, Message, Participant, Thread } from "@tenon/examples/thread/Thread"
import { Widget } from "@tenon/examples/widget/Widget"
import * as Auth from "@tenon/http/Auth"
import * as HttpApp from "@tenon/http/HttpApp"
import * as NodeServer from "@tenon/http/NodeServer"
import * as Testing from "@tenon/testing/Testing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { SignJWT } from "jose"

/** A declared failure with a field named like a member of problem details. */
export class Worn extends Schema.TaggedError<Worn>()(
  "Worn",
  { status: Schema.String, uses: Schema.Int },
  { httpStatus: 409, description: "The gadget is worn out." }
) {}

/** Rows with a secret, for a stream. */
export const Locker = Resource.make("Locker", {
  fields: { id: Field.Id, gadgetId: Schema.String, pin: Schema.String.pipe(Field.sensitive) },
  actions: (on) => ({ create: on.create({ input: { gadgetId: Schema.String, pin: Schema.String } }) })
})

/** Versioned, with a secret, a state machine, and every kind of action. */
export const Gadget = Resource.make("Gadget", {
  description: "A thing with one of everything.",
  fields: {
    id: Field.Id,
    name: Schema.NonEmptyString,
    size: Schema.Int.pipe(Field.withDefault(1)),
    pin: Schema.String.pipe(Field.sensitive),
    state: Schema.Literals(["NEW", "USED", "GONE"]).pipe(Field.withDefault("NEW")),
    note: Schema.optionalKey(Schema.String),
    tags: Schema.Array(Schema.String).pipe(Field.withDefault([])),
    version: Field.Version,
    createdAt: Field.CreatedAt
  },
  transitions: { state: { NEW: ["USED"], USED: ["GONE"] } },
  identities: { name: ["name"] },
  actions: (on) => ({
    create: on.create({
      input: { name: Schema.NonEmptyString, pin: Schema.String, size: Schema.optionalKey(Schema.Int) }
    }),
    importOld: on.create({ input: { name: Schema.NonEmptyString } }, ({ input }) => ({ ...input, pin: "0000" })),
    rename: on.update({ input: { name: Schema.NonEmptyString } }, ({ input, self }) => ({ ...self, ...input })),
    move: on.update({ input: { to: Schema.Literals(["NEW", "USED", "GONE"]) } }, ({ input, self }) => ({
      ...self,
      state: input.to
    })),
    ping: on.action({}, () => Outcome.succeed(undefined)),
    wear: on.action({ errors: [Worn], output: Schema.Struct({ left: Schema.Int }) }, () =>
      Result.fail(new Worn({ status: "broken", uses: 7 }))
    ),
    crash: on.action({ input: { secret: Schema.String } }, () => {
      throw new Error("the frobnicator is out of order")
    }),
    own: on.action({ policy: Policy.check("made it", ({ actor }) => actor.id === "ada") }, () =>
      Outcome.succeed(undefined)
    ),
    measure: on.read(
      {
        input: {
          factor: Schema.Int,
          round: Schema.optionalKey(Schema.Boolean),
          units: Schema.optionalKey(Schema.Array(Schema.String)),
          at: Schema.optionalKey(Schema.DateTimeUtc)
        },
        output: Schema.Struct({ size: Schema.Int, units: Schema.Array(Schema.String), round: Schema.Boolean })
      },
      ({ input, self }) => ({ size: self.size * input.factor, units: input.units ?? [], round: input.round ?? false })
    ),
    lockers: on.stream(
      { output: Locker.schema, from: ({ self }) => Load.many(Locker, { gadgetId: self.id }) },
      ({ row }) => row
    ),
    scrap: on.destroy({})
  })
})

export const registry = Registry.make({
  resources: [Widget, Gadget, Locker, Thread, Participant, Message, ChannelBinding, ChannelDelivery],
  workflows: [AgentRun]
})

export const secret = "a shared secret that is long enough for HS256"
export const issuer = "https://issuer.test"
export const audience = "tenon"

/** Which tokens count. */
export const jwt: Auth.Options = { jwt: { keys: { secret: Redacted.make(secret) }, issuer, audience } }

/** A token of the tenant with the roles, good for an hour. */
export const token = (
  tenantId: string,
  roles: ReadonlyArray<string>,
  change: (jwt: SignJWT) => SignJWT = (jwt) => jwt,
  key: string = secret
): Promise<string> =>
  change(
    new SignJWT({ tenant_id: tenantId, roles: [...roles] })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("ada")
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime("1h")
  ).sign(new TextEncoder().encode(key))

/** What a call came to. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any
}

/** How a call is made. */
export interface Call {
  readonly token?: string | undefined
  readonly body?: unknown
  readonly raw?: string | Uint8Array<ArrayBuffer> | undefined
  readonly headers?: { readonly [name: string]: string }
}

/** Calls the server. */
export class Api extends Context.Service<
  Api,
  {
    readonly url: string
    readonly port: number
    readonly admin: string
    readonly other: string
    /** As tenant A's admin, unless `token` says otherwise; an empty one sends none. */
    readonly call: (method: string, path: string, call?: Call) => Effect.Effect<Answer>
  }
>()("@tenon/test/Api") {}

export const fetchAnswer = async (url: string, init: RequestInit): Promise<Answer> => {
  const response = await fetch(url, init)
  const text = await response.text()
  const isJson = /[/+]json$/.test(response.headers.get("content-type")?.split(";")[0] ?? "")
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson && text !== "" ? JSON.parse(text) : undefined
  }
}

const layerApi = Layer.effect(
  Api,
  Effect.gen(function* () {
    const server = yield* HttpServer.HttpServer
    const port = (server.address as { readonly port: number }).port
    const url = `http://127.0.0.1:${port}`
    const admin = yield* Effect.promise(() => token("tenant-a", ["admin"]))
    const other = yield* Effect.promise(() => token("tenant-b", ["admin"]))
    return Api.of({
      url,
      port,
      admin,
      other,
      call: (method, path, { body, headers, raw, token = admin } = {}) =>
        Effect.promise(() =>
          fetchAnswer(url + path, {
            method,
            headers: {
              ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
              ...(body === undefined && raw === undefined ? {} : { "content-type": "application/json" }),
              ...headers
            },
            ...(raw !== undefined ? { body: raw } : body === undefined ? {} : { body: JSON.stringify(body) })
          })
        )
    })
  })
)

/** How this file's tenants stand; for tests to change. */
export const statuses = new Map<string, Tenants.Status>()

export const workflows = Workflow.layer(Workflow.implement(AgentRun, () => Effect.void))

/** A domain behind the door, on whatever it runs. */
export const layerOver = <R>(
  infrastructure: Layer.Layer<Interpreter | RunEvents | R>,
  options: HttpApp.Options = {},
  auth: Auth.Options = jwt,
  server: NodeServer.Options = {}
) =>
  Layer.mergeAll(HttpApp.layer({ accessLog: false, ...options }), layerApi).pipe(
    Layer.provideMerge(NodeHttpServer.layerServer(() => NodeServer.make(server), { port: 0, host: "127.0.0.1" })),
    Layer.provideMerge(infrastructure),
    Layer.provideMerge(Auth.layer(auth)),
    Layer.provideMerge(Layer.mergeAll(ApiKeys.layerMemory, Tenants.layerOf(statuses), ReadinessChecks.layer)),
    Layer.orDie
  )

/** Any domain in memory behind the door. */
export const layerOf = (
  domain: Registry.Registry,
  options?: HttpApp.Options,
  auth?: Auth.Options,
  server?: NodeServer.Options
) => layerOver(Testing.layer(domain, { workflows }), options, auth, server)

/** Where the isolation proof finds the door. */
export const door = Effect.map(Api, ({ admin, other, url }) => ({ url, tokenA: admin, tokenB: other }))

/** The domain in memory behind the door. */
export const layer = (options?: HttpApp.Options, auth?: Auth.Options, server?: NodeServer.Options) =>
  layerOf(registry, options, auth, server)
