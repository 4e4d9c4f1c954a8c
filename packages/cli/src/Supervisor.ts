/**
 * Keeps a set of processes running, each apart from the others: one that ends is started again after a growing pause,
 * and one that keeps ending ends them all, since a mesh that lacks an activity only collects work that nobody does.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as NodeChildProcess from "node:child_process"
import { LineSplitter } from "./LineSplitter.ts"
import * as ParentWatch from "./ParentWatch.ts"

/** A process to keep running. */
export interface Task {
  /** What people call it. */
  readonly name: string
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly env: { readonly [name: string]: string | undefined }
}

/** When to start again, and when to give up. */
export interface Policy {
  /** The first pause; each further one is twice as long, up to `maxDelay`. */
  readonly delay: Duration.Duration
  readonly maxDelay: Duration.Duration
  /** How many ends within `window` are one too many. */
  readonly maxEnds: number
  readonly window: Duration.Duration
  /** How long a process may take to end once it was asked to. */
  readonly grace: Duration.Duration
}

/** Something to tell: a line that a process wrote, or what became of it. */
export interface Note {
  readonly task: string
  readonly from: "stdout" | "stderr" | "supervisor"
  readonly line: string
}

/** A process ended too often. */
export class GaveUp extends Schema.TaggedError<GaveUp>()("GaveUp", {
  task: Schema.String,
  ends: Schema.Int,
  within: Schema.String,
  last: Schema.String
}) {
  override get message() {
    return `${this.task} ended ${this.ends} times within ${this.within}, the last time with ${this.last}; giving up.`
  }
}

/** What runs now, to be killed at once where nobody will wait. */
export class Running {
  private readonly pids = new Set<number>()

  add(pid: number): void {
    this.pids.add(pid)
  }

  delete(pid: number): void {
    this.pids.delete(pid)
  }

  killAll(): void {
    for (const pid of this.pids) kill(pid, "SIGKILL")
  }
}

/** Each process leads a group of its own: what it started itself goes with it. */
const kill = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(signal === "SIGKILL" ? -pid : pid, signal)
  } catch {
    // It is gone already.
  }
}

interface Child {
  readonly pid: number
  /** How it ended, in words. */
  readonly ended: Effect.Effect<string>
}

const start = (task: Task, running: Running, tell: (note: Note) => void) =>
  Effect.callback<Child>((resume) => {
    const child = NodeChildProcess.spawn(task.file, task.args, {
      // In a session of its own, so that Ctrl-C at a terminal reaches the supervisor only.
      detached: true,
      env: { ...task.env, [ParentWatch.variable]: "1" },
      stdio: ["ignore", "pipe", "pipe", "pipe"]
    })
    const splitters = (["stdout", "stderr"] as const).map((from) => {
      const splitter = new LineSplitter((line) => tell({ task: task.name, from, line }))
      child[from]?.on("data", (chunk: Buffer) => splitter.write(chunk))
      return splitter
    })
    const { pid } = child
    // What it started itself would hold its pipes open, and is of no use without it.
    child.once("exit", () => pid !== undefined && kill(pid, "SIGKILL"))
    const ended = new Promise<string>((done) => {
      child.once("error", (error) => done(error.message))
      // `close` comes after `exit`, once all that was written is read.
      child.once("close", (code, signal) => done(signal === null ? `exit code ${code}` : `signal ${signal}`))
    }).finally(() => {
      for (const splitter of splitters) splitter.end()
      if (pid !== undefined) running.delete(pid)
    })
    if (pid !== undefined) running.add(pid)
    resume(Effect.succeed({ pid: pid ?? 0, ended: Effect.promise(() => ended) }))
  })

const stop =
  (grace: Duration.Duration) =>
  ({ ended, pid }: Child): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (pid === 0) return Effect.void
      kill(pid, "SIGTERM")
      return ended.pipe(
        Effect.timeoutOrElse({
          duration: grace,
          orElse: () => {
            kill(pid, "SIGKILL")
            return ended
          }
        }),
        Effect.asVoid
      )
    })

/** Keeps one process running. */
const keep = Effect.fnUntraced(function* (
  task: Task,
  policy: Policy,
  running: Running,
  tell: (note: Note) => void
): Effect.fn.Return<never, GaveUp> {
  const say = (line: string) => Effect.sync(() => tell({ task: task.name, from: "supervisor", line }))
  const window = Duration.toMillis(policy.window)
  let ends: ReadonlyArray<number> = []
  for (;;) {
    const last = yield* Effect.scoped(
      Effect.acquireRelease(start(task, running, tell), stop(policy.grace)).pipe(
        Effect.tap(({ pid }) => say(`started as process ${pid}`)),
        Effect.flatMap(({ ended }) => ended)
      )
    )
    const now = yield* Clock.currentTimeMillis
    ends = [...ends.filter((at) => at > now - window), now]
    if (ends.length >= policy.maxEnds) {
      const within = Duration.format(policy.window)
      return yield* new GaveUp({ task: task.name, ends: ends.length, within, last })
    }
    const delay = Duration.min(Duration.times(policy.delay, 2 ** (ends.length - 1)), policy.maxDelay)
    yield* say(`ended with ${last}; starting it again in ${Duration.format(delay)}`)
    yield* Effect.sleep(delay)
  }
})

/** Keeps the processes running until it is interrupted; then each is asked to end, and killed where it does not. */
export const supervise = (
  tasks: ReadonlyArray<Task>,
  policy: Policy,
  running: Running,
  tell: (note: Note) => void
): Effect.Effect<never, GaveUp, Scope.Scope> =>
  Effect.forEach(tasks, (task) => keep(task, policy, running, tell), { concurrency: "unbounded" }).pipe(
    Effect.andThen(Effect.never)
  )
