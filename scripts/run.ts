/** Runs one program of this checkout under the Node we run under, and waits for it. */
import { spawn } from "node:child_process"
import { constants } from "node:os"
import { resolve } from "node:path"

export const root = resolve(import.meta.dirname, "..")

export interface Finished {
  readonly code: number
  readonly output: string
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/** `capture` keeps what it prints, both streams in one; without it the program writes to ours. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly capture: boolean; readonly cwd?: string }
): Promise<Finished> =>
  // oxlint-disable-next-line promise/avoid-new
  new Promise((done) => {
    const stdio = options.capture ? ("pipe" as const) : ("inherit" as const)
    const child = spawn(command, args, { cwd: options.cwd ?? root, stdio: ["ignore", stdio, stdio] })
    const chunks: Array<Buffer> = []
    const forward = (signal: NodeJS.Signals) => child.kill(signal)
    for (const signal of signals) process.on(signal, forward)
    const finish = (code: number, extra = "") => {
      for (const signal of signals) process.off(signal, forward)
      done({ code, output: Buffer.concat(chunks).toString("utf8") + extra })
    }
    child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk))
    child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk))
    child.on("error", (error) => finish(127, error.message))
    child.on("close", (code, signal) => finish(code ?? 128 + constants.signals[signal ?? "SIGKILL"]))
  })

/** A JavaScript or TypeScript file of this checkout, run by our own Node. */
export const runScript = (script: string, args: ReadonlyArray<string>, options: { readonly capture: boolean }) =>
  run(process.execPath, [resolve(root, script), ...args], options)

/** The type checker: tsgo with the Effect diagnostics built in. */
export const typeChecker = async (): Promise<string> => {
  const { code, output } = await runScript("node_modules/.bin/effect-tsgo", ["get-exe-path"], { capture: true })
  const path = output.trim().split("\n").pop()
  if (code !== 0 || !path) throw new Error(`effect-tsgo get-exe-path failed: ${output}`)
  return path
}
