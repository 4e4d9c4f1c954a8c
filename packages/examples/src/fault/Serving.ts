/** The command that serves an application which is to be broken: `tenon dev`, in a process of its own. */
import { fileURLToPath } from "node:url"

const dev = (script: string, config: string): ReadonlyArray<string> => [
  fileURLToPath(script),
  "dev",
  "--json",
  "--config",
  config
]

/** A script and its arguments; `config` is the path of the application's `tenon.config.ts`. */
export const serving = (config: string) => dev(import.meta.resolve("@tenon/cli/main"), config)

/** The same where a fault can be aimed at what is between commit and journal. */
export const aimed = (config: string) => dev(import.meta.resolve("./aimedServer.ts"), config)
