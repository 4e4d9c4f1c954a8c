/** A hop store over a database of its own, with the framework's tables. */
import * as Registry from "@tenon/core/Registry"
import * as Migrations from "@tenon/sql/Migrations"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scratch from "./ScratchDatabase.ts"
import { over } from "./SlipStore.ts"

/** Makes a database with the tables, dropped with the scope. */
export const make = Effect.gen(function* () {
  const database = yield* Scratch.scratch()
  yield* Migrations.ensure({ registry: Registry.make({ resources: [] }), ...database.names }).pipe(
    Scratch.on(database),
    Effect.orDie
  )
  return { url: Scratch.urlOf(database.name), roles: database.names }
})

/** The store, its database dropped with the scope. */
export const layer = Layer.unwrap(Effect.map(make, ({ roles, url }) => over(url, roles)))
