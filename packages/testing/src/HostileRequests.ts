/**
 * Hostile requests to every route of an API, worked out from its own OpenAPI document: what is malformed, forged, too
 * large, another tenant's, or an injection, in every place where a request holds something. Sent to an application,
 * each must come to a typed problem or to nothing worse than an odd text that is kept as a text: see `fault`.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type Answer, NoAnswer } from "./ApiClient.ts"
import * as Hostile from "./HostileValues.ts"

/** One request, as it is sent. */
export interface HostileRequest {
  /** What is wrong with it, for messages. */
  readonly name: string
  readonly method: string
  readonly path: string
  readonly headers: { readonly [name: string]: string }
  readonly body: string | Uint8Array<ArrayBuffer> | undefined
  /** True where only a problem will do; false where what it asks for is odd, and may be allowed. */
  readonly refused: boolean
}

/** What another tenant has, which the caller has got to know of. */
export interface Foreign {
  readonly ids?: ReadonlyArray<string>
  readonly idempotencyKeys?: ReadonlyArray<string>
  readonly cursors?: ReadonlyArray<string>
}

/** Who sends them, with what. */
export interface Options {
  /** A sound token or API key of the caller. */
  readonly token: string
  /**
   * Rows of the caller's that may be changed, by the path of their collection. Without, a row is asked for that is not
   * there.
   */
  readonly rows?: { readonly [collection: string]: string }
  readonly foreign?: Foreign
  /** Paths whose actions make the row where there is none (`self: "optional"`), so that any key will do. */
  readonly makesRow?: ReadonlyArray<string>
}

const Described = Schema.Record(Schema.String, Schema.Unknown)
const Operation = Schema.Struct({
  parameters: Schema.optionalKey(
    Schema.Array(Schema.Struct({ name: Schema.String, in: Schema.Literals(["query", "path", "header"]) }))
  ),
  requestBody: Schema.optionalKey(
    Schema.Struct({
      content: Schema.Struct({
        "application/json": Schema.Struct({ schema: Described, example: Schema.optionalKey(Schema.Json) })
      })
    })
  )
})
/** The part of an OpenAPI document that is read here. */
const Document = Schema.Struct({
  paths: Schema.Record(Schema.String, Schema.Record(Schema.String, Operation)),
  components: Schema.Struct({ schemas: Schema.Record(Schema.String, Described) })
})
type Document = typeof Document.Type

/** A route and a sound request to it. */
interface Target {
  readonly method: string
  readonly path: string
  readonly query: ReadonlyArray<string>
  /** The sound body, member by member as JSON; absent where the route takes none. */
  readonly body: ReadonlyMap<string, string> | undefined
  /** All members that a body may have. */
  readonly members: ReadonlyArray<string>
}

/** Every hostile request to the routes below `/api/` of an OpenAPI document, in the order of its routes. */
export const of = (document: unknown, options: Options): ReadonlyArray<HostileRequest> => {
  const { components, paths } = Schema.decodeUnknownSync(Document)(document)
  const targets = Object.entries(paths).flatMap(([path, operations]) =>
    path.startsWith("/api/")
      ? Object.entries(operations).map(([method, each]) => targetOf(method.toUpperCase(), path, each, components))
      : []
  )
  return targets.flatMap((target) => [
    ...withoutToken(target, options),
    ...withId(target, options),
    ...withQuery(target, options),
    ...withBody(target, options),
    ...withHeaders(target, options)
  ])
}

const targetOf = (
  method: string,
  path: string,
  { parameters = [], requestBody }: typeof Operation.Type,
  components: Document["components"]
): Target => {
  const content = requestBody?.content["application/json"]
  const example = Predicate.isObject(content?.example) ? content.example : {}
  return {
    method,
    path,
    query: parameters.filter((each) => each.in === "query").map(({ name }) => name),
    body: content && new Map(Object.entries(example).map(([name, value]) => [name, JSON.stringify(value)])),
    members: content === undefined ? [] : membersOf(content.schema, components)
  }
}

const membersOf = (schema: typeof Described.Type, { schemas }: Document["components"]): ReadonlyArray<string> => {
  const { $ref, properties } = schema
  const target = Predicate.isString($ref) ? schemas[$ref.slice($ref.lastIndexOf("/") + 1)] : undefined
  if (target !== undefined) return membersOf(target, { schemas })
  return Predicate.isObject(properties) ? Object.keys(properties) : []
}

