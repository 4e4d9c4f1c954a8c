/**
 * The command `tenon` for a fault that is aimed: told so by SIGUSR2, it kills its process in the next
 * `Widget.deactivate` that is committed and not journaled. Done again without its receipt, that action would refuse its
 * own work.
 */
import * as CommandLine from "@tenon/cli/CommandLine"
import { Checkpoint } from "@tenon/core/Checkpoint"
import * as Effect from "effect/Effect"

let aimed = false
process.on("SIGUSR2", () => {
  aimed = true
})

CommandLine.main(process.argv.slice(2), (command) =>
  Effect.provideService(command, Checkpoint, (point, what) =>
    Effect.sync(() => {
      if (aimed && point === "executed" && what === "Widget.deactivate") process.kill(process.pid, "SIGKILL")
    })
  )
)
