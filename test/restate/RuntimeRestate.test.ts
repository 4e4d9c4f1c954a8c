import { runtimeLaws } from "@tenon/testing/RuntimeLaws"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import * as Layer from "effect/Layer"

runtimeLaws("RuntimeRestate", {
  runtime: TestingRestate.layerRuntime().pipe(Layer.provide(TestingRestate.layerServer()))
})
