/** `tenon run`: performs the activities of a mesh, each in a process of its own, or one of them in this process. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ConfigFile from "./ConfigFile.ts"
import * as Environment from "./Environment.ts"
import type * as Infrastructure from "./Infrastructure.ts"
import * as Logging from "./Logging.ts"
import * as MeshBackend from "./MeshBackend.ts"
import type { MeshConfig } from "./MeshConfig.ts"
import * as MeshSchema from "./MeshSchema.ts"
import * as ParentWatch from "./ParentWatch.ts"
import { root } from "./Root.ts"
import * as SecondSignal from "./SecondSignal.ts"
import * as Supervisor from "./Supervisor.ts"
import * as WorkerProcess from "./WorkerProcess.ts"

const file = Argument.String("file").pipe(
  Argument.withDescription("The mesh: a file that exports MeshConfig.define({ … }) as its default")
)
const activityName = Flag.String("activity-name").pipe(
  Flag.withDescription("Perform only this activity, in this process: what a container runs"),
  Flag.optional
)
const replicas = Flag.Int("replicas").pipe(
  Flag.withDescription("Processes for each activity"),
  Flag.filter(
    (count) => count >= 1 && count <= 64,
    () => "--replicas must be 1 to 64"
  ),
  Flag.withDefault(1)
)
const restarts = Flag.Int("restarts").pipe(
  Flag.withDescription("How often within a minute a process is started again before all is given up"),
  Flag.filter(
    (count) => count >= 0,
    () => "--restarts must not be negative"
  ),
  Flag.withDefault(5)
)
const grace = Flag.String("grace").pipe(
  Flag.withDescription("How long steps in hand may take once it is to stop"),
  Flag.withSchema(Schema.DurationFromString),
  // Longer than timers go, it would be over at once.
  Flag.filter(
    (grace) => Duration.isLessThanOrEqualTo(grace, Duration.days(1)),
    () => "--grace must not be longer than a day"
  ),
  Flag.withDefault(Duration.seconds(20))
)
const prefetch = Flag.Int("prefetch").pipe(
  Flag.withDescription("How many messages a process has in hand at once"),
  Flag.filter(
    (count) => count >= 1 && count <= 10_000,
    () => "--prefetch must be 1 to 10000"
  ),
  Flag.optional
)
const lastPort = 65_535
const healthPort = Flag.Int("health-port").pipe(
  Flag.withDescription(
    "Where /health/live, /health/ready and /metrics answer; further processes take the ports after it"
  ),
  Flag.withFallbackConfig(Config.Int("HEALTH_PORT")),
  Flag.filter(
    (port) => port >= 1 && port <= lastPort,
    () => `--health-port must be 1 to ${lastPort}`
  ),
  Flag.optional
)
const healthHost = Flag.String("health-host").pipe(
  Flag.withDescription("The address that they answer on"),
  Flag.withFallbackConfig(Config.String("HEALTH_HOST")),
  Flag.withDefault("127.0.0.1")
)

/** No activity of the mesh has this name. */
class UnknownActivity extends Schema.TaggedError<UnknownActivity>()("UnknownActivity", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message() {
    return `There is no activity ${this.name}; there are ${this.known.join(", ")}.`
  }
}

/** Nothing of the mesh could be performed. */
class EmptyMesh extends Schema.TaggedError<EmptyMesh>()("EmptyMesh", { title: Schema.String }) {
  override get message() {
    return `The mesh ${this.title} has no activities, so there is nothing to run: put some into its registry.`
  }
}

export const run = Command.make(
  "run",
  {
    file,
    activityName,
    replicas,
    restarts,
    grace,
    prefetch,
    healthPort,
    healthHost,
    state: Environment.state
  },
  Effect.fn(function* (options) {
    const mesh = yield* ConfigFile.loadMesh(options.file)
    const { json } = yield* root
    if (mesh.activities.length === 0) return yield* new EmptyMesh({ title: mesh.title })
    const given = { ...options, json, mesh }
    return yield* Option.isSome(options.activityName) ? one(options.activityName.value, given) : every(given)
  }, Effect.scoped)
).pipe(
  Command.withDescription("Perform the activities of a mesh, each in a process of its own"),
  Command.withExamples([
    { command: "tenon run order.mesh.ts", description: "One process for each activity, restarted when it ends" },
    { command: "tenon run order.mesh.ts --activity-name charge-card", description: "What a container runs" }
  ])
)

