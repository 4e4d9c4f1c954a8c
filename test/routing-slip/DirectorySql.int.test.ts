import * as DirectorySql from "@tenon/routing-slip/DirectorySql"
import { directoryLaws } from "@tenon/testing/DirectoryLaws"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import { transactions } from "../support/SlipStore.ts"

const layer = Layer.unwrap(
  Effect.map(SlipDatabase.make, ({ roles, url }) =>
    DirectorySql.layer(roles).pipe(Layer.provide(transactions(url, roles)))
  )
)

directoryLaws("DirectorySql", layer)
