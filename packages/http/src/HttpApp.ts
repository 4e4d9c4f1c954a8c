/** The HTTP door: the derived routes, health, metrics and documentation, served by one handler. */
import { CurrentActor } from "@tenon/core/Actor"
import { Unavailable } from "@tenon/core/Failure"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import { Interpreter } from "@tenon/core/Interpreter"
import * as Query from "@tenon/core/Query"
import { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import { RunEvents } from "@tenon/core/RunEvents"
import { RunJournal } from "@tenon/core/RunJournal"
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpServer from "effect/http/HttpServer"
import { ClientAbort } from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import { Auth } from "./Auth.ts"
import * as Cors from "./Cors.ts"
import * as Deadlines from "./Deadlines.ts"
import * as Documentation from "./Documentation.ts"
import * as Exchange from "./Exchange.ts"
import * as Health from "./Health.ts"
import { HostNeeded, MethodNotAllowed, RequestTimeout, Timeout, UnknownRoute } from "./HttpFailure.ts"
import * as HomePage from "./HomePage.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import * as HttpSpan from "./HttpSpan.ts"
import type * as OpenApi from "./OpenApi.ts"
import * as Pipeline from "./Pipeline.ts"
import * as Problem from "./Problem.ts"
import * as Reply from "./Reply.ts"
import * as Rest from "./Rest.ts"
import * as Routes from "./Routes.ts"

/** How the door is set up. */
export interface Options {
  /** What the documentation says of the API as a whole. */
  readonly info?: OpenApi.Info
  /** Bytes of a body, at most. Default 1 MiB. */
  readonly bodyLimit?: number
  /** A page of a list ends early with the row with which its values come to so many bytes. Default 8 MiB. */
  readonly pageBytes?: number
  /** Milliseconds until a request is given up. Default 30 seconds. */
  readonly timeoutMillis?: number
  /** Milliseconds between saying "not ready" and closing, for load balancers to notice. Default 0. */
  readonly drainMillis?: number
  /** Whether each request is logged. Default true. */
  readonly accessLog?: boolean
  /** Whether `/metrics` is served, to whoever reaches this port. Default true. */
  readonly metrics?: boolean
  readonly cors?: Cors.Options
  /** Further routes of the host; its own `/` takes the place of the page there. */
  readonly routes?: ReadonlyArray<Routes.Route>
  /** Run once the door begins to close: what answers without end has to end, or it keeps the server from closing. */
  readonly onClosing?: Effect.Effect<void>
}

/** Serves the interpreter's registry. */
export const layer = (
  options: Options = {}
): Layer.Layer<never, never, HttpServer.HttpServer | Interpreter | Auth | ReadinessChecks | RunEvents> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      let draining = false
      const bodyLimit = options.bodyLimit ?? 1_048_576
      const interpreter = yield* Interpreter
      const auth = yield* Auth
      const checks = yield* ReadinessChecks
      const events = yield* RunEvents
      const journal = Option.getOrUndefined(yield* Effect.serviceOption(RunJournal))
      const pageBytes = options.pageBytes ?? Query.maxBytes
      const timeoutMillis = options.timeoutMillis ?? 30_000
      const deadlines = yield* Deadlines.make(timeoutMillis)
      const { metrics = true, routes = [] } = options
      const home = HomePage.route({ info: options.info, metrics })
      const find = Routes.make([
        ...Rest.routes({ interpreter, bodyLimit, pageBytes, events, journal, draining: () => draining }),
        ...Health.routes({ checks, draining: () => draining, metrics }),
        ...Documentation.routes(interpreter.registry, options.info, routes),
        ...(routes.some(({ method, path }) => method === "GET" && path === "/") ? [] : [home]),
        ...routes
      ])
      const app = makeApp({
        auth,
        find,
        deadlines,
        timeoutMillis,
        draining: () => draining,
        accessLog: options.accessLog !== false,
        cors: options.cors
      })
      yield* HttpServer.serveEffect(app).pipe(
        Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(bodyLimit)),
        // Effect's own span would show the query, and not the route.
        Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true)
      )
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.sync(() => void (draining = true)),
          Effect.andThen(Effect.sleep(options.drainMillis ?? 0), options.onClosing ?? Effect.void)
        )
      )
    })
  )

