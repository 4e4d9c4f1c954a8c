/** Finds and loads `tenon.config.ts`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { RegistryError } from "@tenon/core/Registry"
import type { TenonConfig } from "./TenonConfig.ts"

/** The configuration is missing or does not load. */
export class ConfigFileError extends Schema.TaggedError<ConfigFileError>()("ConfigFileError", {
  message: Schema.String
}) {}

/** Loads the configuration at a path relative to the working directory. */
export const load = Effect.fn("ConfigFile.load")(function* (path: string) {
  const file = resolve(path)
  if (!existsSync(file)) {
    return yield* new ConfigFileError({
      message: `There is no ${path}. Write one that says \`export default TenonConfig.define({ directory: import.meta.dirname, registry })\`, or name another with --config.`
    })
  }
  const loaded = yield* Effect.tryPromise({
    try: async (): Promise<{ readonly default?: unknown }> => import(pathToFileURL(file).href),
    catch: (error) =>
      new ConfigFileError({
        message: error instanceof RegistryError ? error.message : `${path} does not load: ${String(error)}`
      })
  })
  if (!isConfig(loaded.default)) {
    return yield* new ConfigFileError({ message: `${path} must export TenonConfig.define({ … }) as its default.` })
  }
  return loaded.default
})

const isConfig = (value: unknown): value is TenonConfig =>
  typeof value === "object" && value !== null && "registry" in value && "workflows" in value && "migrations" in value
