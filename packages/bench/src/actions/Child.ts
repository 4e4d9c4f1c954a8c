/** A process under measurement: started, waited for, and gone with the scope. */
import { spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The process ended before it was ready. */
export class ChildFailed extends Schema.TaggedError<ChildFailed>()("ChildFailed", { message: Schema.String }) {}

/** Starts a script and waits for its line `ready`. Gives the milliseconds that took. */
export const start = (script: string, args: ReadonlyArray<string>, environment: { readonly [name: string]: string }) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly millis: number; readonly kill: () => void; readonly pid: number }, ChildFailed>(
      (resume) => {
        const begin = performance.now()
        const child = spawn(process.execPath, [`${import.meta.dirname}/${script}`, ...args], {
          env: { ...process.env, ...environment },
          stdio: ["ignore", "pipe", "inherit"]
        })
        child.stdout.on("data", (data: Buffer) => {
          if (data.includes("ready\n")) {
            const millis = performance.now() - begin
            resume(Effect.succeed({ millis, kill: () => child.kill("SIGKILL"), pid: child.pid ?? 0 }))
          }
        })
        child.once("exit", (code) =>
          resume(Effect.fail(new ChildFailed({ message: `${script} ended with ${code} before it was ready` })))
        )
      }
    ),
    ({ kill }) => Effect.sync(kill)
  )
