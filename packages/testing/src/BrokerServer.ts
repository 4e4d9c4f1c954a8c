/**
 * Brokers of a test's own, on free ports, that it can kill and start again on the same data: the `redis-server` and
 * `rabbitmq-server` of this machine, where it has them. They are gone when the scope closes.
 */
import * as FreePort from "@tenon/embedded/FreePort"
import * as TiedProcess from "@tenon/embedded/TiedProcess"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The broker did not start. */
export class BrokerError extends Schema.TaggedError<BrokerError>()("BrokerError", { message: Schema.String }) {}

/** A running broker. */
export interface BrokerServer {
  readonly url: string
  /** Ends it at once, as a crash would, and starts it again. */
  readonly restart: Effect.Effect<void, BrokerError>
}

const binaries = {
  Redis: ["/usr/bin/redis-server", "/usr/local/bin/redis-server"],
  // Not the one on the path: that one changes the user.
  RabbitMQ: ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
} as const

/** The brokers that can be started. */
export type Kind = keyof typeof binaries

const binaryOf = (kind: Kind): string | undefined => binaries[kind].find((path) => existsSync(path))

/** Whether this machine has the broker's program. */
export const isHere = (kind: Kind): boolean => binaryOf(kind) !== undefined

/** Whether the server greets as its protocol has it. */
const answers = (port: number, hello: string, expects: string) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(port, "127.0.0.1")
    const done = (answer: boolean) => {
      socket.destroy()
      resume(Effect.succeed(answer))
    }
    socket.setTimeout(1_000, () => done(false))
    socket.once("connect", () => socket.write(hello))
    socket.once("data", (data) => done(data.toString("latin1").includes(expects)))
    socket.once("error", () => done(false))
  })

interface Command {
  readonly args: ReadonlyArray<string>
  readonly env: Record<string, string>
  readonly url: string
  readonly isUp: Effect.Effect<boolean>
}

const redis = (directory: string): Effect.Effect<Command, FreePort.NoFreePort> =>
  Effect.map(FreePort.one, (port) => ({
    args: ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "yes", "--save", ""],
    env: {},
    url: `redis://127.0.0.1:${port}`,
    isUp: answers(port, "PING\r\n", "PONG")
  }))

const rabbitMq = (directory: string): Effect.Effect<Command, FreePort.NoFreePort> =>
  Effect.map(FreePort.many("port", "distribution", "names"), ({ distribution, names, port }) => ({
    args: [],
    env: {
      HOME: directory,
      LC_ALL: "C.UTF-8",
      RABBITMQ_NODENAME: `tenon-${port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distribution),
      RABBITMQ_MNESIA_BASE: join(directory, "data"),
      RABBITMQ_LOG_BASE: join(directory, "log"),
      RABBITMQ_LOGS: "-",
      RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, "plugins"),
      RABBITMQ_CONF_ENV_FILE: join(directory, "environment"),
      RABBITMQ_CONFIG_FILE: join(directory, "configuration"),
      // A name server of its own, so that it is seen by no other node.
      ERL_EPMD_PORT: String(names),
      ERL_EPMD_ADDRESS: "127.0.0.1"
    },
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    isUp: answers(port, "AMQP\0\0\x09\x01", "\x00\x0a\x00\x0a")
  }))

/** RabbitMQ's program is a shell that waits for the real one. */
const processesOf = (pid: number): ReadonlyArray<number> => {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim()
    return [...(children === "" ? [] : children.split(" ").map(Number)), pid]
  } catch {
    return [pid]
  }
}

const kill = (process: TiedProcess.TiedProcess) =>
  Effect.suspend(() => {
    for (const pid of processesOf(process.pid)) {
      try {
        globalThis.process.kill(pid, "SIGKILL")
      } catch {
        // It has ended by itself.
      }
    }
    return process.exit
  })

/** Starts a broker and waits until it answers. Fails where this machine has none. */
export const start = (kind: Kind): Effect.Effect<BrokerServer, BrokerError, Scope.Scope> =>
  Effect.gen(function* () {
    const file = binaryOf(kind)
    if (file === undefined) return yield* new BrokerError({ message: `There is no ${kind} on this machine.` })
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "tenon-broker-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const command = yield* Effect.mapError(
      kind === "Redis" ? redis(directory) : rabbitMq(directory),
      ({ message }) => new BrokerError({ message })
    )
    const log = join(directory, "out.log")
    const begin = Effect.gen(function* () {
      const process = yield* TiedProcess.spawn({
        file,
        args: command.args,
        env: { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", ...command.env },
        cwd: directory,
        log,
        orphanSignal: "TERM",
        orphanRemove: directory
      })
      for (let left = 600; !(yield* command.isUp); left--) {
        if (left === 0 || process.exitCode() !== undefined) {
          yield* kill(process)
          return yield* new BrokerError({
            message: `${kind} did not start: ${readFileSync(log, "utf8").slice(-1_000)}`
          })
        }
        yield* Effect.sleep("100 millis")
      }
      return process
    }).pipe(Effect.mapError((error) => new BrokerError({ message: error.message })))
    let running = yield* begin
    yield* Effect.addFinalizer(() => kill(running))
    if (kind === "RabbitMQ") yield* Effect.addFinalizer(() => stopNames(command.env))
    return {
      url: command.url,
      restart: Effect.gen(function* () {
        yield* kill(running)
        running = yield* begin
      })
    }
  })

/** Erlang's name server outlives the node that has started it. */
const stopNames = (env: Record<string, string>) =>
  TiedProcess.spawn({
    file: "/usr/bin/epmd",
    args: ["-kill"],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", ...env },
    cwd: "/",
    log: "/dev/null",
    orphanSignal: "KILL"
  }).pipe(
    Effect.flatMap(({ exit }) => exit),
    Effect.ignore
  )
