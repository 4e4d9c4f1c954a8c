import * as RuntimeSql from "@tenon/sql/RuntimeSql"
import { runProgramLaws } from "@tenon/testing/RunProgramLaws"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import { server } from "../support/ScratchDatabase.ts"
import { seeds } from "../support/seeds.ts"

runProgramLaws("RuntimeSql", {
  runtime: RuntimeSql.layer({ idle: "20 millis" }),
  store: (registry) => TestingPostgres.layerStore(registry, { server }),
  seeds: seeds(30)
})
