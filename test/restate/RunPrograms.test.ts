import { runProgramLaws } from "@tenon/testing/RunProgramLaws"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import * as Layer from "effect/Layer"

runProgramLaws("RuntimeRestate", {
  runtime: TestingRestate.layerRuntime().pipe(Layer.provide(TestingRestate.layerServer())),
  seeds: { from: 0, count: 20 }
})