type Find = (path: string) => Routes.Found | undefined

interface Setting {
  readonly auth: Auth["Service"]
  readonly find: Find
  readonly deadlines: Deadlines.Deadlines
  readonly timeoutMillis: number
  readonly draining: () => boolean
  readonly accessLog: boolean
  readonly cors: Cors.Options | undefined
}

const makeApp = (setting: Setting): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest> =>
  Effect.withFiber((fiber) => {
    const exchange = Exchange.make(
      Context.getUnsafe(fiber.context as Context.Context<HttpServerRequest>, HttpServerRequest)
    )
    const found = setting.find(exchange.path)
    const route = found?.methods[exchange.method === "HEAD" ? "GET" : exchange.method]
    if (route !== undefined && found !== undefined) {
      exchange.params = found.params
      exchange.route = route.path
    }
    setting.deadlines.add(exchange, fiber)
    const measure = measureOf(exchange.method, route)
    const finish = (response: HttpServerResponse.HttpServerResponse) => {
      setting.deadlines.delete(exchange)
      const seconds = (performance.now() - exchange.startedAt) / 1000
      measure(fiber.context, { status: response.status, seconds })
      const open = withCors(setting, exchange, found, response)
      // A caller that kept its connection would keep the server from closing.
      const answer = setting.draining() ? HttpServerResponse.setHeader(open, "connection", "close") : open
      return setting.accessLog
        ? Effect.as(log(exchange, answer.status, seconds, traceOf(fiber.context)), answer)
        : Effect.succeed(answer)
    }
    const answered = !namesHost(exchange)
      ? Effect.fail(new HostNeeded())
      : route === undefined
        ? unrouted(exchange, found)
        : routed(setting.auth, exchange, route)
    const turn = Pipeline.turnOf(exchange.request.source)
    return HttpSpan.around(
      exchange,
      Effect.matchCauseEffect(Effect.interruptible(turn === undefined ? answered : Effect.andThen(turn, answered)), {
        onSuccess: finish,
        onFailure: (cause) => Effect.flatMap(recover(setting, exchange, route, cause as Cause.Cause<unknown>), finish)
      })
    )
  })

/** RFC 9112, 3.2: HTTP/1.1 has one; HTTP/1.0 need not, and HTTP/2 says it in its own way. */
const namesHost = ({ headers, request }: Exchange.Exchange): boolean => {
  const { host } = headers
  if (host !== undefined) return !host.includes(",")
  return (request.source as { readonly httpVersion?: unknown }).httpVersion !== "1.1"
}

const routed = (auth: Auth["Service"], exchange: Exchange.Exchange, route: Routes.Route) => {
  if (route.open) return Effect.provideService(route.handle(exchange), CurrentActor, nobody)
  const admitted = auth.authenticate(exchange.headers)
  exchange.admitted = admitted
  return Effect.flatMap(admitted, (actor) => {
    exchange.tenantId = actor.tenantId
    exchange.actorId = actor.id
    return Effect.provideService(route.handle(exchange), CurrentActor, actor)
  })
}

/** Who asks on an open route: an actor of no tenant with no role. */
const nobody: CurrentActor["Service"] = { id: "nobody", tenantId: "", kind: "user", roles: [] }

const unrouted = (exchange: Exchange.Exchange, found: Routes.Found | undefined) => {
  if (found === undefined) return Effect.fail(new UnknownRoute())
  const allowed = allowedOf(found)
  return exchange.method === "OPTIONS"
    ? Effect.succeed(Reply.empty(exchange, 204, { allow: allowed.join(", ") }))
    : Effect.fail(new MethodNotAllowed({ allowed }))
}

