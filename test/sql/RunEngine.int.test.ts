import * as Registry from "@tenon/core/Registry"
import { runEngineLaws } from "@tenon/testing/RunEngineLaws"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import { server } from "../support/ScratchDatabase.ts"

runEngineLaws("RunStoreSql", TestingPostgres.layerStore(Registry.make({ resources: [] }), { server }))
