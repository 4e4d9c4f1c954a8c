/**
 * A whole application for tests that break things: PostgreSQL and Restate of its own, and the application in a process
 * of its own that can be killed and started again.
 */
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as FreePort from "@tenon/embedded/FreePort"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

/** The application did not start, or ended before it was ready. */
export class ClusterError extends Schema.TaggedError<ClusterError>()("ClusterError", { message: Schema.String }) {}

/** What `tenon dev --json` says when it is ready. */
const Ready = Schema.fromJsonString(
  Schema.Struct({
    ready: Schema.Literal(true),
    url: Schema.String,
    keys: Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.String))
  })
)
export interface Ready extends Schema.Schema.Type<typeof Ready> {}

/** The application's process. */
export interface Application {
  /** Starts it and waits until it serves. */
  readonly start: Effect.Effect<Ready, ClusterError>
  /** Ends it at once, as a crash would. */
  readonly kill: Effect.Effect<void>
  /** Asks it to stop and waits; gives its exit code. */
  readonly stop: Effect.Effect<number | null>
  /** Sends it a signal and waits until it has ended. */
  readonly endBy: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** A running cluster. */
export interface Cluster {
  readonly postgres: EmbeddedPostgres.EmbeddedPostgres
  readonly restate: EmbeddedRestate.EmbeddedRestate
  readonly application: Application
}

/** How to start one. */
export interface Options {
  /** The command that serves the application: a script and its arguments, run by this process's Node. */
  readonly command: ReadonlyArray<string>
  /** Further environment of the application. */
  readonly environment?: { readonly [name: string]: string }
  /** Gets each line that the application writes to its log. */
  readonly log?: (line: string) => void
}

const startTimeout = Duration.seconds(60)

/** Starts the servers; all of it is gone when the scope closes. */
export const make = Effect.fn("Cluster.make")(function* (options: Options) {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "tenon-cluster-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const [postgres, restate] = yield* Effect.all([EmbeddedPostgres.start(), EmbeddedRestate.start()], {
    concurrency: "unbounded"
  })
  // The same over restarts, since Restate calls the application back where it registered.
  const { endpoint, port } = yield* FreePort.many("port", "endpoint")
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    DATABASE_URL: Redacted.value(postgres.url),
    RESTATE_INGRESS_URL: restate.ingressUrl,
    RESTATE_ADMIN_URL: restate.adminUrl,
    RESTATE_IDENTITY_KEY: restate.identityKey,
    TENON_STATE: directory,
    PORT: String(port),
    RESTATE_ENDPOINT_PORT: String(endpoint),
    ...options.environment
  }
  const application = makeApplication(options, environment)
  yield* Effect.addFinalizer(() => application.kill)
  const cluster: Cluster = { postgres, restate, application }
  return cluster
})

const makeApplication = (options: Options, environment: NodeJS.ProcessEnv): Application => {
  let child: ChildProcess | undefined
  return {
    start: Effect.callback<string, ClusterError>((resume) => {
      const process_ = spawn(process.execPath, [...options.command], {
        env: environment,
        stdio: ["ignore", "pipe", "pipe"]
      })
      child = process_
      const last: Array<string> = []
      const heard = (line: string) => {
        last.push(line)
        if (last.length > 30) last.shift()
        options.log?.(line)
      }
      createInterface({ input: process_.stderr }).on("line", heard)
      createInterface({ input: process_.stdout }).on("line", (line) => {
        if (line.startsWith(`{"ready":true`)) resume(Effect.succeed(line))
        else heard(line)
      })
      process_.once("exit", (code, signal) =>
        resume(
          Effect.fail(new ClusterError({ message: `The application ended (${signal ?? code}): ${last.join("\n")}` }))
        )
      )
    }).pipe(
      Effect.flatMap((line) => Effect.orDie(Schema.decodeUnknownEffect(Ready)(line))),
      Effect.timeoutOrElse({
        duration: startTimeout,
        orElse: () => Effect.fail(new ClusterError({ message: "The application was not ready within a minute." }))
      })
    ),
    kill: Effect.suspend(() => end(child, "SIGKILL")).pipe(Effect.asVoid),
    stop: Effect.suspend(() => end(child, "SIGTERM")),
    endBy: (signal) => Effect.asVoid(Effect.suspend(() => end(child, signal)))
  }
}

const end = (child: ChildProcess | undefined, signal: NodeJS.Signals) =>
  Effect.callback<number | null>((resume) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return resume(Effect.succeed(child?.exitCode ?? null))
    }
    child.once("exit", (code) => resume(Effect.succeed(code)))
    child.kill(signal)
  })
