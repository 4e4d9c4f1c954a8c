import * as RuntimeMemory from "@tenon/core/RuntimeMemory"
import { runProgramLaws } from "@tenon/testing/RunProgramLaws"
import { seeds } from "../support/seeds.ts"

runProgramLaws("RuntimeMemory", {
  runtime: RuntimeMemory.layerWith({ idle: "30 millis" }),
  seeds: seeds(150),
  clock: "test"
})

// In real time too: there completions come together, and in another order every time.
runProgramLaws("RuntimeMemory in real time", {
  runtime: RuntimeMemory.layerWith({ idle: "15 millis" }),
  seeds: seeds(60),
  concurrency: 60
})
