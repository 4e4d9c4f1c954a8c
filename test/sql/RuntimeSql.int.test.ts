import * as RuntimeSql from "@tenon/sql/RuntimeSql"
import { runtimeLaws } from "@tenon/testing/RuntimeLaws"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import { server } from "../support/ScratchDatabase.ts"

runtimeLaws("RuntimeSql", {
  runtime: RuntimeSql.layer(),
  store: (registry) => TestingPostgres.layerStore(registry, { server })
})
