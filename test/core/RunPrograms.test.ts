import * as RuntimeMemory from "@tenon/core/RuntimeMemory"
import { runProgramLaws } from "@tenon/testing/RunProgramLaws"

runProgramLaws("RuntimeMemory", {
  runtime: RuntimeMemory.layerWith({ idle: "30 millis" }),
  seeds: { from: 0, count: 150 },
  clock: "test"
})
