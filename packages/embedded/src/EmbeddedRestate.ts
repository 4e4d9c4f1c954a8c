/**
 * A real Restate server beside this process, from npm: the default durable runtime of development and tests.
 *
 * It listens on 127.0.0.1 only, signs its requests to handlers, and ends with the scope, with this process,
 * or within seconds of this process being killed.
 */
import * as NodeCrypto from "node:crypto"
import * as NodeFs from "node:fs"
import * as NodeModule from "node:module"
import * as NodeNet from "node:net"
import * as NodeOs from "node:os"
import * as NodePath from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as FreePort from "./FreePort.ts"
import * as TiedProcess from "./TiedProcess.ts"

/** The embedded server could not be prepared, started or restarted; the message says what to do. */
export class EmbeddedRestateError extends Schema.TaggedError<EmbeddedRestateError>()("EmbeddedRestateError", {
  message: Schema.String
}) {}

export interface Ports {
  readonly ingress: number
  readonly admin: number
  /** Between nodes; used even with a single node. */
  readonly node: number
}

export interface Options {
  /**
   * Where journal, state, key and log live, from run to run. Default: a temporary directory, removed when the scope
   * closes.
   */
  readonly baseDir?: string | undefined
  /** Default: free ones. */
  readonly ports?: Partial<Ports> | undefined
  /** Further settings as `RESTATE_*` variables, such as `RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS`. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

export interface EmbeddedRestate {
  readonly ingressUrl: string
  readonly adminUrl: string
  readonly baseDir: string
  /** `publickeyv1_…`: give it to the SDK's `identityKeys`, and the endpoint refuses whoever is not this server. */
  readonly identityKey: string
  /** Of the present server process; undefined while stopped. */
  readonly pid: Effect.Effect<number | undefined>
  /** Stops the server if it runs and starts it on the same ports and data. */
  readonly restart: Effect.Effect<void, EmbeddedRestateError>
  /** SIGKILL, as in a crash. */
  readonly kill: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
}

const host = "127.0.0.1"

const failure = (message: string) => new EmbeddedRestateError({ message })

const attempt = <A>(what: string, evaluate: () => A) =>
  Effect.try({ try: evaluate, catch: (cause) => failure(`The embedded Restate could not ${what}: ${cause}`) })

const size = (log: string) => (NodeFs.existsSync(log) ? NodeFs.statSync(log).size : 0)

const locate = Effect.suspend(() => {
  const platform = `${process.platform}-${process.arch}`
  const name = `@restatedev/restate-server-${platform}/package.json`
  return Effect.try({
    try: () => {
      const manifest = NodeModule.createRequire(import.meta.url).resolve(name)
      return NodePath.join(NodePath.dirname(manifest), "bin", "restate-server")
    },
    catch: () =>
      failure(
        process.platform === "win32"
          ? "The embedded Restate does not run on Windows itself: use WSL, or point Tenon at a Restate server of your own."
          : `The package @restatedev/restate-server-${platform} is not installed. Install with optional dependencies (npm ci --include=optional), or point Tenon at a Restate server of your own.`
      )
  })
})

const isFree = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const server = NodeNet.createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, host, () => server.close(() => resume(Effect.succeed(true))))
  })

const base58 = (bytes: Uint8Array): string => {
  const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
  let number = BigInt(`0x${Buffer.from(bytes).toString("hex")}`)
  let text = ""
  for (; number > 0n; number /= 58n) text = alphabet[Number(number % 58n)] + text
  const zeros = bytes.findIndex((byte) => byte !== 0)
  return "1".repeat(zeros) + text
}

/** Reads or makes the Ed25519 key with which the server signs (Restate docs, "Service security"). */
const identity = (file: string): string => {
  if (!NodeFs.existsSync(file)) {
    const pem = NodeCrypto.generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" })
    NodeFs.writeFileSync(`${file}.new`, pem, { mode: 0o600 })
    NodeFs.renameSync(`${file}.new`, file)
  }
  const { x } = NodeCrypto.createPublicKey(NodeFs.readFileSync(file)).export({ format: "jwk" })
  if (x === undefined) throw new Error(`${file} holds no Ed25519 key`)
  return `publickeyv1_${base58(Buffer.from(x, "base64url"))}`
}

const isHealthy = (url: string) =>
  Effect.promise(() =>
    fetch(url, { signal: AbortSignal.timeout(1000) }).then(
      (answer) => answer.ok,
      () => false
    )
  )

interface Place {
  readonly baseDir: string
  readonly temporary: boolean
  readonly log: string
  readonly key: string
  readonly pid: string
}

const environment = (place: Place, ports: Ports): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
  RESTATE_CLUSTER_NAME: "tenon",
  RESTATE_NODE_NAME: "tenon",
  RESTATE_LISTEN_MODE: "tcp",
  RESTATE_INGRESS__BIND_ADDRESS: `${host}:${ports.ingress}`,
  RESTATE_ADMIN__BIND_ADDRESS: `${host}:${ports.admin}`,
  RESTATE_BIND_ADDRESS: `${host}:${ports.node}`,
  RESTATE_ADVERTISED_ADDRESS: `http://${host}:${ports.node}/`,
  RESTATE_WORKER__INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE: place.key,
  RESTATE_DEFAULT_NUM_PARTITIONS: "1",
  RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE: "128MiB",
  RESTATE_SHUTDOWN_TIMEOUT: "5s",
  // No telemetry; octocrab is the version check, which runs in any case: keep its failures out of the log.
  RESTATE_DISABLE_TELEMETRY: "true",
  DO_NOT_TRACK: "1",
  RESTATE_LOG_FILTER: "warn,octocrab=off",
  RESTATE_LOG_DISABLE_ANSI_CODES: "true"
})

