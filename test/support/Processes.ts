/** Looks after processes that tests start outside the Effect runtime. */
import * as NodeChildProcess from "node:child_process"
import * as NodePath from "node:path"
import * as Effect from "effect/Effect"

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits until `pid` is gone; false if it is still there after `seconds`. */
export const isGone = (pid: number, seconds = 10) =>
  Effect.promise(async () => {
    for (const end = Date.now() + seconds * 1000; isAlive(pid);) {
      if (Date.now() > end) return false
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return true
  })

/** Runs a script of this directory until it prints one line of JSON; the scope kills it. */
export const script = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly process: NodeChildProcess.ChildProcess; readonly said: any }>((resume) => {
      const child = NodeChildProcess.spawn(process.execPath, [NodePath.join(import.meta.dirname, name), ...args], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      let text = ""
      child.stdout.on("data", (chunk) => {
        text += chunk
        if (text.includes("\n")) resume(Effect.succeed({ process: child, said: JSON.parse(text) }))
      })
      child.once("exit", (code) => resume(Effect.die(new Error(`${name} ended early (${code})`))))
    }),
    ({ process }) => Effect.sync(() => process.kill("SIGKILL"))
  )