const sound = (target: Target): string | undefined => target.body && bodyOf(target.body)
const bodyOf = (members: ReadonlyMap<string, string>): string =>
  `{${[...members].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join()}}`

/** A key that no row has. */
const noKey = "no-such-row"

/** A request that would be sound, with something else in it. */
const request = (
  { rows, token }: Options,
  target: Target,
  name: string,
  refused: boolean,
  change: Partial<Pick<HostileRequest, "path" | "body" | "headers">> = {}
): HostileRequest => {
  const body = "body" in change ? change.body : sound(target)
  return {
    name,
    refused,
    method: target.method,
    path: (change.path ?? target.path).replace("{id}", () => encodeURIComponent(rows?.[collectionOf(target)] ?? noKey)),
    body,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...change.headers
    }
  }
}

const collectionOf = ({ path }: Target) => path.slice(0, path.indexOf("/{id}"))
/** Whether there is something that a sound request could be about. */
const hasRow = (target: Target, options: Options) =>
  !hasId(target) || makesRow(target, options) || options.rows?.[collectionOf(target)] !== undefined
const makesRow = ({ path }: Target, options: Options) => options.makesRow?.includes(path) === true
const hasId = ({ path }: Target) => path.includes("{id}")

const withoutToken = (target: Target, options: Options) =>
  Hostile.forgeries(options.token).map((authorization) => {
    const made = request(options, target, `the token ${authorization?.slice(0, 30) ?? "left out"}`, true)
    const { authorization: _, ...headers } = made.headers
    return { ...made, headers: authorization === undefined ? headers : { ...headers, authorization } }
  })

const withId = (target: Target, options: Options) =>
  hasId(target)
    ? [...Hostile.texts.flatMap(encoded), ...Hostile.rawSegments, ...(options.foreign?.ids ?? []).flatMap(encoded)].map(
        (id) =>
          request(options, target, `the id ${id}`, !makesRow(target, options), {
            path: target.path.replace("{id}", () => id)
          })
      )
    : []

/** Half of a pair has no form in a URL. */
const encoded = (text: string): ReadonlyArray<string> => (text.isWellFormed() ? [encodeURIComponent(text)] : [])

const withQuery = (target: Target, options: Options): ReadonlyArray<HostileRequest> => {
  if (target.method !== "GET") return []
  const ask = (query: string, refused: boolean) =>
    request(options, target, `the query ${query.slice(0, 60)}`, refused, { path: `${target.path}?${query}` })
  const { foreign = {} } = options
  const odd = [...Hostile.texts.flatMap(encoded), ...Hostile.rawSegments]
  const isList = target.query.includes("limit")
  return [
    ...odd.map((each) => ask(`${each}=1`, true)),
    ...target.query.flatMap((name) => odd.map((each) => ask(`${name}=${each}`, false))),
    ...(isList
      ? [
          ...["sort", "after", "limit"].flatMap((name) => odd.map((each) => ask(`${name}=${each}`, true))),
          ...Hostile.cursors.map((each) => ask(`after=${each}`, true)),
          ...[...Hostile.oddCursors, ...(foreign.cursors ?? [])].map((each) => ask(`after=${each}`, false)),
          ...target.query.flatMap((name) =>
            Hostile.operators.flatMap(encoded).map((each) => ask(`${name}[${each}]=x`, true))
          ),
          ...target.query.flatMap((name) => (foreign.ids ?? []).map((id) => ask(`${name}=${id}`, false)))
        ]
      : [])
  ]
}

const withBody = (target: Target, options: Options): ReadonlyArray<HostileRequest> => {
  const { body, members } = target
  if (body === undefined) return []
  const foreign = (options.foreign?.ids ?? []).map((id) => JSON.stringify(id))
  return [
    ...Hostile.brokenBodies(bodyOf(body)).map(({ name, body: broken, headers = {} }) =>
      request(options, target, `the body is ${name}`, true, { body: broken, headers })
    ),
    ...members.flatMap((member) =>
      [...Hostile.values, ...foreign].map((value) =>
        request(options, target, `${member} is ${value.slice(0, 40)}`, !hasRow(target, options), {
          body: bodyOf(new Map([...body, [member, value]]))
        })
      )
    )
  ]
}

