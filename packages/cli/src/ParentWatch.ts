/**
 * Ends this process when the one that started it is gone, `kill -9` included: that one holds the other end of a pipe,
 * which the system closes with it. The watch is a thread, so that an activity that hogs this process cannot hide it.
 */
import * as Effect from "effect/Effect"
import { Worker } from "node:worker_threads"

/** The file descriptor of the pipe, which the supervisor opens as its child's fourth. */
export const descriptor = 3

/** Set in the environment of a process that has such a pipe. */
export const variable = "TENON_SUPERVISED"

// First as any other end, with time to drain; then whatever is left, with what it may have started.
const script = `
const { Socket } = require("node:net")
const { parentPort, workerData } = require("node:worker_threads")
const kill = (pid, signal) => { try { process.kill(pid, signal) } catch {} }
const end = () => {
  Atomics.store(workerData.orphaned, 0, 1)
  kill(process.pid, "SIGTERM")
  setTimeout(() => { kill(-process.pid, "SIGKILL"); kill(process.pid, "SIGKILL") }, workerData.graceMillis)
}
const pipe = new Socket({ fd: workerData.descriptor, readable: true, writable: false })
pipe.once("close", end)
pipe.on("error", () => {})
pipe.resume()
parentPort.postMessage("watching")
`

/** Watches for as long as the process lives. Once the parent is gone it has `graceMillis` to end by itself. */
export const start = (graceMillis: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const orphaned = new Int32Array(new SharedArrayBuffer(4))
    const watch = new Worker(script, { eval: true, execArgv: [], workerData: { descriptor, graceMillis, orphaned } })
    // A thread does not come up while this one is busy, so nothing is begun before it has.
    watch.once("message", () => {
      watch.unref()
      resume(Effect.void)
    })
    watch.once("error", (error) => resume(Effect.die(error)))
    // What it has started itself goes with it; while there is a supervisor, that sees to it.
    process.once("exit", () => {
      if (Atomics.load(orphaned, 0) === 1) process.kill(-process.pid, "SIGKILL")
    })
  })
