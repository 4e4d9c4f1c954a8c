/** The command that serves an application which is to be broken: `tenon dev`, in a process of its own. */
import { fileURLToPath } from "node:url"

/** A script and its arguments; `config` is the path of the application's `tenon.config.ts`. */
export const serving = (config: string): ReadonlyArray<string> => [
  fileURLToPath(import.meta.resolve("@tenon/cli/main")),
  "dev",
  "--json",
  "--config",
  config
]
