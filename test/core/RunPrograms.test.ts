import * as RuntimeMemory from "@tenon/core/RuntimeMemory"
import { runProgramLaws } from "@tenon/testing/RunProgramLaws"

runProgramLaws("RuntimeMemory", {
  runtime: RuntimeMemory.layerWith({ idle: "30 millis" }),
  seeds: { from: 0, count: 150 },
  clock: "test"
})

// In real time too: there completions come together, and in another order every time.
runProgramLaws("RuntimeMemory in real time", {
  runtime: RuntimeMemory.layerWith({ idle: "15 millis" }),
  seeds: { from: 1000, count: 60 },
  concurrency: 60
})
