/** Serves the derived routes: each reads its request, calls the interpreter, and lays out the answer. */
import * as Action from "@tenon/core/Action"
import { CurrentActor } from "@tenon/core/Actor"
import { type ActionFailure, InvalidInput } from "@tenon/core/Failure"
import * as Field from "@tenon/core/Field"
import type { Interpreter } from "@tenon/core/Interpreter"
import type { Executed, Request } from "@tenon/core/Invocation"
import type * as Query from "@tenon/core/Query"
import type * as Resource from "@tenon/core/Resource"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as RowMark from "@tenon/core/RowMark"
import type { RunJournal } from "@tenon/core/RunJournal"
import * as Sensitive from "@tenon/core/Sensitive"
import type { EncodedRow } from "@tenon/core/UnitOfWork"
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as EventStream from "./EventStream.ts"
import type { Exchange } from "./Exchange.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import * as Preconditions from "./Preconditions.ts"
import * as QueryString from "./QueryString.ts"
import * as Reply from "./Reply.ts"
import * as RequestBody from "./RequestBody.ts"
import * as RestEndpoint from "./RestEndpoint.ts"
import * as RunOperation from "./RunOperation.ts"
import type { Handler, Route } from "./Routes.ts"

/** What the derived routes need. */
export interface Options {
  readonly interpreter: Interpreter["Service"]
  /** Bytes of a body, at most. */
  readonly bodyLimit: number
  /** Bytes of values after which a page ends early. */
  readonly pageBytes: number
  readonly events: RunEvents["Service"]
  /** What runs have done; where there is none, nothing is known of it. */
  readonly journal: RunJournal["Service"] | undefined
  /** Whether the server is about to close. */
  readonly draining: () => boolean
}

/** The routes of the interpreter's registry. */
export const routes = (options: Options): ReadonlyArray<Route> =>
  RestEndpoint.all(options.interpreter.registry).map((endpoint) => ({
    method: endpoint.method,
    path: endpoint.path,
    errors: endpoint.action?.errors ?? [],
    open: false,
    handle: handlerOf(options, endpoint)
  }))

const handlerOf = (options: Options, endpoint: RestEndpoint.Endpoint): Handler => {
  const { action, operation, resource } = endpoint
  if (operation === "watch") return watch(options, resource)
  if (operation === "operations") return operations(options, resource)
  if (action === undefined) return operation === "list" ? list(options, resource) : find(options, resource)
  if (action.kind === "stream") return stream(options, resource, action)
  return Action.isRead(action) ? read(options, resource, action) : write(options, endpoint, action)
}

const isKey = Schema.is(Field.Identifier)

/** The key in a path. */
const keyOf = (exchange: Exchange): Result.Result<string, InvalidInput> => {
  const [given = ""] = exchange.params
  let key = given
  if (given.includes("%")) {
    try {
      key = decodeURIComponent(given)
    } catch {
      return invalidKey("is not percent-encoded UTF-8")
    }
  }
  return isKey(key) ? Result.succeed(key) : invalidKey("must be 1 to 200 characters without control characters")
}

const invalidKey = (message: string) => Result.fail(new InvalidInput({ issues: [{ path: "id", message }] }))

const list =
  ({ interpreter, pageBytes }: Options, resource: Resource.Any): Handler =>
  (exchange) => {
    const query = QueryString.list(resource, exchange.query)
    if (Result.isFailure(query)) return Effect.fail(query.failure)
    return Effect.map(interpreter.list(resource, { ...query.success, bytes: pageBytes }), (page) =>
      Reply.json(exchange, 200, { items: page.items, next: page.next ?? null }, nextLink(exchange, page))
    )
  }

/** Characters of a link, at most: clients refuse an answer of which the headers are too long. */
const longestLink = 8_192

/** RFC 8288: where the next page is. Where that is too long for a header, the body has the cursor all the same. */
const nextLink = (exchange: Exchange, { next }: Query.Page<EncodedRow>): Reply.Extra => {
  if (next === undefined) return {}
  const kept = exchange.query.split("&").filter((part) => part !== "" && !/^after(=|$)/.test(part))
  const link = `<${exchange.path}?${[...kept, `after=${encodeURIComponent(next)}`].join("&")}>; rel="next"`
  return link.length > longestLink ? {} : { link }
}

