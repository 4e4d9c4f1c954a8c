/**
 * `npm run fault`: breaks things under load, on servers of its own, and audits what is there afterwards. `--only` picks
 * the scenarios whose names hold a text, `--list` shows them.
 */
import * as AgentFault from "@tenon/examples/fault/AgentFault"
import * as Fault from "@tenon/examples/fault/Fault"
import * as HostileFault from "@tenon/examples/fault/HostileFault"
import { aimed, serving } from "@tenon/examples/fault/Serving"
import * as SlipFault from "@tenon/examples/fault/SlipFault"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import { runScript } from "./run.ts"
import { parseArgs } from "node:util"

const usage = "npm run fault -- [--json] [--strikes N] [--slips N] [--seeds N] [--only PART-OF-A-NAME] [--list]"

const refuse = (message: string): never => {
  process.stderr.write(`${message}\nUsage: ${usage}\n`)
  process.exit(2)
}

const options = {
  json: { type: "boolean", default: false },
  list: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
  strikes: { type: "string", default: "5" },
  slips: { type: "string", default: "1000" },
  seeds: { type: "string", default: "1000" },
  only: { type: "string", default: "" }
} as const

const given = () => {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}
const values = given()
if (values.help) {
  process.stdout.write(`${usage}\n`)
  process.exit(0)
}
const count = (name: "strikes" | "slips" | "seeds"): number => {
  const number = Number(values[name])
  return Number.isSafeInteger(number) && number > 0 ? number : refuse(`--${name} must be a positive whole number.`)
}
const config = resolve(import.meta.dirname, "../packages/examples/tenon.config.ts")
const progress = (message: string) => void (values.json ? process.stderr : process.stdout).write(`${message}\n`)

const strikes = count("strikes")
const mesh = { slips: count("slips"), steps: 10, activities: 9, replicas: 2, strikes, progress }
/** Suites of the tests with many more seeds, from another one each time, and with every point at which to crash. */
const suite = (name: string, files: ReadonlyArray<string>, problem: string, seeds = count("seeds")) => ({
  name,
  run: Effect.promise(async (): Promise<Fault.Result> => {
    const from = String(Math.floor(Math.random() * 1e9))
    Object.assign(process.env, { TENON_SEEDS: String(seeds), TENON_FAULTS: "1" })
    process.env["TENON_SEED_FROM"] ??= from
    process.env["TENON_SEED"] ??= from
    progress(`${name}, seeds from ${process.env["TENON_SEED_FROM"]}`)
    const { code, output } = await runScript("node_modules/vitest/vitest.mjs", ["run", ...files], { capture: true })
    if (code !== 0) progress(output)
    const problems = code === 0 ? [] : [`${problem}; see above`]
    return { scenario: name, ok: code === 0, accepted: seeds, faults: 0, problems }
  })
})
const programs = ["core", "sql", "restate"].map((directory) => `test/${directory}/RunPrograms`)
const scenarios = [
  suite("generated workflows", programs, "a replay was handed something else, or a run did not end"),
  suite("threads whose runs come and go", ["test/agents/ThreadQueue"], "a thread's runs did not come to their end"),
  suite(
    "agents that crash at every point",
    ["test/agents/Crashes.int", "test/agents/CrashesRestate"],
    "a conversation came to another end"
  ),
  // Quick ones: thousands of them.
  suite(
    "simulated slips",
    ["test/routing-slip/Simulation"],
    "a slip was lost or stuck, or an effect done twice",
    2 * count("seeds")
  ),
  suite(
    "workers killed at every point of a hop",
    ["test/routing-slip/Crashes"],
    "a slip was lost or an effect done twice"
  ),
  ...Fault.scenarios.map((scenario) => ({
    name: scenario.name,
    run: Fault.run(scenario, { command: aimed(config), progress, strikes })
  })),
  { name: HostileFault.name, run: HostileFault.run({ command: serving(config), progress, strikes }) },
  ...AgentFault.scenarios.map((scenario) => ({
    name: `${scenario.name} (${scenario.runtime})`,
    run: AgentFault.run(scenario, { command: AgentFault.command, progress, strikes })
  })),
  ...SlipFault.brokers.map((broker) => ({ name: `slips over ${broker}`, run: SlipFault.run(broker, mesh) }))
]
const wanted = scenarios.filter(({ name }) => name.includes(values.only))
if (values.list) {
  for (const { name } of wanted) process.stdout.write(`${name}\n`)
  process.exit(0)
}
if (wanted.length === 0) refuse(`No scenario's name holds "${values.only}"; --list shows them.`)
const results: Array<Fault.Result> = []
for (const { run } of wanted) results.push(await Effect.runPromise(run))
const ok = results.every((result) => result.ok)
const leftOut = results.filter(({ skipped }) => skipped !== undefined).map(({ scenario }) => scenario)
progress(ok ? "All survived." : "Something was lost, done twice or stuck.")
if (leftOut.length > 0) progress(`Left out on this machine: ${leftOut.join("; ")}.`)
if (values.json) process.stdout.write(`${JSON.stringify({ ok, leftOut, results })}\n`)
process.exitCode = ok ? 0 : 1
