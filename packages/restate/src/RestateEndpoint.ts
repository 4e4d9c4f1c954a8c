/**
 * Serves the handlers of a registry to Restate over HTTP/2: one service per resource and per workflow. Any number of
 * replicas may serve the same registry; they share nothing but the store.
 */
import * as NodeHttp2 from "node:http2"
import type * as NodeNet from "node:net"
import * as restate from "@restatedev/restate-sdk"
import { Executor } from "@tenon/core/Executor"
import { RunJournal } from "@tenon/core/RunJournal"
import { Runtime } from "@tenon/core/Runtime"
import { tellOfMissing, Workflows } from "@tenon/core/Workflow"
import * as Setting from "@tenon/core/Setting"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as HttpClient from "effect/http/HttpClient"
import * as ContextKeys from "./ContextKeys.ts"
import * as Handler from "./Handler.ts"
import * as RestateAdmin from "./RestateAdmin.ts"
import type { ServiceOptions } from "./ServiceOptions.ts"
import { CurrentWorking, Working } from "./Working.ts"
import * as VirtualObject from "./VirtualObject.ts"
import * as WorkflowService from "./WorkflowService.ts"

/** Where to listen, where Restate is, and how to tell friend from foe. */
export interface Options extends ServiceOptions {
  readonly keys: ContextKeys.ContextKeys
  /** `publickeyv1_…` of the Restate servers that may call; with none, everyone who reaches the port may. */
  readonly identityKeys: ReadonlyArray<string>
  /** Default: 127.0.0.1. */
  readonly host?: string | undefined
  /** Default: 9080; 0 takes a free one. */
  readonly port?: number | undefined
  /** Where to register; without it, someone else does. */
  readonly adminUrl?: string | undefined
  /**
   * Where Restate finds this endpoint. Default: host and port. What has begun there goes on there, so the address must
   * be the same after a restart, or stay served until its invocations have ended.
   */
  readonly advertisedUrl?: string | undefined
  /** Replace what the same address served before. Default: true, right where an address outlives a release. */
  readonly force?: boolean | undefined
  /**
   * How long invocations in progress may go on at the end; Restate carries on elsewhere with what is cut. Default: 10
   * seconds.
   */
  readonly drain?: Duration.Input | undefined
  /**
   * How often to look whether Restate still knows this endpoint, which it forgets with its data. Default: 15 seconds.
   */
  readonly watch?: Duration.Input | undefined
}

/** The endpoint could not be opened; the message says why. */
export class RestateEndpointError extends Schema.TaggedError<RestateEndpointError>()("RestateEndpointError", {
  message: Schema.String
}) {}

/** An endpoint that is being served. */
export class RestateEndpoint extends Context.Service<
  RestateEndpoint,
  {
    /** Where Restate finds it. */
    readonly url: string
    readonly port: number
    /** Tells Restate of it once more, now. */
    readonly register: Effect.Effect<void, RestateAdmin.RestateAdminError>
  }
>()("@tenon/restate/RestateEndpoint") {}

const listen = (server: NodeHttp2.Http2Server, host: string, port: number) =>
  Effect.callback<number, RestateEndpointError>((resume) => {
    server.once("error", (error) =>
      resume(
        Effect.fail(
          new RestateEndpointError({
            message: `No endpoint for Restate on ${host}:${port}: ${error.message}. RESTATE_ENDPOINT_PORT names another port.`
          })
        )
      )
    )
    server.listen(port, host, () => resume(Effect.succeed((server.address() as NodeNet.AddressInfo).port)))
  })

/** How long what has just ended may take to be told to Restate. */
const farewell = "100 millis"

/** Serves for as long as the scope; then lets what it is at work on end, for a while. */
const serve = Effect.fnUntraced(function* (
  services: ReadonlyArray<VirtualObject.Definition>,
  options: Options,
  host: string,
  log: restate.LoggerTransport,
  working: Working
): Effect.fn.Return<number, RestateEndpointError, Scope.Scope> {
  const server = NodeHttp2.createServer(
    restate.createEndpointHandler({
      services: [...services],
      logger: log,
      ...(options.identityKeys.length === 0 ? {} : { identityKeys: [...options.identityKeys] })
    })
  )
  const sessions = new Set<NodeHttp2.ServerHttp2Session>()
  server.on("session", (session) => {
    sessions.add(session)
    session.once("close", () => sessions.delete(session))
  })
  yield* Effect.addFinalizer(() =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const session of sessions) session.close()
    }).pipe(
      Effect.raceFirst(Effect.delay(working.quiet, farewell).pipe(Effect.andThen(Effect.sleep(farewell)))),
      Effect.timeoutOption(options.drain ?? "10 seconds"),
      Effect.andThen(
        Effect.sync(() => {
          for (const session of sessions) session.destroy()
        })
      )
    )
  )
  return yield* listen(server, host, options.port ?? 9080)
})

/** The SDK exports the enumeration of its levels as a type only. */
const loud: ReadonlySet<string> = new Set(["warn", "error"])

