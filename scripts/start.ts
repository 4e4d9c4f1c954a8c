/** `npm start`: the examples as one application, on servers of their own unless the environment names others. */
import { resolve } from "node:path"

const config = resolve(import.meta.dirname, "../packages/examples/tenon.config.ts")
process.argv.splice(2, 0, "dev", "--config", config)
await import("@tenon/cli/main")
