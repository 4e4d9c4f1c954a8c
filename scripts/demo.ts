/** `npm run demo [-- --json]`: runs the main job headless and says what held. */
import * as Demo from "@tenon/examples/demo/Demo"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"

const json = process.argv.includes("--json")
const root = resolve(import.meta.dirname, "..")
const command = [
  `${root}/packages/cli/src/main.ts`,
  "dev",
  "--json",
  "--config",
  `${root}/packages/examples/tenon.config.ts`
]
const say = (message: string) => void (json ? process.stderr : process.stdout).write(`${message}\n`)

const checks = await Effect.runPromise(Demo.run(command, say))
const ok = checks.every((check) => check.ok)
say(ok ? "All held." : "Something did not hold.")
if (json) process.stdout.write(`${JSON.stringify({ ok, checks })}\n`)
process.exitCode = ok ? 0 : 1
