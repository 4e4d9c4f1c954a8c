/** The database of a mesh on one machine. Loaded only by the process that starts the others. */
import * as Registry from "@tenon/core/Registry"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { mkdirSync } from "node:fs"
import { resolve } from "node:path"
import * as Environment from "./Environment.ts"
import * as Infrastructure from "./Infrastructure.ts"

/** Where nothing names a database, starts an embedded one with the tables that workers need. */
export const ensure = Effect.fnUntraced(function* (state: string, say: Infrastructure.Progress) {
  const named = yield* Config.option(Config.Redacted("DATABASE_URL"))
  if (Option.isSome(named)) return {}
  const directory = resolve(state)
  mkdirSync(directory, { recursive: true })
  const settings: Infrastructure.Settings = yield* Infrastructure.startPostgres(directory, process.env, say)
  yield* Environment.publish(directory, settings)
  yield* Migrations.ensure({ registry: Registry.make({ resources: [] }) }).pipe(
    Effect.provide(AdminSql.layerConfig.pipe(Layer.provide(ConfigProvider.layer(Environment.withSettings(settings)))))
  )
  return settings
})
