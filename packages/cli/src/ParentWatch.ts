/**
 * Ends this process when the one that started it is gone, `kill -9` included: that one holds the other end of a pipe,
 * which the system closes with it. The watch is a thread, so that an activity that hogs this process cannot hide it.
 */
import type * as Scope from "effect/Scope"
import * as Effect from "effect/Effect"
import { Worker } from "node:worker_threads"

/** The file descriptor of the pipe, which the supervisor opens as its child's fourth. */
export const descriptor = 3

/** Set in the environment of a process that has such a pipe. */
export const variable = "TENON_SUPERVISED"

// First as any other end, with time to drain; then whatever is left, with what it may have started.
const script = `
const { Socket } = require("node:net")
const { workerData } = require("node:worker_threads")
const kill = (pid, signal) => { try { process.kill(pid, signal) } catch {} }
const end = () => {
  kill(process.pid, "SIGTERM")
  setTimeout(() => { kill(-process.pid, "SIGKILL"); kill(process.pid, "SIGKILL") }, workerData.graceMillis)
}
const pipe = new Socket({ fd: workerData.descriptor, readable: true, writable: false })
pipe.once("close", end)
pipe.on("error", () => {})
pipe.resume()
`

/** Watches until the scope closes. Once the parent is gone this process has `graceMillis` to end by itself. */
export const start = (graceMillis: number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const watch = new Worker(script, { eval: true, workerData: { descriptor, graceMillis } })
      watch.unref()
      watch.once("error", () => process.kill(process.pid, "SIGTERM"))
      return watch
    }),
    () => Effect.void
  ).pipe(Effect.asVoid)