/** What can be sent in a header at all. */
const inHeader = (text: string) => /^[\x21-\x7e\x80-\xff][\x20-\x7e\x80-\xff]*$/.test(text)

const withHeaders = (target: Target, options: Options): ReadonlyArray<HostileRequest> => {
  if (target.method !== "POST" || !hasRow(target, options)) return []
  const names = ["idempotency-key", "if-match", "x-request-id", "traceparent", "content-type", "content-encoding"]
  const say = (name: string, value: string) =>
    request(options, target, `the header ${name}: ${value.slice(0, 40)}`, false, { headers: { [name]: value } })
  return [
    ...names.flatMap((name) => Hostile.texts.filter(inHeader).map((text) => say(name, text))),
    ...["two words", "x".repeat(201)].map((key) => ({ ...say("idempotency-key", key), refused: true })),
    ...(options.foreign?.idempotencyKeys ?? []).map((key) => say("idempotency-key", key))
  ]
}

/** A body of ten million bytes to each route that takes one; apart from the others, since it takes a while to send. */
export const large = (requests: ReadonlyArray<HostileRequest>): ReadonlyArray<HostileRequest> => {
  const body = `{"x":"${"x".repeat(10_000_000)}"}`
  const seen = new Set<string>()
  return requests.flatMap((each) => {
    if (each.name !== "the body is null" || seen.has(each.path)) return []
    seen.add(each.path)
    return [{ ...each, name: "the body has 10 MB", body }]
  })
}

/** Sends a request to the application at `url`. */
export const send = (url: string, { body, headers, method, path }: HostileRequest) =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url + path, { method, headers, signal, ...(body === undefined ? {} : { body }) })
      const text = await response.text()
      return { status: response.status, headers: response.headers, body: parsed(text), text }
    },
    catch: (cause) => new NoAnswer({ message: String(cause) })
  })

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What only a server's inside knows. */
const inside = /SQLSTATE|syntax error at|\n\s+at \S+ ?\(?\S*:\d+:\d+|node_modules/

/**
 * What is wrong with an answer, where something is: no problem where one is due, one that is none, a failure of the
 * server, words of its inside, a text that was not kept as it was, or one of `secrets`, which only another tenant has.
 */
export const fault = (
  request: HostileRequest,
  answer: Answer & { readonly text: string },
  secrets: ReadonlyArray<string> = []
): string | undefined => {
  const { body, headers, status, text } = answer
  const secret = secrets.find((each) => text.includes(each))
  const problem =
    status >= 500
      ? "it is the server's failure"
      : request.refused && status < 400
        ? "it was not refused"
        : status >= 400 && !isProblem(status, headers, body)
          ? "the answer is no typed problem"
          : inside.test(text)
            ? "the answer tells of the server's inside"
            : secret !== undefined
              ? `the answer shows ${secret}`
              : status < 300 && !keepsTexts(request, body)
                ? "a text was not kept as it was sent"
                : undefined
  return (
    problem &&
    `${request.method} ${request.path.slice(0, 120)}, ${request.name}: ${problem}: ${status} ${text.slice(0, 300)}`
  )
}

const isProblem = (status: number, headers: Headers, body: unknown) =>
  headers.get("content-type") === "application/problem+json" &&
  Predicate.hasProperty(body, "tag") &&
  Predicate.isString(body.tag) &&
  Predicate.hasProperty(body, "status") &&
  body.status === status

/** Numbers and times have other spellings; a text that can be neither has none. */
const isPlainText = (value: unknown): value is string => Predicate.isString(value) && /[^\dTZeE.:+-]/.test(value)

const keepsTexts = ({ body: sent }: HostileRequest, answer: unknown) => {
  const given = Predicate.isString(sent) ? parsed(sent) : undefined
  if (!Predicate.isObject(given) || !Predicate.isObject(answer)) return true
  return Object.entries(given).every(
    ([name, value]) => !isPlainText(value) || !Predicate.hasProperty(answer, name) || answer[name] === value
  )
}