const allowedOf = ({ methods }: Routes.Found): ReadonlyArray<string> => [
  ...Object.keys(methods).flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])),
  "OPTIONS"
]

/** Turns whatever went wrong into a problem. Only a bug is worth a line in the log. */
const recover = (
  setting: Setting,
  exchange: Exchange.Exchange,
  route: Routes.Route | undefined,
  cause: Cause.Cause<unknown>
) => {
  const failure = Cause.findError(cause)
  if (Result.isSuccess(failure)) {
    const response = Problem.respond(exchange, failure.success, route?.errors ?? [])
    if (response.status !== 500) return Effect.succeed(response)
  } else if (Cause.hasInterruptsOnly(cause)) {
    // Nobody hears this answer, and it was not this server that failed: 499, as Nginx and Effect count it.
    if (isAborted(cause)) return Effect.succeed(Reply.empty(exchange, 499))
    const { timeoutMillis } = setting
    const failed = exchange.timedOut ? lateness(exchange, timeoutMillis) : new Unavailable({ what: "This server" })
    return Effect.succeed(Problem.respond(exchange, failed, []))
  }
  return Effect.logError("a request met a bug", cause).pipe(
    Effect.annotateLogs({ requestId: exchange.requestId, method: exchange.method, route: exchange.route }),
    Effect.as(Problem.respondWire(exchange, ErrorBoundary.unexpected, {}))
  )
}

const lateness = ({ arriving }: Exchange.Exchange, millis: number) =>
  arriving ? new RequestTimeout({ millis }) : new Timeout({ millis })

/** Whether it was the caller who hung up. */
const isAborted = (cause: Cause.Cause<unknown>) =>
  cause.reasons.some(({ annotations }) => annotations.has(ClientAbort.key))

const withCors = (
  { cors }: Setting,
  exchange: Exchange.Exchange,
  found: Routes.Found | undefined,
  response: HttpServerResponse.HttpServerResponse
) => {
  if (cors === undefined) return response
  const headers = Cors.headersFor(cors, exchange)
  const preflight =
    found !== undefined && exchange.method === "OPTIONS" && "access-control-allow-origin" in headers
      ? Cors.preflight(cors, allowedOf(found))
      : {}
  return HttpServerResponse.setHeaders(response, { ...headers, ...preflight })
}

/** The trace that a request belongs to, where it is traced at all. */
const traceOf = (context: Context.Context<never>): string | undefined => {
  const span = Context.getOption(context, Tracer.ParentSpan)
  return Option.isSome(span) && span.value.sampled ? span.value.traceId : undefined
}

/** Neither the query nor any header: both may hold what is nobody's business. */
const log = (exchange: Exchange.Exchange, status: number, seconds: number, traceId: string | undefined) =>
  Effect.annotateLogs(Effect.logInfo("request"), {
    requestId: exchange.requestId,
    method: exchange.method,
    route: exchange.route,
    path: exchange.path,
    status,
    millis: Math.round(seconds * 100_000) / 100,
    ...(traceId === undefined ? {} : { traceId }),
    ...(exchange.tenantId === undefined ? {} : { tenant: exchange.tenantId, actor: exchange.actorId })
  })

type Measure = ReturnType<typeof HttpMetrics.answers>

const measures = new WeakMap<Routes.Route, Measure>()
const otherMeasures = new Map<string, Measure>()
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

/** The measures of a route, made once; methods that nobody knows are counted as one. */
const measureOf = (method: string, route: Routes.Route | undefined): Measure => {
  const found = route?.method === method ? measures.get(route) : undefined
  if (found !== undefined) return found
  const name = methods.has(method) ? method : "other"
  const path = route?.path ?? "unmatched"
  if (route?.method === method) {
    const fresh = HttpMetrics.answers(name, path)
    measures.set(route, fresh)
    return fresh
  }
  const other = otherMeasures.get(`${name} ${path}`) ?? HttpMetrics.answers(name, path)
  otherMeasures.set(`${name} ${path}`, other)
  return other
}
