import * as RuntimeSql from "@tenon/sql/RuntimeSql"
import { runForkLaws } from "@tenon/testing/RunForkLaws"
import * as TestingPostgres from "@tenon/testing/TestingPostgres"
import { server } from "../support/ScratchDatabase.ts"

runForkLaws("RuntimeSql", {
  runtime: RuntimeSql.layer({ idle: "20 millis" }),
  store: (registry) => TestingPostgres.layerStore(registry, { server })
})
