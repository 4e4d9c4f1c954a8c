/** Runs the command `tenon` as a user does: in a process of its own. */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { join } from "node:path"

export const packages = join(import.meta.dirname, "../../packages")

/** What a command came to. */
export interface Answer {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Environment {
  readonly [name: string]: string | undefined
}

/** Starts a command; the scope kills it. */
export const start = (args: ReadonlyArray<string>, env?: Environment, cwd?: string) =>
  node([join(packages, "cli/src/main.ts"), ...args], env, cwd)

/** Starts a script; the scope kills it. */
export const node = (args: ReadonlyArray<string>, env: Environment = {}, cwd: string = process.cwd()) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, args, {
        cwd,
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      const said = { stdout: "", stderr: "" }
      for (const from of ["stdout", "stderr"] as const)
        child[from].on("data", (chunk: Buffer) => void (said[from] += chunk.toString()))
      const ended = new Promise<Answer>((done) => void child.once("close", (code) => done({ code, ...said })))
      return {
        child,
        said,
        ended: Effect.promise(() => ended),
        /**
         * Waits until it has said something so many times, on either stream; fails with all it said where it ends
         * first.
         */
        says: (pattern: RegExp, times = 1) =>
          Effect.promise(async () => {
            const global = new RegExp(pattern, "g")
            while (`${said.stdout}${said.stderr}`.match(global)?.length !== times) {
              if (child.exitCode !== null)
                throw new Error(`it ended with ${child.exitCode}: ${said.stdout}${said.stderr}`)
              await new Promise((resolve) => setTimeout(resolve, 20))
            }
          })
      }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Runs a command to its end. */
export const tenon = (args: ReadonlyArray<string>, env?: Environment, cwd?: string): Effect.Effect<Answer> =>
  Effect.scoped(Effect.flatMap(start(args, env, cwd), ({ ended }) => ended))