/** What the SDK has to say, as logs of the layer: its warnings for whoever looks closely, the rest dropped. */
const logTo =
  (context: Context.Context<never>): restate.LoggerTransport =>
  ({ level }, message, ...details) => {
    if (!loud.has(level)) return
    Effect.runForkWith(context)(Effect.logDebug("Restate SDK", message, ...details))
  }

/** Registers at once, then watches, as Restate may lose its data while this process lives. */
const keepRegistered = Effect.fnUntraced(function* (
  adminUrl: string,
  url: string,
  options: Options
): Effect.fn.Return<
  Effect.Effect<void, RestateAdmin.RestateAdminError>,
  RestateAdmin.RestateAdminError,
  Scope.Scope | HttpClient.HttpClient
> {
  const client = yield* HttpClient.HttpClient
  let id = ""
  const register = RestateAdmin.registerDeployment(adminUrl, url, { force: options.force ?? true }).pipe(
    Effect.map((deployment) => void (id = deployment.id)),
    Effect.provideService(HttpClient.HttpClient, client)
  )
  yield* register
  yield* RestateAdmin.knowsDeployment(adminUrl, id).pipe(
    Effect.provideService(HttpClient.HttpClient, client),
    Effect.flatMap((known) =>
      known ? Effect.void : Effect.andThen(Effect.logWarning("Restate has forgotten this endpoint"), register)
    ),
    Effect.ignore,
    Effect.delay(options.watch ?? "15 seconds"),
    Effect.forever,
    Effect.forkScoped
  )
  return register
})

/**
 * Serves the executor's resources and the programs of workflows, and registers them with Restate. Where there is a
 * `RunJournal`, runs are told of there; where there is a `Runtime`, it takes what follows from a run that is paused.
 */
export const layer = (
  options: Options
): Layer.Layer<
  RestateEndpoint,
  RestateEndpointError | RestateAdmin.RestateAdminError,
  Executor | Workflows | HttpClient.HttpClient
> =>
  Layer.effect(
    RestateEndpoint,
    Effect.gen(function* () {
      const executor = yield* Executor
      const workflows = yield* Workflows
      yield* tellOfMissing(executor.registry.workflows, workflows)
      const working = new Working()
      const context = Context.add(yield* Effect.context<HttpClient.HttpClient>(), CurrentWorking, working)
      const setting: Handler.Setting = {
        keys: options.keys,
        executor,
        workflows,
        runtime: Option.getOrUndefined(yield* Effect.serviceOption(Runtime)),
        journal: Option.getOrUndefined(yield* Effect.serviceOption(RunJournal)),
        context,
        reached: Handler.listener(context)
      }
      const pause = (invocationId: string): Promise<void> =>
        options.adminUrl === undefined
          ? Promise.resolve()
          : Effect.runPromiseWith(context)(Effect.ignore(RestateAdmin.pause(options.adminUrl, invocationId)))
      const services = [
        ...executor.registry.resources.map((resource) => VirtualObject.make(setting, resource, options)),
        ...Array.from(workflows.values(), (each) => WorkflowService.make(setting, each, options, pause))
      ]
      if (options.identityKeys.length === 0) {
        yield* Effect.logWarning("The endpoint for Restate checks no identity key; let nothing but Restate reach it")
      }
      const host = options.host ?? "127.0.0.1"
      const port = yield* serve(services, options, host, logTo(context), working)
      const url = options.advertisedUrl ?? `http://${host.includes(":") ? `[${host}]` : host}:${port}`
      const register =
        options.adminUrl === undefined ? Effect.void : yield* keepRegistered(options.adminUrl, url, options)
      return RestateEndpoint.of({ url, port, register })
    })
  )

const text = (name: string) => Effect.map(Config.option(Config.String(name)), Option.getOrUndefined)

const url = (name: string) => Effect.map(Config.option(Setting.url(name)), Option.getOrUndefined)

/**
 * `TENON_CONTEXT_KEY`, `RESTATE_IDENTITY_KEY` (several with commas), `RESTATE_ENDPOINT_HOST`, `RESTATE_ENDPOINT_PORT`,
 * `RESTATE_ENDPOINT_ADVERTISED_URL`, `RESTATE_ADMIN_URL`.
 */
export const layerConfig: Layer.Layer<
  RestateEndpoint,
  RestateEndpointError | RestateAdmin.RestateAdminError | Config.ConfigError | ContextKeys.ContextKeysError,
  Executor | Workflows | HttpClient.HttpClient
> = Layer.unwrap(
  Effect.gen(function* () {
    return layer({
      keys: yield* ContextKeys.fromConfig,
      identityKeys: ((yield* text("RESTATE_IDENTITY_KEY")) ?? "").split(",").filter((key) => key !== ""),
      host: yield* text("RESTATE_ENDPOINT_HOST"),
      port: Option.getOrUndefined(yield* Config.option(Setting.port("RESTATE_ENDPOINT_PORT"))),
      adminUrl: yield* url("RESTATE_ADMIN_URL"),
      advertisedUrl: yield* url("RESTATE_ENDPOINT_ADVERTISED_URL")
    })
  })
)
