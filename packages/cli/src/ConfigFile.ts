/** Finds and loads what an application or a mesh tells the command line in a file of its own. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { RegistryError } from "@tenon/core/Registry"
import type { MeshConfig } from "./MeshConfig.ts"
import type { TenonConfig } from "./TenonConfig.ts"

/** The configuration is missing or does not load. */
export class ConfigFileError extends Schema.TaggedError<ConfigFileError>()("ConfigFileError", {
  message: Schema.String
}) {}

const loadDefault = Effect.fnUntraced(function* (path: string, hint: string) {
  const file = resolve(path)
  if (!existsSync(file)) {
    return yield* new ConfigFileError({ message: `There is no ${path}. ${hint}` })
  }
  const loaded = yield* Effect.tryPromise({
    try: async (): Promise<{ readonly default?: unknown }> => import(pathToFileURL(file).href),
    catch: (error) =>
      new ConfigFileError({
        message: error instanceof RegistryError ? error.message : `${path} does not load: ${String(error)}`
      })
  })
  return loaded.default
})

/** Loads the configuration of an application at a path relative to the working directory. */
export const load = Effect.fn("ConfigFile.load")(function* (path: string) {
  const loaded = yield* loadDefault(
    path,
    "Write one that says `export default TenonConfig.define({ directory: import.meta.dirname, registry })`, or name another with --config."
  )
  if (isConfig(loaded)) return loaded
  return yield* new ConfigFileError({ message: `${path} must export TenonConfig.define({ … }) as its default.` })
})

/** Loads a mesh at a path relative to the working directory. */
export const loadMesh = Effect.fn("ConfigFile.loadMesh")(function* (path: string) {
  const loaded = yield* loadDefault(path, "It must say `export default MeshConfig.define({ registry, services })`.")
  if (isMesh(loaded)) return loaded
  return yield* new ConfigFileError({ message: `${path} must export MeshConfig.define({ … }) as its default.` })
})

const has = (value: unknown, ...names: ReadonlyArray<string>) =>
  typeof value === "object" && value !== null && names.every((name) => name in value)

const isConfig = (value: unknown): value is TenonConfig => has(value, "registry", "workflows", "migrations")
const isMesh = (value: unknown): value is MeshConfig => has(value, "activities", "worker", "title")