const find = ({ interpreter }: Options, resource: Resource.Any): Handler => {
  const alike = !Sensitive.dependsOnRoles(resource.schema)
  return (exchange) => {
    const key = keyOf(exchange)
    if (Result.isFailure(key)) return Effect.fail(key.failure)
    if (exchange.query !== "") return Effect.fail(noParameters(exchange))
    return Effect.map(interpreter.find(resource, key.success), (row) => {
      const mark = RowMark.of(resource, row)
      if (mark === undefined) return Reply.json(exchange, 200, row)
      return alike ? sameForAll(exchange, row, mark) : tagged(exchange, row, mark)
    })
  }
}

const watch = (options: Options, resource: Resource.Any): Handler => {
  const { field = "", until = [] } = resource.watch ?? {}
  const isOver = (row: EncodedRow) => until.includes(String(row[field]))
  return (exchange) => {
    const key = keyOf(exchange)
    if (Result.isFailure(key)) return Effect.fail(key.failure)
    if (exchange.query !== "") return Effect.fail(noParameters(exchange))
    const over = Effect.map(options.interpreter.find(resource, key.success), isOver)
    return EventStream.respond(exchange, { run: key.success, over, ...options })
  }
}

/** What a run has done. What came of each operation is the run's own and is left out. */
const operations =
  ({ interpreter, journal }: Options, resource: Resource.Any): Handler =>
  (exchange) => {
    const key = keyOf(exchange)
    if (Result.isFailure(key)) return Effect.fail(key.failure)
    if (exchange.query !== "") return Effect.fail(noParameters(exchange))
    return Effect.gen(function* () {
      // Whoever may read the row may read this.
      yield* interpreter.find(resource, key.success)
      const { tenantId } = yield* CurrentActor
      const workflow = resource.watch?.workflow.name ?? ""
      const done = yield* journal?.operations({ tenantId, workflow, key: key.success }) ?? Effect.succeed([])
      return Reply.json(exchange, 200, { items: done.map(RunOperation.of) })
    })
  }

const noParameters = (exchange: Exchange) =>
  new InvalidInput({
    issues: exchange.query
      .split("&")
      .slice(0, 50)
      .map((part) => ({ path: part.split("=", 1)[0] ?? "", message: "is not a parameter of this route" }))
  })

/** A row that everyone is shown alike, or `304` where the caller has it as it is. */
const sameForAll = (exchange: Exchange, row: EncodedRow, mark: string) => {
  const etag = Preconditions.etag(mark)
  return Preconditions.noneMatch(exchange.headers, etag)
    ? Reply.empty(exchange, 304, { etag })
    : Reply.json(exchange, 200, row, { etag })
}

/** An answer that tells of more than the row, or to some of more than to others: its tag is of its bytes. */
const tagged = (exchange: Exchange, body: unknown, mark: string) => {
  const text = JSON.stringify(body)
  const etag = Preconditions.etagOf(mark, text)
  return Preconditions.noneMatch(exchange.headers, etag)
    ? Reply.empty(exchange, 304, { etag })
    : Reply.text(exchange, "application/json", text, { etag })
}

const read = ({ interpreter }: Options, resource: Resource.Any, action: Action.Any): Handler => {
  const readInput = QueryString.inputReader(action)
  const perform = performer(interpreter, action)
  return (exchange) => {
    const key = keyOf(exchange)
    if (Result.isFailure(key)) return Effect.fail(key.failure)
    const input = readInput(exchange.query)
    if (Result.isFailure(input)) return Effect.fail(input.failure)
    const request = { resource: resource.name, action: action.name, key: key.success, input: input.success }
    return Effect.map(perform(request), ({ mark, result }) =>
      mark === undefined ? Reply.json(exchange, 200, result) : tagged(exchange, result, mark)
    )
  }
}

const utf8 = new TextEncoder()

