/**
 * A real PostgreSQL 18 beside this process, from npm: the default database of development and tests.
 *
 * It listens on 127.0.0.1 only, wants a random password, and ends with the scope, with this process, or
 * within seconds of this process being killed.
 */
import * as NodeCrypto from "node:crypto"
import * as NodeFs from "node:fs"
import * as NodeOs from "node:os"
import * as NodePath from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { type Account, type Binaries, EmbeddedPostgresError, isReachable, locate } from "./EmbeddedPostgresBinaries.ts"
import * as FreePort from "./FreePort.ts"
import * as TiedProcess from "./TiedProcess.ts"

export { EmbeddedPostgresError } from "./EmbeddedPostgresBinaries.ts"

export interface Options {
  /**
   * Where data, password and log live, from run to run. Default: a temporary directory, removed when the scope closes.
   */
  readonly dataDir?: string | undefined
  /** Default: a free one. */
  readonly port?: number | undefined
  /** Default: true. Without it a crash of the machine may lose the data; a crash of the server does not. */
  readonly fsync?: boolean | undefined
  /** Further server settings, such as `{ max_connections: "200" }` (PostgreSQL manual, chapter 19). */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

/** `fast` writes a checkpoint; `immediate` is a crash: the next start recovers from the write-ahead log. */
export type StopMode = "fast" | "immediate"

export interface EmbeddedPostgres {
  /** The superuser's URL of the database `postgres`. */
  readonly url: Redacted.Redacted<string>
  readonly host: string
  readonly port: number
  readonly dataDir: string
  /** Of the present server process; undefined while stopped. */
  readonly pid: Effect.Effect<number | undefined>
  /** Stops the server if it runs and starts it on the same port and data. */
  readonly restart: (mode?: StopMode) => Effect.Effect<void, EmbeddedPostgresError>
  readonly stop: (mode?: StopMode) => Effect.Effect<void>
}

const host = "127.0.0.1"
const environment = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" }

const failure = (message: string) => new EmbeddedPostgresError({ message })

const attempt = <A>(what: string, evaluate: () => A) =>
  Effect.try({ try: evaluate, catch: (cause) => failure(`The embedded PostgreSQL could not ${what}: ${cause}`) })

const give = (path: string, account: Account | undefined) => {
  if (account !== undefined) NodeFs.chownSync(path, account.uid, account.gid)
}

const size = (log: string) => (NodeFs.existsSync(log) ? NodeFs.statSync(log).size : 0)
const since = (log: string, offset: number) => NodeFs.readFileSync(log).subarray(offset).toString().trim().slice(-2000)

interface Place {
  readonly dataDir: string
  readonly temporary: boolean
  readonly log: string
}

/** Creates the cluster in a directory beside its own, and moves it there when complete. */
const initialise = Effect.fnUntraced(function* (place: Place, { account, bin }: Binaries, fsync: boolean) {
  const data = NodePath.join(place.dataDir, "data")
  const password = NodeCrypto.randomBytes(24).toString("base64url")
  const here = isReachable(place.dataDir, account, 0o1)
  // A root user's private directory cannot be entered by the account that runs the server.
  const parent = here ? place.dataDir : "/var/lib/tenon"
  const work = yield* attempt(`create its data directory in ${parent}`, () => {
    NodeFs.mkdirSync(parent, { recursive: true })
    if (!here) NodeFs.chmodSync(parent, 0o755)
    const work = NodeFs.mkdtempSync(NodePath.join(parent, "postgres-"))
    NodeFs.writeFileSync(NodePath.join(work, "password"), password, { mode: 0o600 })
    give(NodePath.join(work, "password"), account)
    give(work, account)
    return work
  })
  const fresh = NodePath.join(work, "data")
  yield* Effect.gen(function* () {
    const from = size(place.log)
    const initdb = yield* TiedProcess.spawn({
      file: NodePath.join(bin, "initdb"),
      args: [
        ...["-D", fresh, "-U", "postgres", "-A", "scram-sha-256", `--pwfile=${NodePath.join(work, "password")}`],
        ...["-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"],
        ...(fsync ? [] : ["--no-sync"])
      ],
      env: environment,
      cwd: "/",
      log: place.log,
      user: account,
      orphanSignal: "KILL",
      orphanRemove: place.temporary ? place.dataDir : work
    }).pipe(Effect.mapError((error) => failure(error.message)))
    const code = yield* initdb.exit.pipe(Effect.onInterrupt(() => initdb.terminate("SIGKILL", 0)))
    if (code !== 0) return yield* failure(`initdb failed (${code}): ${since(place.log, from)}`)
    yield* attempt("put its data directory in place", () => {
      NodeFs.rmSync(NodePath.join(work, "password"))
      NodeFs.writeFileSync(NodePath.join(place.dataDir, "password"), password, { mode: 0o600 })
      if (!here) return NodeFs.symlinkSync(fresh, data)
      NodeFs.renameSync(fresh, data)
      NodeFs.rmdirSync(work)
    })
  }).pipe(Effect.onError(() => Effect.sync(() => NodeFs.rmSync(work, { recursive: true, force: true }))))
})

/**
 * Waits for the server of a killed predecessor to end, and removes the lock file of a crashed one: PostgreSQL
 * itself refuses to start when another process has got the same number meanwhile, as happens in containers.
 */
const takeOver = Effect.fnUntraced(function* (data: string) {
  const lock = NodePath.join(data, "postmaster.pid")
  for (let tries = 0; NodeFs.existsSync(lock); tries++) {
    const pid = Number.parseInt(NodeFs.readFileSync(lock, "utf8"))
    if (!TiedProcess.isRunning(pid, data))
      return yield* attempt("remove a stale lock file", () => NodeFs.rmSync(lock, { force: true }))
    if (tries === 100) {
      return yield* failure(`Process ${pid} already serves ${data}: stop it, or choose another dataDir.`)
    }
    yield* Effect.sleep(100)
  }
})

const isReady = (data: string, pid: number): boolean => {
  try {
    const lines = NodeFs.readFileSync(NodePath.join(data, "postmaster.pid"), "utf8").split("\n")
    return Number(lines[0]) === pid && lines[7]?.trim() === "ready"
  } catch {
    return false
  }
}

/** Runs the server and waits until it answers. */
const launch = Effect.fnUntraced(function* (
  place: Place,
  { account, bin }: Binaries,
  data: string,
  port: number,
  options: Options
) {
  const settings: Record<string, string> = {
    listen_addresses: host,
    port: String(port),
    unix_socket_directories: "",
    timezone: "UTC",
    log_timezone: "UTC",
    ...(options.fsync === false && { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
    ...options.settings
  }
  for (let tries = 0; ; tries++) {
    yield* takeOver(data)
    if (size(place.log) > 10_000_000) NodeFs.truncateSync(place.log)
    const from = size(place.log)
    const server = yield* TiedProcess.spawn({
      file: NodePath.join(bin, "postgres"),
      args: ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      env: environment,
      cwd: "/",
      log: place.log,
      user: account,
      orphanSignal: place.temporary ? "QUIT" : "INT",
      orphanRemove: place.temporary ? place.dataDir : undefined
    }).pipe(Effect.mapError((error) => failure(error.message)))
    const ready = yield* Effect.gen(function* () {
      for (let polls = 0; polls < 6000 && server.exitCode() === undefined; polls++) {
        if (isReady(data, server.pid)) return true
        yield* Effect.sleep(20)
      }
      return false
    }).pipe(Effect.onInterrupt(() => server.terminate("SIGQUIT", 5000)))
    if (ready) return server
    yield* server.terminate("SIGQUIT", 5000)
    const said = since(place.log, from)
    // The backends of a killed server take a moment to notice.
    if (tries < 50 && said.includes("pre-existing shared memory block")) {
      yield* Effect.sleep(100)
      continue
    }
    return yield* failure(
      said.includes("could not create any TCP/IP sockets")
        ? `Port ${port} is taken on ${host}: choose another, or none to get a free one. ${said}`
        : `The embedded PostgreSQL did not start. Its log, ${place.log}, ends: ${said}`
    )
  }
})

/** PostgreSQL manual, 18.5. */
const signalOf = (mode: StopMode): NodeJS.Signals => (mode === "fast" ? "SIGINT" : "SIGQUIT")

const make = Effect.fnUntraced(function* (options: Options) {
  const binaries = yield* locate
  const { account } = binaries
  const place = yield* Effect.acquireRelease(
    attempt("create its directory", (): Place => {
      const temporary = options.dataDir === undefined
      const dataDir =
        options.dataDir === undefined
          ? NodeFs.mkdtempSync(NodePath.join(NodeFs.realpathSync(NodeOs.tmpdir()), "tenon-postgres-"))
          : NodePath.resolve(options.dataDir)
      if (temporary) give(dataDir, account) // so that the watchdog may remove it
      else NodeFs.mkdirSync(dataDir, { recursive: true })
      return { dataDir, temporary, log: NodePath.join(dataDir, "postgres.log") }
    }),
    (place) =>
      Effect.sync(() => {
        if (!place.temporary) return
        const data = NodePath.join(place.dataDir, "data")
        const real = NodeFs.existsSync(data) ? NodeFs.realpathSync(data) : data
        if (real !== data) NodeFs.rmSync(NodePath.dirname(real), { recursive: true, force: true })
        NodeFs.rmSync(place.dataDir, { recursive: true, force: true })
      })
  )
  const link = NodePath.join(place.dataDir, "data")
  if (!NodeFs.existsSync(link)) {
    yield* attempt("replace a broken link", () => NodeFs.rmSync(link, { force: true }))
    yield* initialise(place, binaries, options.fsync !== false)
  }
  const data = NodeFs.realpathSync(link)
  const owner = NodeFs.statSync(data).uid
  if (owner !== (account?.uid ?? process.getuid?.())) {
    return yield* failure(
      `${data} belongs to user ${owner}: run as that user, or change its owner (chown -R), or choose another dataDir.`
    )
  }
  const password = yield* attempt(`read its password (remove ${place.dataDir} to begin anew)`, () =>
    NodeFs.readFileSync(NodePath.join(place.dataDir, "password"), "utf8")
  )

  const server = yield* TiedProcess.keep({
    launch: (port: number) => launch(place, binaries, data, port, options),
    ended: () => failure("This embedded PostgreSQL has ended with its scope: start another."),
    grace: 15_000,
    last: signalOf(place.temporary ? "immediate" : "fast")
  })
  const startOnFreePort = FreePort.one.pipe(
    Effect.mapError(({ message }) => failure(message)),
    Effect.tap(server.begin)
  )
  const port =
    options.port === undefined
      ? yield* startOnFreePort.pipe(Effect.retry({ times: 3, while: (error) => error.message.startsWith("Port ") }))
      : yield* Effect.as(server.begin(options.port), options.port)

  const handle: EmbeddedPostgres = {
    url: Redacted.make(`postgres://postgres:${password}@${host}:${port}/postgres`),
    host,
    port,
    dataDir: place.dataDir,
    pid: server.pid,
    restart: (mode = "fast") => server.restart(port, signalOf(mode)),
    stop: (mode = "fast") => server.stop(signalOf(mode))
  }
  return handle
})

/** Starts a server that lives as long as the scope: in about two seconds the first time, less on existing data. */
export const start = (options: Options = {}): Effect.Effect<EmbeddedPostgres, EmbeddedPostgresError, Scope.Scope> =>
  TiedProcess.onWallClock(make(options)).pipe(Effect.withSpan("EmbeddedPostgres.start"))
