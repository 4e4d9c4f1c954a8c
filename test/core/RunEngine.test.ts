import { RunJournal } from "@tenon/core/RunJournal"
import { RunStore } from "@tenon/core/RunStore"
import * as RunStoreMemory from "@tenon/core/RunStoreMemory"
import { runEngineLaws } from "@tenon/testing/RunEngineLaws"
import { runJournalLaws } from "@tenon/testing/RunJournalLaws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const store = Layer.effectContext(
  Effect.sync(() => {
    const { journal, store } = RunStoreMemory.make(() => Effect.void)
    return Context.make(RunStore, store).pipe(Context.add(RunJournal, journal))
  })
)

runEngineLaws("RunStoreMemory", store)
runJournalLaws("RunStoreMemory", store)
