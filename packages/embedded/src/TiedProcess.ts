/**
 * A child process that cannot outlive this one: a small `sh` beside it holds the read end of a pipe
 * and stops it as soon as this process is gone, `kill -9` included.
 */
import * as NodeChildProcess from "node:child_process"
import * as NodeFs from "node:fs"
import type { Readable, Writable } from "node:stream"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"

export class TiedProcessError extends Schema.TaggedError<TiedProcessError>()("TiedProcessError", {
  message: Schema.String
}) {}

export interface Command {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly env: Record<string, string>
  /** Readable by `user`. */
  readonly cwd: string
  /** Standard output and error are appended here. */
  readonly log: string
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** Sent when this process is gone; SIGKILL follows four seconds later. */
  readonly orphanSignal: "INT" | "QUIT" | "TERM" | "KILL"
  /** Removed after the program has stopped because this process is gone. */
  readonly orphanRemove?: string | undefined
}

export interface TiedProcess {
  readonly pid: number
  /** Succeeds with the exit code, or 128 + the signal's number. */
  readonly exit: Effect.Effect<number>
  readonly exitCode: () => number | undefined
  /** Sends `signal`, SIGKILL after `grace`, and waits for the end. */
  readonly terminate: (signal: NodeJS.Signals, grace: Duration.Input) => Effect.Effect<number>
}

// The watcher reads the pipe itself (no `cat` to outlive it). Once the pipe has closed it ignores the TERM
// that the main shell sends when the program ends, so that it reaches the removal.
const script = `
signal=$1 remove=$2
shift 2
exec 3<&0
"$@" </dev/null >&2 3<&- &
pid=$!
{
  read -r line <&3
  trap "" TERM
  kill -"$signal" "$pid"
  tries=0
  while kill -0 "$pid" && [ "$tries" -lt 40 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL "$pid"
  [ -z "$remove" ] || { sleep 0.2; rm -rf "$remove"; }
} </dev/null >/dev/null 2>&1 &
watcher=$!
exec 3<&-
echo "$pid"
exec >/dev/null
wait "$pid"
code=$?
kill "$watcher"
exit "$code"
`

/** Whether process `pid` has `text` on its command line: a number alone may by now belong to another program. */
export const isRunning = (pid: number, text: string): boolean => {
  try {
    return NodeFs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text)
  } catch {
    if (NodeFs.existsSync("/proc/self/cmdline")) return false
    return (
      NodeChildProcess.spawnSync("ps", ["-ww", "-o", "command=", "-p", String(pid)])
        .stdout?.toString()
        .includes(text) ?? false
    )
  }
}

/** Starts the program in a session of its own, so that Ctrl-C at a terminal reaches this process only. */
export const spawn = (command: Command): Effect.Effect<TiedProcess, TiedProcessError> =>
  Effect.callback<TiedProcess, TiedProcessError>((resume) => {
    const fail = (cause: unknown) =>
      resume(Effect.fail(new TiedProcessError({ message: `could not run ${command.file}: ${cause}` })))
    let child: NodeChildProcess.ChildProcessByStdio<Writable, Readable, null>
    let log: number | undefined
    try {
      log = NodeFs.openSync(command.log, "a", 0o600)
      child = NodeChildProcess.spawn(
        "/bin/sh",
        [
          "-c",
          script,
          "tenon-watchdog",
          command.orphanSignal,
          command.orphanRemove ?? "",
          command.file,
          ...command.args
        ],
        { cwd: command.cwd, env: command.env, detached: true, stdio: ["pipe", "pipe", log], ...command.user }
      ) as NodeChildProcess.ChildProcessByStdio<Writable, Readable, null>
    } catch (cause) {
      return fail(cause)
    } finally {
      if (log !== undefined) NodeFs.closeSync(log)
    }
    let code: number | undefined
    const ended = new Promise<number>((resolve) => {
      child.once("exit", (exit) => resolve((code = exit ?? 137)))
    })
    child.once("error", fail)
    child.stdin.on("error", () => {})
    child.stdout.once("data", (chunk: Buffer) => {
      const pid = Number(chunk.toString())
      // The shell reaps the program, so until the shell has ended the id cannot belong to another process.
      const send = (signal: NodeJS.Signals) => {
        if (code !== undefined) return
        try {
          process.kill(pid, signal)
        } catch {
          // already gone
        }
      }
      const exit = Effect.promise(() => ended)
      resume(
        Effect.succeed({
          pid,
          exit,
          exitCode: () => code,
          terminate: (signal, grace) =>
            Effect.suspend(() => {
              send(signal)
              return exit
            }).pipe(
              Effect.timeoutOrElse({
                duration: grace,
                orElse: () => {
                  send("SIGKILL")
                  return exit
                }
              })
            )
        })
      )
    })
    return Effect.sync(() => child.stdin.destroy())
  })

/** How a server is kept. `At` says where it is started. */
export interface Keeping<At, E> {
  readonly launch: (at: At) => Effect.Effect<TiedProcess, E>
  /** What a start fails with once the scope is closed. */
  readonly ended: () => E
  /** How long it may take to end before SIGKILL. */
  readonly grace: Duration.Input
  /** What ends it with its scope. */
  readonly last: NodeJS.Signals
}

/** A server with one life after another, one step at a time, until its scope closes. */
export interface Kept<At, E> {
  /** The first start; those who try several places call it again. */
  readonly begin: (at: At) => Effect.Effect<void, E>
  readonly restart: (at: At, signal: NodeJS.Signals) => Effect.Effect<void, E>
  readonly stop: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Of the present process; undefined while stopped. */
  readonly pid: Effect.Effect<number | undefined>
}

/** Keeps a server for the scope. */
export const keep = Effect.fnUntraced(function* <At, E>({ ended, grace, last, launch }: Keeping<At, E>) {
  let server: TiedProcess | undefined
  let closed = false
  const alone = (yield* Semaphore.make(1)).withPermit
  const end = (signal: NodeJS.Signals) =>
    Effect.suspend(() => {
      const running = server
      server = undefined
      return running === undefined ? Effect.void : running.terminate(signal, grace)
    }).pipe(Effect.asVoid, Effect.uninterruptible)
  const begin = (at: At) =>
    Effect.suspend(() => (closed ? Effect.fail(ended()) : launch(at))).pipe(
      Effect.tap((running) => Effect.sync(() => (server = running))),
      Effect.asVoid
    )
  yield* Effect.addFinalizer(() =>
    onWallClock(
      alone(
        Effect.suspend(() => {
          closed = true
          return end(last)
        })
      )
    )
  )
  const kept: Kept<At, E> = {
    begin,
    restart: (at, signal) => onWallClock(alone(Effect.suspend(() => Effect.andThen(end(signal), begin(at))))),
    stop: (signal) => onWallClock(alone(end(signal))),
    pid: Effect.sync(() => (server?.exitCode() === undefined ? server?.pid : undefined))
  }
  return kept
})

/** A server lives in real time, also where a test has its own clock. */
export const onWallClock = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(
    effect,
    (context: Context.Context<R>) => Context.omit(Clock.Clock)(context) as Context.Context<R>
  )