/**
 * Newline-delimited JSON, a page at a time, as fast as the caller reads. What is refused is refused before the first
 * line; where a later page fails, the answer breaks off, so that nobody takes it for the whole.
 */
const stream = ({ interpreter }: Options, resource: Resource.Any, action: Action.Any): Handler => {
  const readInput = QueryString.inputReader(action)
  const counted = counter(action)
  return (exchange) => {
    const key = keyOf(exchange)
    if (Result.isFailure(key)) return Effect.fail(key.failure)
    const input = readInput(exchange.query)
    if (Result.isFailure(input)) return Effect.fail(input.failure)
    const request = { resource: resource.name, action: action.name, key: key.success, input: input.success }
    return Effect.map(counted(interpreter.stream(request)), (outputs) =>
      HttpServerResponse.stream(
        Stream.mapArrayEffect(outputs, (page) =>
          Effect.as(exchange.admitted, Array.of(utf8.encode(page.map((row) => `${JSON.stringify(row)}\n`).join(""))))
        ),
        { contentType: "application/x-ndjson", headers: Reply.headersOf(exchange) }
      )
    )
  }
}

const write = ({ bodyLimit, interpreter }: Options, endpoint: RestEndpoint.Endpoint, action: Action.Any): Handler => {
  const { resource } = endpoint
  const keyed = RestEndpoint.hasKey(endpoint)
  const isVoid = RestEndpoint.isVoid(action)
  const collection = RestEndpoint.collectionPath(resource)
  const perform = performer(interpreter, action)
  const conclude = (exchange: Exchange, { mark, result }: Executed) => {
    const etag = mark === undefined ? undefined : { etag: Preconditions.etag(mark) }
    if (isVoid) return Reply.empty(exchange, 204, etag)
    if (action.kind !== "create") return Reply.json(exchange, 200, result, etag)
    return Reply.json(exchange, 201, result, { ...etag, location: locationOf(collection, resource, result) })
  }
  return (exchange) => {
    const idempotencyKey = Preconditions.idempotencyKey(exchange.headers)
    if (Result.isFailure(idempotencyKey)) return Effect.fail(idempotencyKey.failure)
    const expectedVersion = Preconditions.expectedVersion(exchange.headers)
    if (Result.isFailure(expectedVersion)) return Effect.fail(expectedVersion.failure)
    if (exchange.query !== "") return Effect.fail(noParameters(exchange))
    let key: string | undefined
    if (keyed) {
      const found = keyOf(exchange)
      if (Result.isFailure(found)) return Effect.fail(found.failure)
      key = found.success
    }
    return Effect.flatMap(RequestBody.read(exchange, bodyLimit), (input) =>
      Effect.map(
        unhurt(
          perform({
            resource: resource.name,
            action: action.name,
            key,
            input,
            idempotencyKey: idempotencyKey.success,
            expectedVersion: expectedVersion.success
          })
        ),
        (executed) => conclude(exchange, executed)
      )
    )
  }
}

const locationOf = (collection: string, resource: Resource.Any, result: Schema.Json): string => {
  const key = (result as { readonly [field: string]: Schema.Json })[resource.key]
  return `${collection}/${encodeURIComponent(String(key))}`
}

/** A write that has begun is carried through in a fiber of its own, though the caller hangs up or its time is over. */
const unhurt = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), Fiber.join)

/** Performs an action and counts what came of it. */
const performer = (interpreter: Interpreter["Service"], action: Action.Any) => {
  const counted = counter(action)
  return (request: Request) => counted(interpreter.perform(request))
}

/** Counts what comes of an action. */
const counter = (action: Action.Any) => {
  const count = HttpMetrics.actions(`${action.resource}.${action.name}`)
  return <A, R>(effect: Effect.Effect<A, ActionFailure, R>): Effect.Effect<A, ActionFailure, R> =>
    Effect.matchEffect(effect, {
      onFailure: (failure) => Effect.andThen(count(failure._tag), Effect.fail(failure)),
      onSuccess: (value) => Effect.as(count("ok"), value)
    })
}
