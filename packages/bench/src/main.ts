/** `npm run bench -- SUITE [--json]`: measures ours beside what one would write by hand, by turns, in one run. */
import * as Effect from "effect/Effect"
import * as Actions from "./actions/actions.ts"
import * as Agents from "./agents/agents.ts"
import * as Memory from "./memory/memory.ts"
import * as Report from "./Report.ts"
import * as Slips from "./slips/slips.ts"

const suites = { actions: Actions.run, agents: Agents.run, memory: Memory.run, slips: Slips.run }
const [name = ""] = process.argv.slice(2).filter((each) => !each.startsWith("--"))
const json = process.argv.includes("--json")

if (!Object.hasOwn(suites, name)) {
  process.stderr.write(`Name a suite: ${Object.keys(suites).join(", ")}\n`)
  process.exit(2)
}

const rows = await Effect.runPromise(
  suites[name as keyof typeof suites]((message) => process.stderr.write(`${message}\n`))
)
Report.print(name, rows, json)
