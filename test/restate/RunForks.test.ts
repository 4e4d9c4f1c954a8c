import { RunJournal } from "@tenon/core/RunJournal"
import * as RunStoreMemory from "@tenon/core/RunStoreMemory"
import { runForkLaws } from "@tenon/testing/RunForkLaws"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** What the runs tell of themselves: Restate's own journal is the truth. */
const journal = Layer.sync(RunJournal, () => RunStoreMemory.make(() => Effect.void).journal)

runForkLaws("RuntimeRestate", {
  runtime: TestingRestate.layerRuntime().pipe(Layer.provide(TestingRestate.layerServer()), Layer.provideMerge(journal))
})
