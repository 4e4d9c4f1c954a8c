import { RunJournal } from "@tenon/core/RunJournal"
import * as RunStoreMemory from "@tenon/core/RunStoreMemory"
import { runProgramLaws } from "@tenon/testing/RunProgramLaws"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { seeds } from "../support/seeds.ts"

/** What the runs tell of themselves: Restate's own journal is the truth. */
const journal = Layer.sync(RunJournal, () => RunStoreMemory.make(() => Effect.void).journal)

runProgramLaws("RuntimeRestate", {
  runtime: TestingRestate.layerRuntime().pipe(Layer.provide(TestingRestate.layerServer()), Layer.provideMerge(journal)),
  seeds: seeds(12)
})
