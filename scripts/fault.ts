/** `npm run fault [-- --json] [-- --strikes N]`: breaks things under load, on servers of its own, and audits the rows. */
import * as Fault from "@tenon/examples/fault/Fault"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, strikes: { type: "string", default: "5" } }
})
const root = resolve(import.meta.dirname, "..")
const command = [
  `${root}/packages/cli/src/main.ts`,
  "dev",
  "--json",
  "--config",
  `${root}/packages/examples/tenon.config.ts`
]
const progress = (message: string) => void (values.json ? process.stderr : process.stdout).write(`${message}\n`)

const results: Array<Fault.Result> = []
for (const scenario of Fault.scenarios) {
  results.push(await Effect.runPromise(Fault.run(scenario, { command, progress, strikes: Number(values.strikes) })))
}
const ok = results.every((result) => result.ok)
progress(ok ? "All survived." : "Something was lost, done twice or stuck.")
if (values.json) process.stdout.write(`${JSON.stringify({ ok, results })}\n`)
process.exitCode = ok ? 0 : 1