interface Options {
  readonly file: string
  readonly mesh: MeshConfig
  readonly json: boolean
  readonly replicas: number
  readonly restarts: number
  readonly grace: Duration.Duration
  readonly prefetch: Option.Option<number>
  readonly healthPort: Option.Option<number>
  readonly healthHost: string
  readonly state: string
}

/** To be asked to stop and to stop is success. */
const stopsWell = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.onInterrupt(effect, () => Effect.sync(() => void (process.exitCode ??= 0)))

const one = Effect.fnUntraced(function* (activity: string, options: Options) {
  const { mesh } = options
  const known = mesh.activities.map(({ name }) => name)
  if (!known.includes(activity)) return yield* new UnknownActivity({ name: activity, known })
  const atMost = Duration.toMillis(options.grace) + marginMillis
  yield* SecondSignal.install({ atMost })
  if (process.env[ParentWatch.variable] !== undefined) {
    yield* ParentWatch.start(atMost)
  }
  yield* MeshSchema.check
  return yield* WorkerProcess.run(mesh, {
    activity,
    grace: options.grace,
    prefetch: Option.getOrUndefined(options.prefetch),
    health: Option.getOrUndefined(Option.map(options.healthPort, (port) => ({ host: options.healthHost, port })))
  }).pipe(stopsWell, Effect.annotateLogs({ activity }), Effect.provide(Logging.layer(options.json)))
})

/** What a process may need besides draining: to close its connections, to start. */
const marginMillis = 5_000

const every = Effect.fnUntraced(function* (options: Options) {
  const { mesh } = options
  const processes = mesh.activities.length * options.replicas
  if (processes > 1 && (yield* MeshBackend.kind) === "memory") {
    return yield* new MeshBackend.BackendError({
      message: `TRANSPORT=memory reaches one process only, and this mesh has ${processes}; name a broker.`
    })
  }
  const last = Option.getOrElse(options.healthPort, () => 0) + processes - 1
  if (last > lastPort) {
    return yield* new MeshBackend.BackendError({
      message: `There are not enough ports for ${processes} processes: the last --health-port would be ${last}.`
    })
  }
  // Said once here, and not by each process at each of its starts. A database that is started for it is set up.
  yield* MeshSchema.check
  const running = new Supervisor.Running()
  // Longer than it waits for its processes.
  const atMost = Duration.toMillis(options.grace) + 2 * marginMillis
  yield* SecondSignal.install({ atMost, now: () => running.killAll() })
  const tell = telling(options.json)
  const { ensure } = yield* Effect.promise(() => import("./MeshDatabase.ts"))
  const settings = yield* ensure(options.state, (line) =>
    Effect.sync(() => tell({ task: mesh.title, from: "supervisor", line }))
  )
  return yield* Supervisor.supervise(
    tasksOf(options, settings),
    {
      delay: Duration.millis(500),
      maxDelay: Duration.seconds(30),
      maxEnds: options.restarts + 1,
      window: Duration.minutes(1),
      grace: Duration.sum(options.grace, Duration.millis(marginMillis))
    },
    running,
    tell
  ).pipe(stopsWell)
})

/** Each line with the name of its process before it, or as JSON where asked. */
const telling = (json: boolean) => (note: Supervisor.Note) => {
  if (json) process.stdout.write(`${JSON.stringify(note)}\n`)
  else (note.from === "stdout" ? process.stdout : process.stderr).write(`${note.task} | ${note.line}\n`)
}

const tasksOf = (options: Options, settings: Infrastructure.Settings): ReadonlyArray<Supervisor.Task> => {
  const { mesh, replicas } = options
  const names = mesh.activities.flatMap(({ name }) =>
    Array.from({ length: replicas }, (_, index) => ({ name, label: replicas === 1 ? name : `${name}.${index + 1}` }))
  )
  // Their standard error is a pipe; who reads it in the end is known here.
  const logFormat = process.env["LOG_FORMAT"] ?? (options.json || !process.stderr.isTTY ? "json" : "line")
  return names.map(({ label, name }, index) => ({
    name: label,
    file: process.execPath,
    args: [
      ...process.execArgv,
      process.argv[1] ?? "",
      "run",
      options.file,
      "--activity-name",
      name,
      "--grace",
      `${Duration.toMillis(options.grace)} millis`,
      ...Option.match(options.prefetch, { onNone: () => [], onSome: (count) => ["--prefetch", String(count)] }),
      ...Option.match(options.healthPort, {
        onNone: () => [],
        onSome: (port) => ["--health-port", String(port + index), "--health-host", options.healthHost]
      })
    ],
    env: { ...process.env, LOG_FORMAT: logFormat, HEALTH_PORT: undefined, ...settings }
  }))
}