/**
 * Waits for a killed predecessor's server to end, which its watchdog does within seconds. Asking beforehand is
 * needed: Restate often exits without a word about a locked directory, and behind a taken port another may seem
 * healthy.
 */
const takeOver = Effect.fnUntraced(function* (place: Place, ports: Ports) {
  for (let tries = 0; ; tries++) {
    const pid = NodeFs.existsSync(place.pid) ? Number.parseInt(NodeFs.readFileSync(place.pid, "utf8")) : 0
    const inUse = pid > 0 && TiedProcess.isRunning(pid, place.baseDir)
    const taken = yield* Effect.filter(Object.values(ports), (port: number) =>
      Effect.map(isFree(port), (free) => !free)
    )
    if (!inUse && taken.length === 0) return
    if (tries === 50) {
      return yield* failure(
        inUse
          ? `Process ${pid} already runs Restate on ${place.baseDir}: stop it, or choose another baseDir.`
          : `Port ${taken.join(", ")} is taken on ${host}: choose others, or none to get free ones.`
      )
    }
    yield* Effect.sleep(100)
  }
})

/** Runs the server and waits until ingress and admin API are healthy. */
const launch = Effect.fnUntraced(function* (binary: string, place: Place, ports: Ports, options: Options) {
  yield* takeOver(place, ports)
  if (size(place.log) > 10_000_000) NodeFs.truncateSync(place.log)
  const from = size(place.log)
  const server = yield* TiedProcess.spawn({
    file: binary,
    args: ["--no-logo", "--base-dir", place.baseDir],
    env: { ...environment(place, ports), ...options.env },
    cwd: place.baseDir,
    log: place.log,
    orphanSignal: place.temporary ? "KILL" : "TERM",
    orphanRemove: place.temporary ? place.baseDir : undefined
  }).pipe(Effect.mapError((error) => failure(error.message)))
  const healthy = yield* Effect.gen(function* () {
    yield* attempt("note its process id", () => NodeFs.writeFileSync(place.pid, String(server.pid)))
    for (let polls = 0; polls < 1200 && server.exitCode() === undefined; polls++) {
      if (
        (yield* isHealthy(`http://${host}:${ports.admin}/health`)) &&
        (yield* isHealthy(`http://${host}:${ports.ingress}/restate/health`))
      )
        return true
      yield* Effect.sleep(50)
    }
    return false
  }).pipe(Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : server.terminate("SIGKILL", 1000))))
  if (healthy) return server
  const code = server.exitCode() ?? "still starting after a minute"
  yield* server.terminate("SIGKILL", 1000)
  const said = NodeFs.readFileSync(place.log).subarray(from).toString().trim().slice(-2000)
  return yield* failure(
    `The embedded Restate did not start (${code}); check its settings. Its log, ${place.log}, ends: ${said || "(nothing)"}`
  )
})

const make = Effect.fnUntraced(function* (options: Options) {
  const binary = yield* locate
  const place = yield* Effect.acquireRelease(
    attempt("create its directory", (): Place => {
      const temporary = options.baseDir === undefined
      const baseDir =
        options.baseDir === undefined
          ? NodeFs.mkdtempSync(NodePath.join(NodeFs.realpathSync(NodeOs.tmpdir()), "tenon-restate-"))
          : NodePath.resolve(options.baseDir)
      NodeFs.mkdirSync(baseDir, { recursive: true })
      return {
        baseDir,
        temporary,
        log: NodePath.join(baseDir, "restate.log"),
        key: NodePath.join(baseDir, "identity.pem"),
        pid: NodePath.join(baseDir, "restate.pid")
      }
    }),
    (place) =>
      Effect.sync(() => {
        if (place.temporary) NodeFs.rmSync(place.baseDir, { recursive: true, force: true })
      })
  )
  const identityKey = yield* attempt("make its identity key", () => identity(place.key))

  const server = yield* TiedProcess.keep({
    launch: (ports: Ports) => launch(binary, place, ports, options),
    ended: () => failure("This embedded Restate has ended with its scope: start another."),
    grace: 10_000,
    last: place.temporary ? "SIGKILL" : "SIGTERM"
  })
  const chosen = options.ports ?? {}
  const ports = yield* FreePort.many("ingress", "admin", "node").pipe(
    Effect.mapError(({ message }) => failure(message)),
    Effect.map((free): Ports => ({ ...free, ...chosen })),
    Effect.tap(server.begin),
    Effect.retry({ times: 3, while: (error) => error.message.startsWith("Port ") && Object.keys(chosen).length < 3 })
  )

  const handle: EmbeddedRestate = {
    ingressUrl: `http://${host}:${ports.ingress}`,
    adminUrl: `http://${host}:${ports.admin}`,
    baseDir: place.baseDir,
    identityKey,
    pid: server.pid,
    restart: server.restart(ports, "SIGTERM"),
    kill: server.stop("SIGKILL"),
    stop: server.stop("SIGTERM")
  }
  return handle
})

/** Starts a server that lives as long as the scope, in one or two seconds. */
export const start = (options: Options = {}): Effect.Effect<EmbeddedRestate, EmbeddedRestateError, Scope.Scope> =>
  TiedProcess.onWallClock(make(options)).pipe(Effect.withSpan("EmbeddedRestate.start"))
