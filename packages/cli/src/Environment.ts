/**
 * Where the servers of a running `tenon dev` are, for the other commands in the same folder: a file that only its owner
 * can read, there for as long as `tenon dev` runs. What the environment itself names comes first.
 */
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Settings } from "./Infrastructure.ts"

const fileIn = (directory: string) => join(directory, "environment.json")
const Contents = Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))

/** Writes the settings down until the scope closes. */
export const publish = (directory: string, settings: Settings) =>
  Effect.acquireRelease(
    Effect.sync(() => writeFileSync(fileIn(directory), JSON.stringify(settings), { mode: 0o600 })),
    () => Effect.sync(() => rmSync(fileIn(directory), { force: true }))
  )

/** Where the commands that start servers keep them. */
export const state = Flag.String("state").pipe(
  Flag.withDescription("Where the embedded servers keep their data, and development its keys"),
  Flag.withFallbackConfig(Config.String("TENON_STATE")),
  Flag.withDefault(".tenon/dev")
)

const named = (): Settings =>
  Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined))

/** The environment, with settings that come before it. */
export const withSettings = (settings: Settings) => ConfigProvider.fromEnv({ env: { ...named(), ...settings } })

/** The environment, and behind it what a running `tenon dev` has published. */
export const provider = Effect.sync(() => {
  const file = fileIn(process.env["TENON_STATE"] ?? ".tenon/dev")
  const published = existsSync(file) ? Schema.decodeUnknownOption(Contents)(readFileSync(file, "utf8")) : Option.none()
  const env = { ...Option.getOrElse(published, (): Settings => ({})), ...named() }
  return ConfigProvider.fromEnv({ env })
})
