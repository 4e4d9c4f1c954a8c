import * as Registry from "@tenon/core/Registry"
import { runEngineLaws } from "@tenon/testing/RunEngineLaws"
import { runJournalLaws } from "@tenon/testing/RunJournalLaws"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import { server } from "../support/ScratchDatabase.ts"

const store = TestingPostgres.layerStore(Registry.make({ resources: [] }), { server })

runEngineLaws("RunStoreSql", store)
runJournalLaws("RunJournalSql", store)
